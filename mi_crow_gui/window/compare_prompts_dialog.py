"""Which two prompts are to be run and shown beside each other."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.prompt_edit import PromptEdit
from mi_crow_gui.window.dialog_buttons import DialogButtons


class ComparePromptsDialog(QDialog):
    """`chosen` carries prompt A, which is `first` to begin with, and prompt B."""

    chosen = Signal(str, str)

    def __init__(self, first: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("comparePromptsDialog")
        self.setWindowTitle("Compare two prompts")
        says = QLabel(
            "Runs both with the hooks as they are, pins the runs as A and B, and shows them token by token: what the "
            "model expected, and where its residual stream differs."
        )
        says.setWordWrap(True)
        says.setMinimumWidth(72 * GRID)
        self._a, self._b = _field("comparePromptA", "Prompt A"), _field("comparePromptB", "Prompt B")
        self._a.set_text(first)
        buttons = DialogButtons(QDialogButtonBox.StandardButton.Cancel)
        self._ok = buttons.addButton("Run and compare", QDialogButtonBox.ButtonRole.AcceptRole)
        self._ok.setObjectName("comparePromptsOk")
        self._ok.setDefault(True)
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        buttons.accepted.connect(self._on_buttons_accepted)
        buttons.rejected.connect(self.reject)
        # Return makes a new line in a prompt.
        QShortcut(QKeySequence(Qt.Modifier.CTRL | Qt.Key.Key_Return), self, self._ok.click)
        self._ok.setToolTip("Ctrl+Return")
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Prompt &A", self._a)
        form.addRow("Prompt &B", self._b)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addWidget(says)
        column.addLayout(form)
        column.addWidget(buttons)
        for field in (self._a, self._b):
            field.textChanged.connect(self._on_text_changed)
        self._on_text_changed()
        (self._b if first.strip() else self._a).setFocus()

    def _on_text_changed(self) -> None:
        self._ok.setEnabled(bool(self._a.toPlainText().strip() and self._b.toPlainText().strip()))

    def _on_buttons_accepted(self) -> None:
        self.chosen.emit(self._a.toPlainText(), self._b.toPlainText())
        self.accept()


def _field(name: str, words: str) -> PromptEdit:
    field = PromptEdit()
    field.setObjectName(name)
    field.setAccessibleName(words)
    field.set_hint(words)
    field.setMinimumHeight(3 * field.fontMetrics().lineSpacing() + 2 * GRID)
    return field
