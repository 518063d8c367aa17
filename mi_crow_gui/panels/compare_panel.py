"""Comparing an open capture with another one, or the weights of two models, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.itemmodels.numbers_model import NumbersModel
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.example_list import ExampleList
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.plotdata.examples import ExampleRow

CAPTURES, WEIGHTS = "captures", "weights"
_EMPTY = "Compare this capture with one of the same texts: another model, or the same with controllers."
_CHARACTERS = (24, 9, 9, 11, 10)


class ComparePanel(QWidget):
    """Says what is to be compared, and shows it site by site; a site that is selected shows where it changed most."""

    compareRequested = Signal(str)  # CAPTURES or WEIGHTS
    folderRequested = Signal(str)  # "capture", "a" or "b"
    siteSelected = Signal(int)
    rowChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what = QComboBox()
        self._what.setObjectName("compareWhat")
        self._what.setAccessibleName("What to compare")
        self._what.addItem("This capture with another", CAPTURES)
        self._what.addItem("The weights of two models", WEIGHTS)
        self._what.currentIndexChanged.connect(self._on_what_changed)
        self._with = QComboBox()
        self._with.setObjectName("compareWith")
        self._with.setAccessibleName("Capture to compare with")
        self._with.setPlaceholderText("No other capture is in the list")
        self._with.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._with.setMinimumContentsLength(10)
        self._with.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._inputs = QStackedWidget()
        self._inputs.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._inputs.addWidget(_row((self._with, self._choose("compareChoose", "Choose folder…", "capture"))))
        self._folders = {name: QLabel(f"model {name.upper()}: none yet") for name in ("a", "b")}
        for label in self._folders.values():
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        weights = QWidget()
        rows = QVBoxLayout(weights)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GRID)
        for name, label in self._folders.items():
            rows.addWidget(_row((self._choose(f"compareModel{name.upper()}", f"Model {name.upper()}…", name), label)))
        self._inputs.addWidget(weights)
        self._show_inputs(0)
        self._compare = QPushButton("Compare")
        self._compare.setObjectName("compareCapturesButton")
        self._compare.clicked.connect(lambda: self.compareRequested.emit(self.what))
        button = QHBoxLayout()
        button.addWidget(self._compare)
        button.addStretch(1)
        self.progress = ProgressRow("compare")
        self._note = QLabel()
        self._note.setObjectName("compareNote")
        self._note.setWordWrap(True)
        self._note.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.table = NumbersModel(self)
        self._view = RowTable(self.table, "compareTable", "What was compared", _CHARACTERS, range(1, 5))
        self._view.setSortingEnabled(True)
        self._view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._view.selectionModel().currentRowChanged.connect(self._on_view_current_row_changed)
        self._hint = EmptyHint(self._view, _EMPTY)
        self._channels = QLabel()
        self._channels.setObjectName("compareChannels")
        self._channels.setWordWrap(True)
        self._channels.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tokens = ExampleList(
            "compareTokens", "Tokens that changed most", "Select a site to see the tokens that changed most there."
        )
        self.tokens.chosen.connect(self.rowChosen)
        self._details = QWidget()
        below = QVBoxLayout(self._details)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(GRID)
        below.addWidget(self._channels)
        below.addWidget(self.tokens, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.addWidget(self._view)
        split.addWidget(self._details)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self._what)
        column.addWidget(self._inputs)
        column.addLayout(button)
        column.addWidget(self.progress)
        column.addWidget(self._note)
        column.addWidget(split, 1)
        self._details.hide()
        self._note.hide()
        self._on_what_changed(0)

    def set_captures(self, captures: Sequence[tuple[str, str]]) -> None:
        """Offer these captures as (name, path)."""
        chosen = self.other
        self._with.clear()
        for name, path in captures:
            self._with.addItem(name, path)
            self._with.setItemData(self._with.count() - 1, path, Qt.ItemDataRole.ToolTipRole)
        self._with.setCurrentIndex(max(0, self._with.findData(chosen)))
        self._on_what_changed(0)

    def choose_capture(self, name: str, path: str) -> None:
        """Compare with this one, listed or not."""
        if self._with.findData(path) < 0:
            self._with.addItem(name, path)
        self._with.setCurrentIndex(self._with.findData(path))
        self._what.setCurrentIndex(0)
        self._on_what_changed(0)

    def set_folder(self, which: str, path: str) -> None:
        """Take the weights of model "a" or "b" from this folder."""
        self._folders[which].setText(path)
        self._folders[which].setToolTip(path)
        self._on_what_changed(0)

    def folder(self, which: str) -> str:
        """Folder of model "a" or "b"; "" for none."""
        return self._folders[which].toolTip()

    def set_table(
        self, headers: Sequence[str], rows: Sequence[tuple[Any, ...]], note: str, tips: Sequence[str] = ()
    ) -> None:
        """Show what was compared, or a note on why not."""
        self.table.set_table(headers, rows, tips)
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._details.hide()
        for column, characters in enumerate(_CHARACTERS):
            if column < self.table.columnCount():
                self._view.setColumnWidth(column, characters * self.fontMetrics().averageCharWidth() + 2 * GRID)

    def set_details(self, channels: str, tokens: Sequence[ExampleRow]) -> None:
        """Show where a site changed most."""
        self._channels.setText(channels)
        self.tokens.set_rows(tokens)
        self._details.show()

    @property
    def what(self) -> str:
        """CAPTURES or WEIGHTS."""
        return str(self._what.currentData())

    @property
    def other(self) -> str:
        """Folder of the capture to compare with; "" for none."""
        return str(self._with.currentData() or "")

    def _choose(self, name: str, words: str, which: str) -> QPushButton:
        button = QPushButton(words)
        button.setObjectName(name)
        button.clicked.connect(lambda: self.folderRequested.emit(which))
        return button

    def _show_inputs(self, place: int) -> None:
        """Show a page, as high as itself: a stack is as high as its highest page that is not ignored."""
        for at in range(self._inputs.count()):
            page = self._inputs.widget(at)
            assert page is not None
            policy = QSizePolicy.Policy.Fixed if at == place else QSizePolicy.Policy.Ignored
            page.setSizePolicy(QSizePolicy.Policy.Preferred, policy)
        self._inputs.setCurrentIndex(place)

    @Slot(int)
    def _on_what_changed(self, place: int) -> None:
        self._show_inputs(self._what.currentIndex())
        ready = bool(self.other) if self.what == CAPTURES else all(map(self.folder, ("a", "b")))
        self._compare.setEnabled(ready)

    @Slot(QModelIndex, QModelIndex)
    def _on_view_current_row_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        number = self.table.number(current)
        if number >= 0:
            self.siteSelected.emit(number)


def _row(widgets: Sequence[QWidget]) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GRID)
    for widget in widgets:
        layout.addWidget(widget)
    return row
