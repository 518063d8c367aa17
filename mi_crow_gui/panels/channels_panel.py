"""The channels of the chosen site of a capture: sorted by what makes one stand out, each a click from its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import QAbstractItemView, QComboBox, QHBoxLayout, QHeaderView, QLabel, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.itemmodels.channels_model import COLUMNS, NAMES, ChannelsModel
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.row_table import RowTable

if TYPE_CHECKING:
    from core_hooks.capture.channel_statistics import ChannelStatistics

_CHARACTERS = (9, 10, 10, 10, 10, 10, 10, 9, 8)
_EMPTY = "The statistics of every channel of the site stand here. Select one to see its neuron card."


class ChannelsPanel(QWidget):
    """A channel is chosen by a click, an arrow key, or Enter."""

    channelChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ChannelsModel(self)
        self._by = QComboBox()
        self._by.setObjectName("channelsSort")
        self._by.setAccessibleName("Sort channels by")
        self._by.setToolTip("Largest first; a click on a column's head sorts too")
        for name, header, _ in COLUMNS:
            self._by.addItem(header, name)
        self._by.activated.connect(self._on_by_activated)
        self._count = QLabel()
        self._count.setObjectName("channelsCount")
        words = QLabel("Sort by")
        words.setBuddy(self._by)
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(self._count, 1)
        top.addWidget(words)
        top.addWidget(self._by)
        self.progress = ProgressRow("channels")
        self._view = RowTable(self.model, "channelsTable", "Channels", _CHARACTERS, range(len(COLUMNS)))
        self._view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._view.setSortingEnabled(True)
        self._view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self._view.sortByColumn(NAMES.index("kurtosis"), Qt.SortOrder.DescendingOrder)
        self._view.horizontalHeader().sortIndicatorChanged.connect(self._on_header_sort_indicator_changed)
        self._view.selectionModel().currentRowChanged.connect(self._on_view_current_row_changed)
        self._view.activated.connect(self._on_view_activated)
        EmptyHint(self._view, _EMPTY)
        self._by.setCurrentIndex(NAMES.index("kurtosis"))
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(top)
        column.addWidget(self.progress)
        column.addWidget(self._view, 1)

    def set_statistics(self, statistics: ChannelStatistics | None) -> None:
        """Show the channels of another site; None shows none."""
        self.model.set_statistics(statistics)
        channels = self.model.rowCount()
        self._count.setText(plural(channels, "channel") if channels else "")

    @Slot(int)
    def _on_by_activated(self, row: int) -> None:
        order = Qt.SortOrder.AscendingOrder if NAMES[row] == "channel" else Qt.SortOrder.DescendingOrder
        self._view.sortByColumn(row, order)

    @Slot(int, Qt.SortOrder)
    def _on_header_sort_indicator_changed(self, column: int, order: Qt.SortOrder) -> None:
        self._by.setCurrentIndex(column)
        self._view.scrollToTop()

    @Slot(QModelIndex, QModelIndex)
    def _on_view_current_row_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        self._on_view_activated(current)

    @Slot(QModelIndex)
    def _on_view_activated(self, index: QModelIndex) -> None:
        channel = self.model.channel(index)
        if channel >= 0:
            self.channelChosen.emit(channel)
