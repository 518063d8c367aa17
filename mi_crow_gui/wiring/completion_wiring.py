"""Names for the editor: asked of the completion process, which is started when somebody is about to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.engine.completion_process import CompletionProcess

if TYPE_CHECKING:
    from mi_crow_gui.engine.completion import CompletionRequest
    from mi_crow_gui.wiring.parts import Parts


class CompletionWiring(QObject):
    """Joins the editor with the completion."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._editor = parts.window.editor
        self._process = CompletionProcess(self)
        self._process.completed.connect(self._on_process_completed)
        self._editor.focused.connect(self._on_editor_focused)
        self._editor.completionRequested.connect(self._on_editor_completion_requested)

    def close(self) -> None:
        """End the process, whatever it is at."""
        self._process.close()

    @Slot()
    def _on_editor_focused(self) -> None:
        self._process.warm_up()

    @Slot(str, int, int)
    def _on_editor_completion_requested(self, text: str, line: int, column: int) -> None:
        from mi_crow_gui.engine.completion import CompletionRequest

        self._process.ask(CompletionRequest(text, line, column))

    @Slot(object, object)
    def _on_process_completed(self, asked: CompletionRequest, names: tuple[str, ...]) -> None:
        self._editor.offer_completions(names, asked.text, asked.line, asked.column)
