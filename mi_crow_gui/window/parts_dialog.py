"""Which modules are the parts of a model: what was found, and what is named by hand instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.window.dialog_buttons import DialogButtons

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# By the names of `core_hooks.model.anatomy_correction.PARTS`: what stands before the field, and what belongs there.
FIELDS = (
    ("blocks", "&Blocks", "Module that holds the blocks, such as model.layers"),
    ("attention", "A&ttention", "Within a block, such as self_attn"),
    ("output_projection", "&Output projection", "The linear layer that mixes the heads, such as self_attn.o_proj"),
    ("heads", "&Heads", "Number of query heads"),
    ("key_value_heads", "&Key and value heads", "Number of them; fewer where query heads share"),
    ("mlp", "&MLP", "Within a block, such as mlp"),
    ("embedding", "&Embedding", "Module that turns tokens into vectors"),
    ("final_norm", "&Final norm", "Between the last block and the unembedding"),
    ("unembedding", "&Unembedding", "Linear layer that gives the logits, such as lm_head"),
)


class PartsDialog(QDialog):
    """One field a part; `namesWanted` gives those that differ from what was found; the dialog stays for the answer."""

    namesWanted = Signal(object)

    def __init__(
        self, found: Mapping[str, str], parts: Sequence[tuple[str, str]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("partsDialog")
        self.setWindowTitle("Name the parts")
        self._found = dict(found)
        self._fields: dict[str, QLineEdit] = {}
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        named = dict(parts)
        for name, words, tip in FIELDS:
            field = QLineEdit(named.get(name, self._found.get(name, "")))
            field.setObjectName(f"part_{name}")
            field.setAccessibleName(words.replace("&", ""))
            field.setPlaceholderText("none found")
            field.setToolTip(tip)
            field.setFont(fixed_font())
            field.setMinimumWidth(40 * GRID)
            self._fields[name] = field
            form.addRow(words, field)
        hint = QLabel(
            "Attention, output projection and MLP are named within a block. An empty field says that the model has no "
            "such part. The names go with the session and with scripts made from it."
        )
        hint.setWordWrap(True)
        hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._answer = QLabel()
        self._answer.setObjectName("partsAnswer")
        self._answer.setAccessibleName("What came of the names")
        self._answer.setWordWrap(True)
        self._answer.setTextFormat(Qt.TextFormat.PlainText)
        self._answer.setMinimumHeight(3 * self._answer.fontMetrics().lineSpacing())
        self._answer.setAlignment(Qt.AlignmentFlag.AlignTop)
        again = QPushButton("As &found")
        again.setObjectName("partsAsFound")
        again.setToolTip("Put back what was found in the model itself")
        again.setAutoDefault(False)
        again.clicked.connect(self._on_again_clicked)
        buttons = DialogButtons(QDialogButtonBox.StandardButton.Close)
        self._apply = buttons.addButton("Apply and check", QDialogButtonBox.ButtonRole.ActionRole)
        self._apply.setObjectName("partsApply")
        self._apply.setDefault(True)
        self._apply.clicked.connect(self._on_apply_clicked)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(again)
        row.addStretch(1)
        row.addWidget(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addWidget(hint)
        column.addLayout(form)
        column.addWidget(self._answer)
        column.addStretch(1)
        column.addLayout(row)

    def names(self) -> tuple[tuple[str, str], ...]:
        """The parts whose names differ from what was found, as (part, path) pairs."""
        typed = {name: field.text().strip() for name, field in self._fields.items()}
        return tuple(sorted((name, path) for name, path in typed.items() if path != self._found.get(name, "")))

    @Slot(str)
    def show_answer(self, text: str) -> None:
        """Say what came of the names that were applied."""
        self._apply.setEnabled(True)
        self._answer.setText(text)

    def _on_apply_clicked(self) -> None:
        self._apply.setEnabled(False)
        self._answer.setText("Checking…")
        self.namesWanted.emit(self.names())

    def _on_again_clicked(self) -> None:
        for name, field in self._fields.items():
            field.setText(self._found.get(name, ""))
