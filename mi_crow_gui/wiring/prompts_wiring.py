"""The prompts of a batch: read from a file, and gone through one by one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.formatting import plural

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class PromptsWiring(QObject):
    """Joins the actions about batches with the document and the token strip."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._window, self._store, self._jobs = parts.window, parts.store, parts.jobs
        window = parts.window
        window.action("loadPrompts").triggered.connect(self._on_load_prompts_triggered)
        window.action("nextPrompt").triggered.connect(self._on_next_prompt_triggered)
        window.action("previousPrompt").triggered.connect(self._on_previous_prompt_triggered)
        window.prompt.promptsShown.connect(self._on_prompt_prompts_shown)

    def load(self, path: str) -> None:
        """Make a batch of the lines of a text file."""
        # Read where nothing waits for it.
        from mi_crow_gui.document.prompts_file import read_prompts

        file = Path(path).expanduser()
        self._jobs.run("prompts", lambda: (file, read_prompts(file)), self._on_read, self._on_failed)

    @Slot()
    def _on_load_prompts_triggered(self) -> None:
        self._window.ask_for_file(
            "Load prompts", "Text, one prompt a line (*.txt *.text *.md);;All files (*)", self.load
        )

    def _on_read(self, answer: tuple[Path, tuple[str, ...]]) -> None:
        file, prompts = answer
        self._store.set_prompts(prompts)
        self._window.show_workbench()
        self._window.status.set_message(
            f"{plural(len(prompts), 'prompt')} from {file}; Run (Ctrl+R) runs them together."
        )

    def _on_failed(self, failure: Failure) -> None:
        self._window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})

    @Slot(int)
    def _on_prompt_prompts_shown(self, count: int) -> None:
        for name in ("nextPrompt", "previousPrompt"):
            self._window.action(name).setEnabled(count > 1)

    @Slot()
    def _on_next_prompt_triggered(self) -> None:
        self._go(1)

    @Slot()
    def _on_previous_prompt_triggered(self) -> None:
        self._go(-1)

    def _go(self, by: int) -> None:
        last = self._window.prompt.prompts - 1
        self._store.select_prompt(max(0, min(last, self._store.workspace.selected_prompt + by)))
