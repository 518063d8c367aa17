"""Asking before code from elsewhere is run: which code, from where, what it could do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPlainTextEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.window.icons import icon

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGN = 32


class ConsentDialog(QDialog):
    """Names every piece of code and shows its text; `agreed` only after a click on the button that says so."""

    agreed = Signal()

    def __init__(self, source: str, code: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._code = dict(code)
        self.setObjectName("consentDialog")
        self.setWindowTitle("Run code that comes with this?")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sign = QLabel()
        sign.setPixmap(icon("warning").pixmap(QSize(_SIGN, _SIGN), self.devicePixelRatioF()))
        files = "this Python code" if len(self._code) == 1 else f"these {len(self._code)} pieces of Python code"
        words = QLabel(
            f"“{source}” can only be used by running {files}. "
            "It could do anything that you can do on this machine. Run it only if you trust where it came from."
        )
        words.setObjectName("consentMessage")
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setWordWrap(True)
        top = QHBoxLayout()
        top.setSpacing(2 * GRID)
        top.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(words, 1)
        self._names = QListWidget()
        self._names.setObjectName("consentNames")
        self._names.setAccessibleName("Code")
        self._names.setSpacing(2)
        self._names.addItems(list(self._code))
        for row in range(self._names.count()):
            self._names.item(row).setToolTip(self._names.item(row).text())
        # The end of a path tells the file.
        self._names.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self._names.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._text = QPlainTextEdit()
        self._text.setObjectName("consentText")
        self._text.setAccessibleName("Text of the code")
        self._text.setReadOnly(True)
        self._text.setFont(fixed_font())
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        split = QSplitter()
        split.addWidget(self._names)
        split.addWidget(self._text)
        split.setStretchFactor(1, 1)
        split.setSizes([28 * GRID, 64 * GRID])
        split.setMinimumSize(92 * GRID, 36 * GRID)
        self._names.currentTextChanged.connect(self._on_names_current_changed)
        self._names.setCurrentRow(0)
        buttons = QDialogButtonBox()
        run = buttons.addButton("Run the code", QDialogButtonBox.ButtonRole.AcceptRole)
        run.setObjectName("consentRun")
        run.setAutoDefault(False)
        refuse = buttons.addButton("Don't run it", QDialogButtonBox.ButtonRole.RejectRole)
        refuse.setObjectName("consentRefuse")
        # Enter must not be the answer that gives everything away.
        refuse.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(self.agreed)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(top)
        column.addWidget(split, 1)
        column.addWidget(buttons)
        refuse.setFocus()

    def _on_names_current_changed(self, name: str) -> None:
        self._text.setPlainText(self._code.get(name, ""))
