"""The channels of a captured site for a table view: their statistics, sorted by any of them."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from core_hooks.capture.channel_statistics import ChannelStatistics

AnyIndex = QModelIndex | QPersistentModelIndex

_NOWHERE = QModelIndex()

# Name, header, what it says.
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("channel", "Channel", "Number of the channel, from 0"),
    ("mean", "Mean", "Mean over all tokens"),
    ("deviation", "Std", "Standard deviation"),
    ("minimum", "Min", "Smallest value"),
    ("maximum", "Max", "Largest value"),
    (
        "kurtosis",
        "Kurtosis",
        "How heavy the tails are: 0 for normal values, large for a channel that is rarely on",
    ),
    ("skewness", "Skewness", "How lopsided the values are: 0 for a symmetric distribution"),
    ("sparsity", "Zeros", "Share of the values that are exactly 0"),
    ("nonfinite", "NaN, ∞", "Values that are no numbers; they are left out of the others"),
)
NAMES = tuple(name for name, _, _ in COLUMNS)


class ChannelsModel(QAbstractTableModel):
    """A row a channel; channels without a value stand last whichever way they are sorted."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, np.ndarray] = {}
        self._order = np.arange(0)
        self._sorted = (0, Qt.SortOrder.AscendingOrder)

    def set_statistics(self, statistics: ChannelStatistics | None) -> None:
        """Show the channels of another site; None shows none."""
        self.beginResetModel()
        self._values = {}
        if statistics is not None:
            channels = len(statistics.mean)
            self._values = {
                "channel": np.arange(channels),
                "deviation": np.sqrt(statistics.variance),
                **{name: getattr(statistics, name) for name in NAMES if name not in ("channel", "deviation")},
            }
        self._arrange()
        self.endResetModel()

    def channel(self, index: AnyIndex) -> int:
        """The channel at an index, -1 for none."""
        return int(self._order[index.row()]) if index.isValid() and index.row() < len(self._order) else -1

    def place(self, channel: int) -> int:
        """Row of a channel, -1 if there is none."""
        found = np.flatnonzero(self._order == channel)
        return int(found[0]) if len(found) else -1

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if not 0 <= column < len(COLUMNS):
            return
        self._sorted = (column, order)
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return COLUMNS[section][2]
        return COLUMNS[section][1] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        channel = self.channel(index)
        if channel < 0:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        name = NAMES[index.column()]
        if name == "channel":
            return str(channel)
        value = self._values[name][channel]
        if name == "nonfinite":
            return formatting.count(int(value))
        return formatting.percent(float(value)) if name == "sparsity" else formatting.number(float(value))

    def _arrange(self) -> None:
        if not self._values:
            self._order = np.arange(0)
            return
        column, order = self._sorted
        values = np.asarray(self._values[NAMES[column]], np.float64)
        missing = np.isnan(values)
        signed = values if order == Qt.SortOrder.AscendingOrder else -values
        places = np.argsort(np.where(missing, np.inf, signed), kind="stable")
        self._order = np.concatenate([places[~missing[places]], places[missing[places]]])
