"""The field for a prompt: one line high, growing with its text to four."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

_MOST_LINES = 4
_HINT = "Type a prompt, then Run or Generate"


class PromptEdit(QPlainTextEdit):
    """Plain text; Tab leaves the field."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("promptEdit")
        self.setAccessibleName("Prompt")
        self._batch = False
        self._most_lines = _MOST_LINES
        self.set_hint(_HINT)
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # It would lie over the last line; a long line goes along with the cursor.
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().documentLayout().documentSizeChanged.connect(self._on_document_size_changed)

    def set_text(self, text: str) -> None:
        """Replace the text as one step that can be undone, leaving the cursor where it was."""
        if text == self.toPlainText():
            return
        place = self.textCursor().position()
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        cursor.setPosition(min(place, len(self.toPlainText())))
        self.setTextCursor(cursor)

    def set_batch(self, batch: bool) -> None:
        """Whether each line is a prompt of its own; then lines are not wrapped, so that one stays one."""
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap if batch else QPlainTextEdit.LineWrapMode.WidgetWidth)
        self._batch = batch
        self.set_hint(self._hint)
        self.updateGeometry()

    def set_most_lines(self, lines: int) -> None:
        """How many lines are shown before the field scrolls."""
        if lines != self._most_lines:
            self._most_lines = lines
            self._on_document_size_changed()

    def set_hint(self, text: str) -> None:
        """What the empty field says."""
        self._hint = text
        self.setPlaceholderText(f"One prompt a line. {text}" if self._batch else text)

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        lines = min(self._lines(), self._most_lines)
        around = 2 * (self.frameWidth() + round(self.document().documentMargin())) + 1
        return QSize(super().sizeHint().width(), lines * self.fontMetrics().lineSpacing() + around)

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(super().minimumSizeHint().width(), self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self.updateGeometry()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()

    def _lines(self) -> int:
        # A plain text's document measures its height in lines.
        return max(1, round(self.document().size().height()))

    def _on_document_size_changed(self) -> None:
        needed = self._lines() > self._most_lines
        self.setVerticalScrollBarPolicy(
            Qt.ScrollBarPolicy.ScrollBarAsNeeded if needed else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        self.updateGeometry()
