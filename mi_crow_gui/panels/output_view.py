"""What the model wrote: the prompt stands back, the generated text follows as it comes."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextEdit, QWidget

from mi_crow_gui.panels.look import muted


class OutputView(QTextEdit):
    """Read-only text in two tones that keeps up with a generation unless the user scrolled back.

    `filled` tells whether there is anything after the prompt, or will be.
    """

    filled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("outputView")
        self.setAccessibleName("Output of the model")
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setPlaceholderText("Generate (Ctrl+G) to see here what the model writes after the prompt.")
        self._prompt = ""
        self._generated = ""
        self._awaited = False

    @property
    def filled_or_awaited(self) -> bool:
        """Whether anything follows the prompt, or will."""
        return self._awaited or bool(self._generated)

    @property
    def generated(self) -> str:
        """The text after the prompt."""
        return self._generated

    def set_text(self, prompt: str, generated: str = "", *, awaited: bool = False) -> None:
        """Show a prompt and what followed it; `awaited`: something will."""
        shown = (self._prompt, self._generated) == (prompt, generated)
        self._prompt, self._generated, self._awaited = prompt, generated, awaited
        if not shown:
            self._write()
        self.filled.emit(self.filled_or_awaited)

    def _write(self) -> None:
        self.clear()
        self._insert(self._prompt, muted(self.palette()))
        self._insert(self._generated, self.palette().text().color())

    def append_token(self, text: str) -> None:
        """Add one generated token."""
        was_empty, self._generated = not self.filled_or_awaited, self._generated + text
        self._insert(text, self.palette().text().color())
        if was_empty and text:
            self.filled.emit(True)

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._write()

    def _insert(self, text: str, colour: QColor) -> None:
        if not text:
            return
        bar = self.verticalScrollBar()
        at_end = bar.value() >= bar.maximum()
        tone = QTextCharFormat()
        tone.setForeground(colour)
        # A cursor of its own: the user's selection stays.
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text, tone)
        if at_end:
            bar.setValue(bar.maximum())
