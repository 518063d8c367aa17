"""The weights of two models beside each other, without opening either: which layers changed, and by how much."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import (
    QComboBox,
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

from mi_crow_gui.document.formatting import count, plural, shape
from mi_crow_gui.itemmodels.numbers_model import NumbersModel
from mi_crow_gui.panels.bar_delegate import BarDelegate
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.row_table import RowTable
from mi_crow_gui.window.dialog_buttons import DialogButtons
from mi_crow_gui.window.file_choosers import choose_file, choose_folder
from mi_crow_gui.window.file_drop import FileDrop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.analysis.weights_comparison import LayerComparison, TensorComparison

LAYERS, TENSORS = "layers", "tensors"
_FILES = "Weights (*.safetensors);;All files (*)"
_EMPTY = "Name two models, such as a base and a fine-tuned one: what changed stands here, layer by layer."
_HEADERS = {
    LAYERS: ("Layer", "Relative change", "Cosine", "Norm of B − A", "Tensors that differ"),
    TENSORS: ("Tensor", "Relative change", "Cosine", "Norm of B − A", "Shape, or why not compared"),
}
_TIPS = (
    "Name in model A, without the prefix if only one of the two has it",
    "Norm of B − A, relative to the norm of A; 0 where nothing changed",
    "Cosine between A and B as one long vector each",
    "Norm of B − A",
    "How many tensors differ, of those that could be compared; or shape of A's, or why they can't be compared",
)
_CHANGE = 1  # the column of relative changes
_CHARACTERS = (36, 17, 10, 15, 26)


class CompareWeightsDialog(QDialog):
    """Names two models and shows what a comparison found; it stands beside the window and blocks nothing."""

    compareRequested = Signal(str, str)
    cancelRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compareWeightsDialog")
        self.setWindowTitle("Compare the weights of two models")
        self._sized = False
        self._layers: Sequence[LayerComparison] = ()
        self._tensors: Sequence[TensorComparison] = ()
        self._lines = {which: self._line(which) for which in ("A", "B")}
        self._show = QComboBox()
        self._show.setObjectName("weightsShow")
        self._show.setAccessibleName("What a row is")
        self._show.addItem("A row for each layer", LAYERS)
        self._show.addItem("A row for each tensor", TENSORS)
        self._show.currentIndexChanged.connect(self._fill)
        self._table = NumbersModel(self)
        self._view = RowTable(self._table, "weightsTable", "What was compared", _CHARACTERS, range(5))
        self._view.setItemDelegateForColumn(_CHANGE, BarDelegate(self._view, fixed=True))
        self._view.setSortingEnabled(True)
        self._view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._view.copyRequested.connect(self._on_view_copy_requested)
        EmptyHint(self._view, _EMPTY)
        self.progress = ProgressRow("weights")
        self.progress.cancelRequested.connect(self.cancelRequested)
        self._words = QLabel()
        self._words.setObjectName("weightsMessage")
        self._words.setAccessibleName("Message")
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setWordWrap(True)
        self._words.setMinimumHeight(2 * self._words.fontMetrics().lineSpacing())
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._words.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._arrange()
        FileDrop(self).dropped.connect(self._on_files_dropped)
        self._on_text_changed()

    def _arrange(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for which, line in self._lines.items():
            row = QHBoxLayout()
            row.setSpacing(GRID)
            row.addWidget(line, 1)
            folder = self._button(f"weightsFolder{which}", "Folder…", f"Choose the folder of model {which}")
            file = self._button(f"weightsFile{which}", "File…", f"Choose the file of model {which}")
            folder.clicked.connect(partial(self._choose_folder, which))
            file.clicked.connect(partial(self._choose_file, which))
            row.addWidget(folder)
            row.addWidget(file)
            label = QLabel(f"Model &{which}")
            label.setBuddy(line)
            form.addRow(label, row)
        buttons = DialogButtons(QDialogButtonBox.StandardButton.Close)
        self._compare = buttons.addButton("Compare", QDialogButtonBox.ButtonRole.AcceptRole)
        self._compare.setObjectName("weightsCompare")
        self._compare.setDefault(True)
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        buttons.accepted.connect(self._on_compare_clicked)
        buttons.rejected.connect(self.reject)
        shown = QHBoxLayout()
        shown.setSpacing(GRID)
        shown.addWidget(self._show)
        shown.addWidget(self.progress, 1)
        shown.addStretch(0)
        found = QVBoxLayout()
        found.setSpacing(GRID)
        found.addLayout(shown)
        found.addWidget(self._view, 1)
        found.addWidget(self._words)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(form)
        column.addLayout(found, 1)
        column.addWidget(buttons)
        self.resize(104 * GRID, 72 * GRID)

    # ---- what it is told -----------------------------------------------------------------------------------------

    def offer(self, source: str) -> None:
        """Name model A, unless somebody has."""
        if not self._lines["A"].text().strip():
            self._lines["A"].setText(source)

    def show_begun(self) -> None:
        """A comparison goes on."""
        self._set_found((), ())
        self._say("")
        self.progress.begin("Comparing the weights")

    def show_found(self, layers: Sequence[LayerComparison], tensors: Sequence[TensorComparison]) -> None:
        """What a comparison found."""
        self.progress.end()
        self._set_found(layers, tensors)
        changed = sum(item.difference > 0 for item in tensors)
        apart = sum(bool(item.problem) for item in tensors)
        words = f"{count(changed)} of {plural(len(tensors), 'tensor')} differ"
        self._say(words + (f"; {count(apart)} can't be compared: see the rows of tensors." if apart else "."))

    def show_end(self, words: str) -> None:
        """Why nothing was found."""
        self.progress.end()
        self._say(words)

    # ---- handlers ------------------------------------------------------------------------------------------------

    def _set_found(self, layers: Sequence[LayerComparison], tensors: Sequence[TensorComparison]) -> None:
        self._layers, self._tensors = layers, tensors
        self._fill()

    @Slot()
    def _fill(self) -> None:
        kind = str(self._show.currentData())
        rows: list[tuple[Any, ...]] = []
        if kind == LAYERS:
            for layer in self._layers:
                said = f"{layer.changed:,} of {layer.tensors:,}" + (
                    f", {layer.apart:,} not compared" if layer.apart else ""
                )
                rows.append((layer.name, layer.relative, layer.cosine, layer.difference, said))
        else:
            for item in self._tensors:
                rows.append((item.name, item.relative, item.cosine, item.difference, item.problem or shape(item.shape)))
        self._table.set_table(_HEADERS[kind], rows, _TIPS, (_CHANGE,))
        if not self._sized:
            # Columns have a width once there are any; after that it is what a person made it.
            self._sized = True
            self._view.set_widths(_CHARACTERS)
        header = self._view.horizontalHeader()
        self._table.sort(header.sortIndicatorSection(), header.sortIndicatorOrder())

    @Slot()
    def _on_view_copy_requested(self) -> None:
        QGuiApplication.clipboard().setText(self._table.lines(self._view.selectionModel().selectedRows()))

    def _say(self, words: str) -> None:
        self._words.setText(words)

    @Slot()
    def _on_text_changed(self) -> None:
        self._compare.setEnabled(all(line.text().strip() for line in self._lines.values()))
        self._compare.setDefault(self._compare.isEnabled())

    @Slot()
    def _on_compare_clicked(self) -> None:
        self.compareRequested.emit(self._lines["A"].text().strip(), self._lines["B"].text().strip())

    @Slot(list)
    def _on_files_dropped(self, paths: list[str]) -> None:
        free = [line for line in self._lines.values() if not line.text().strip()] or [self._lines["B"]]
        for line, path in zip(free if len(paths) == 1 else self._lines.values(), paths, strict=False):
            line.setText(path)

    def _line(self, which: str) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(f"weights{which}")
        line.setAccessibleName(f"Model {which}")
        line.setPlaceholderText("Folder, .safetensors file, or hub id of a downloaded model; or drop it here")
        line.setClearButtonEnabled(True)
        line.textChanged.connect(self._on_text_changed)
        return line

    def _choose_folder(self, which: str) -> None:
        line = self._lines[which]
        choose_folder(self, f"Folder of model {which}", line.setText, line.text())

    def _choose_file(self, which: str) -> None:
        line = self._lines[which]
        choose_file(self, f"Weights of model {which}", _FILES, line.setText, line.text())

    def _button(self, name: str, words: str, accessible: str) -> QPushButton:
        button = QPushButton(words)
        button.setObjectName(name)
        button.setAccessibleName(accessible)
        button.setAutoDefault(False)
        return button
