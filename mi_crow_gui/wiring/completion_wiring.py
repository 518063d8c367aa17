"""Names for the editor: asked of jedi on the pool, one question at a time, and the newest one wins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

if TYPE_CHECKING:
    from mi_crow_gui.engine.completion import CompletionRequest
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class CompletionWiring(QObject):
    """Joins the editor with the completion; a question that a newer one overtook is never begun."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._jobs, self._editor = parts.jobs, parts.window.editor
        self._asked: CompletionRequest | None = None
        self._next: CompletionRequest | None = None
        self._editor.completionRequested.connect(self._on_editor_completion_requested)

    @Slot(str, int, int)
    def _on_editor_completion_requested(self, text: str, line: int, column: int) -> None:
        from mi_crow_gui.engine.completion import CompletionRequest

        self._next = CompletionRequest(text, line, column)
        self._go_on()

    def _go_on(self) -> None:
        from mi_crow_gui.engine.completion import complete

        # jedi is not made for two threads.
        if self._asked is None and self._next is not None:
            request = self._asked = self._next
            self._next = None
            self._jobs.run("completion", lambda: complete(request), self._on_completed, self._on_failed)

    def _on_completed(self, names: tuple[str, ...]) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and self._next is None:
            self._editor.offer_completions(names, asked.text, asked.line, asked.column)
        self._go_on()

    def _on_failed(self, failure: Failure) -> None:
        # Nobody waits for names: the text can be written without.
        log.warning("No completion: %s\n%s", failure.message, failure.details)
        self._asked = None
        self._go_on()
