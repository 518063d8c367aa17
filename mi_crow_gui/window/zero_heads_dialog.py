"""Which of the heads that a head map found are to be taken out by controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
)

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.dialog_buttons import DialogButtons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

Scored = tuple[int, int, float]
_SHARE = 0.5  # of the highest score: heads above it are taken for one kind


class ZeroHeadsDialog(QDialog):
    """`chosen` carries the heads, as (block, head), and whether to run the prompt at once.

    Parameters
    ----------
    kinds
        Name of each kind of head, and its heads from the strongest on: block, head, score.
    """

    chosen = Signal(object, bool)

    def __init__(self, kinds: Sequence[tuple[str, Sequence[Scored]]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kinds = list(kinds)
        self.setObjectName("zeroHeadsDialog")
        self.setWindowTitle("Zero the strongest heads")
        says = QLabel("Puts controllers on the model that replace these heads by zeros. One undo takes them off.")
        says.setWordWrap(True)
        self._kind = QComboBox()
        self._kind.setObjectName("zeroHeadsKind")
        self._kind.setAccessibleName("Kind of heads")
        self._kind.addItems([name for name, _ in self._kinds])
        self._count = QSpinBox()
        self._count.setObjectName("zeroHeadsCount")
        self._count.setAccessibleName("How many of the strongest")
        self._list = QLabel()
        self._list.setObjectName("zeroHeadsList")
        self._list.setWordWrap(True)
        self._list.setTextFormat(Qt.TextFormat.PlainText)
        self._list.setMinimumWidth(50 * GRID)
        self._run = QCheckBox("Run the prompt afterwards, to see the loss")
        self._run.setObjectName("zeroHeadsRun")
        self._run.setChecked(True)
        buttons = DialogButtons(QDialogButtonBox.StandardButton.Cancel)
        self._ok = buttons.addButton("Zero them", QDialogButtonBox.ButtonRole.AcceptRole)
        self._ok.setObjectName("zeroHeadsOk")
        self._ok.setDefault(True)
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        buttons.accepted.connect(self._on_buttons_accepted)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Kind", self._kind)
        form.addRow("How many", self._count)
        form.addRow("Heads", self._list)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addWidget(says)
        column.addLayout(form)
        column.addWidget(self._run)
        column.addWidget(buttons)
        self._kind.currentIndexChanged.connect(self._on_kind_changed)
        self._count.valueChanged.connect(self._on_count_changed)
        self._on_kind_changed(0)
        self._ok.setFocus()

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """The heads that are chosen now."""
        heads = self._kinds[self._kind.currentIndex()][1] if self._kinds else ()
        return tuple((block, head) for block, head, _ in heads[: self._count.value()])

    def _on_kind_changed(self, index: int) -> None:
        heads = self._kinds[index][1] if self._kinds else ()
        alike = sum(score >= _SHARE * heads[0][2] for _, _, score in heads) if heads else 0
        self._count.setRange(min(1, len(heads)), len(heads))
        self._count.setValue(alike)
        self._on_count_changed(self._count.value())

    def _on_count_changed(self, count: int) -> None:
        heads = self._kinds[self._kind.currentIndex()][1] if self._kinds else ()
        words = [f"block {block} head {head} ({score:.3f})" for block, head, score in heads[:count]]
        more = f" and {len(words) - 12} more" if len(words) > 12 else ""
        self._list.setText(", ".join(words[:12]) + more if words else "The map knows no head of this kind.")
        self._ok.setEnabled(bool(words))

    def _on_buttons_accepted(self) -> None:
        self.chosen.emit(self.heads, self._run.isChecked())
        self.accept()
