"""Comparing an open capture with another one of the same texts, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.itemmodels.numbers_model import NumbersModel
from mi_crow_gui.panels.bar_delegate import BarDelegate
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.example_list import ExampleList
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.plotdata.examples import ExampleRow

_EMPTY = "Compare this capture with one of the same texts: another model, or the same with controllers."
_DIFFERENCE = 3  # the column of sizes
_CHARACTERS = (16, 7, 7, 10, 8)


class ComparePanel(QWidget):
    """Says what is to be compared, and shows it site by site; a site that is selected shows where it changed most."""

    compareRequested = Signal()
    folderRequested = Signal()
    siteSelected = Signal(int)
    channelChosen = Signal(int)
    rowChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sized = False
        self._with = QComboBox()
        self._with.setObjectName("compareWith")
        self._with.setAccessibleName("Capture to compare with")
        self._with.setPlaceholderText("No other capture is in the list")
        self._with.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._with.setMinimumContentsLength(10)
        self._with.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._choose = QPushButton("Folder…")
        self._choose.setObjectName("compareChoose")
        self._choose.setToolTip("Compare with a capture that is not in the list")
        self._choose.clicked.connect(self.folderRequested)
        self._with.currentIndexChanged.connect(self._on_with_changed)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        words = QLabel("With")
        words.setBuddy(self._with)
        row.addWidget(words)
        row.addWidget(self._with, 1)
        row.addWidget(self._choose)
        self._compare = QPushButton("Compare")
        self._compare.setObjectName("compareCapturesButton")
        self._compare.clicked.connect(self.compareRequested)
        row.addWidget(self._compare)
        self.progress = ProgressRow("compare")
        self._note = QLabel()
        self._note.setObjectName("compareNote")
        self._note.setWordWrap(True)
        self._note.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.table = NumbersModel(self)
        self._view = RowTable(self.table, "compareTable", "What was compared", _CHARACTERS, range(1, 5))
        self._view.setItemDelegateForColumn(_DIFFERENCE, BarDelegate(self._view, fixed=True))
        self._view.setSortingEnabled(True)
        self._view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._view.selectionModel().currentRowChanged.connect(self._on_view_current_row_changed)
        self._view.copyRequested.connect(self._on_view_copy_requested)
        self._hint = EmptyHint(self._view, _EMPTY)
        self._channels = QLabel()
        self._channels.setObjectName("compareChannels")
        self._channels.setWordWrap(True)
        self._channels.setAccessibleName("Channels that changed most")
        self._channels.setTextFormat(Qt.TextFormat.RichText)
        self._channels.setToolTip("A channel opens its neuron card")
        # Tab goes from link to link, Enter follows one.
        self._channels.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._channels.linkActivated.connect(self._on_channels_link_activated)
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
        column.addLayout(row)
        column.addWidget(self.progress)
        column.addWidget(self._note)
        column.addWidget(split, 1)
        self._details.hide()
        self._note.hide()
        self._on_with_changed()

    def set_captures(self, captures: Sequence[tuple[str, str]]) -> None:
        """Offer these captures as (name, path)."""
        chosen = self.other
        self._with.clear()
        for name, path in captures:
            self._with.addItem(name, path)
            self._with.setItemData(self._with.count() - 1, path, Qt.ItemDataRole.ToolTipRole)
        self._with.setCurrentIndex(max(0, self._with.findData(chosen)))
        self._on_with_changed()

    def choose_capture(self, name: str, path: str) -> None:
        """Compare with this one, listed or not."""
        if self._with.findData(path) < 0:
            self._with.addItem(name, path)
        self._with.setCurrentIndex(self._with.findData(path))

    def focus_choice(self) -> None:
        """Let the keyboard say what to compare with."""
        (self._with if self._with.count() else self._choose).setFocus(Qt.FocusReason.OtherFocusReason)

    def set_table(
        self, headers: Sequence[str], rows: Sequence[tuple[Any, ...]], note: str, tips: Sequence[str] = ()
    ) -> None:
        """Show what was compared, or a note on why not."""
        self.table.set_table(headers, rows, tips, (_DIFFERENCE,) if rows else ())
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._details.hide()
        if rows and not self._sized:
            self._sized = True
            self._view.set_widths(_CHARACTERS)

    def set_details(self, words: str, channels: Sequence[tuple[int, str]], tokens: Sequence[ExampleRow]) -> None:
        """Show where a site changed most: words, channels with how much each changed, and tokens."""
        links = ", ".join(f'<a href="{channel}">{channel}</a>&nbsp;({change})' for channel, change in channels)
        self._channels.setText(f"{words} {links}")
        self.tokens.set_rows(tokens)
        self._details.show()

    @property
    def other(self) -> str:
        """Folder of the capture to compare with; "" for none."""
        return str(self._with.currentData() or "")

    @Slot()
    def _on_with_changed(self) -> None:
        self._compare.setEnabled(bool(self.other))

    @Slot(str)
    def _on_channels_link_activated(self, link: str) -> None:
        self.channelChosen.emit(int(link))

    @Slot()
    def _on_view_copy_requested(self) -> None:
        QGuiApplication.clipboard().setText(self.table.lines(self._view.selectionModel().selectedRows()))

    @Slot(QModelIndex, QModelIndex)
    def _on_view_current_row_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        number = self.table.number(current)
        if number >= 0:
            self.siteSelected.emit(number)
