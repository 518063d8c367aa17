"""Which two prompts are to be run and shown beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QPalette, QShortcut
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.colours import PlotColours
from mi_crow_gui.panels.plots.pair_strip import PairStrip
from mi_crow_gui.panels.prompt_edit import PromptEdit
from mi_crow_gui.window.dialog_buttons import DialogButtons

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.patching import PromptPair

_PAUSE = 300  # milliseconds without a key


class ComparePromptsDialog(QDialog):
    """`chosen` carries prompt A, which is `first` to begin with, and prompt B.

    `alignmentWanted` carries both once they have stood for a moment; `show_alignment` is the answer.
    """

    chosen = Signal(str, str)
    alignmentWanted = Signal(str, str)

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
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE)
        self._pause.timeout.connect(self._on_pause_timeout)
        self._strip = PairStrip(PlotColours.of(self.palette()))
        self._strip.setAcceptDrops(False)
        self._aligned = QLabel()
        self._aligned.setObjectName("comparePromptsAligned")
        self._aligned.setAccessibleName("How the two prompts align")
        self._aligned.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._aligned.setWordWrap(True)
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Prompt &A", self._a)
        form.addRow("Prompt &B", self._b)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addWidget(says)
        column.addLayout(form)
        beneath = QVBoxLayout()
        beneath.setSpacing(GRID // 2)
        beneath.addWidget(self._strip.scrolled())
        beneath.addWidget(self._aligned)
        column.addLayout(beneath)
        column.addWidget(buttons)
        for field in (self._a, self._b):
            field.textChanged.connect(self._on_text_changed)
        self._on_text_changed()
        (self._b if first.strip() else self._a).setFocus()

    @property
    def prompts(self) -> tuple[str, str]:
        """Both as they stand."""
        return self._a.toPlainText(), self._b.toPlainText()

    def show_alignment(self, pair: PromptPair | None, problem: str = "") -> None:
        """Show the prompts token over token; None: there is nothing to show, and `problem` says why."""
        self._strip.set_pair(pair)
        if pair is None:
            self._aligned.setText(problem or "Both prompts, token over token, stand here before anything is computed.")
            return
        alone = sum(-1 in column for column in pair.columns)
        other = sum(-1 not in one and pair.clean[one[0]] != pair.corrupted[one[1]] for one in pair.columns)
        words = [f"{len(pair.clean)} and {plural(len(pair.corrupted), 'token')}"]
        words += [f"{other} replaced"] if other else []
        words += [f"{alone} without a partner"] if alone else []
        self._aligned.setText(" · ".join(words if other or alone else [*words, "no token differs"]))

    def _on_text_changed(self) -> None:
        both = all(text.strip() for text in self.prompts)
        self._ok.setEnabled(both)
        self.show_alignment(None)
        if both:
            self._pause.start()
        else:
            self._pause.stop()

    def _on_pause_timeout(self) -> None:
        self.alignmentWanted.emit(*self.prompts)

    def _on_buttons_accepted(self) -> None:
        self.chosen.emit(*self.prompts)
        self.accept()


def _field(name: str, words: str) -> PromptEdit:
    field = PromptEdit()
    field.setObjectName(name)
    field.setAccessibleName(words)
    field.set_hint(words)
    field.setMinimumHeight(3 * field.fontMetrics().lineSpacing() + 2 * GRID)
    return field
