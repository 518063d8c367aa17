"""One error in full: what happened on top, the traceback below, in a window that blocks nothing."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.window.icons import icon

_SIGN = 32


class ErrorDialog(QDialog):
    """Shows one sentence and its details; "Copy" takes both to the clipboard."""

    def __init__(self, message: str, details: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._message, self._details = message, details
        self.setObjectName("errorDialog")
        self.setWindowTitle("What went wrong")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sign = QLabel()
        sign.setPixmap(icon("error").pixmap(QSize(_SIGN, _SIGN), self.devicePixelRatioF()))
        words = QLabel(message)
        words.setObjectName("errorMessage")
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setWordWrap(True)
        words.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        words.setMinimumWidth(48 * GRID)
        top = QHBoxLayout()
        top.setSpacing(2 * GRID)
        top.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(top)
        if details:
            text = QPlainTextEdit(details)
            text.setObjectName("errorDetails")
            text.setAccessibleName("Details")
            text.setReadOnly(True)
            text.setFont(fixed_font())
            text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
            text.setMinimumSize(80 * GRID, 30 * GRID)
            column.addWidget(text, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton("&Copy", QDialogButtonBox.ButtonRole.ActionRole)
        copy.setObjectName("errorCopy")
        copy.clicked.connect(self._on_copy_clicked)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)

    @Slot()
    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText("\n\n".join(part for part in (self._message, self._details) if part))
