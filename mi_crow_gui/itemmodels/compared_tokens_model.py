"""The tokens of two runs with what was predicted after each, for a table that can be sorted by any number."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document.formatting import number

if TYPE_CHECKING:
    from collections.abc import Sequence

AnyIndex = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class ComparedColumn(IntEnum):
    """Columns of the table."""

    TOKEN = 0
    DIVERGENCE = 1
    PROBABILITY_A = 2
    PROBABILITY_B = 3
    CHANGE = 4
    TOP_A = 5
    TOP_B = 6


_TITLES = ("Token", "KL (nats)", "p A", "p B", "Δp", "Likeliest A", "Likeliest B")
_TIPS = (
    "Position and token; A → B where another one stands there",
    "Kullback-Leibler divergence of B's prediction after this token from A's",
    "Probability that run A gave this token",
    "Probability that run B gave this token",
    "Probability in B less probability in A",
    "The likeliest next word after this token in run A",
    "The likeliest next word after this token in run B",
)
_NUMBERS = {
    ComparedColumn.DIVERGENCE,
    ComparedColumn.PROBABILITY_A,
    ComparedColumn.PROBABILITY_B,
    ComparedColumn.CHANGE,
}


@dataclass(frozen=True, slots=True)
class ComparedToken:
    """One row: `place` is its column in the alignment, NaN a number that is not there."""

    place: int
    token: str
    divergence: float
    probability_a: float
    probability_b: float
    change: float
    top_a: str
    top_b: str
    changed: bool


class ComparedTokensModel(QAbstractTableModel):
    """Rows are named by `place`; sorting puts what is not there last, whichever way it goes."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._all: list[ComparedToken] = []
        self._rows: list[ComparedToken] = []
        self._only_changed = False
        self._sorted_by, self._order = ComparedColumn.DIVERGENCE, Qt.SortOrder.DescendingOrder

    def set_rows(self, rows: Sequence[ComparedToken], only_changed: bool) -> None:
        """Show these, or only those after which another word is the likeliest."""
        self._all, self._only_changed = list(rows), only_changed
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    def row(self, index: AnyIndex) -> ComparedToken | None:
        """The row at an index."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def row_of(self, place: int) -> int:
        """Where a column of the alignment stands now, -1 if it is not shown."""
        return next((at for at, row in enumerate(self._rows) if row.place == place), -1)

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(ComparedColumn)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index)
        if row is None:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        value = _value(row, index.column())
        if isinstance(value, str):
            return value
        return number(value) if np.isfinite(value) else "–"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._sorted_by, self._order = ComparedColumn(column), order
        self.layoutAboutToBeChanged.emit()
        self._arrange()
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        rows = [row for row in self._all if row.changed or not self._only_changed]
        down = self._order == Qt.SortOrder.DescendingOrder
        column = self._sorted_by
        if column == ComparedColumn.TOKEN:
            self._rows = sorted(rows, key=lambda row: row.place, reverse=down)
        elif column in _NUMBERS:
            known = [row for row in rows if np.isfinite(_value(row, column))]
            known.sort(key=lambda row: _value(row, column), reverse=down)
            self._rows = known + [row for row in rows if not np.isfinite(_value(row, column))]
        else:
            self._rows = sorted(rows, key=lambda row: str(_value(row, column)), reverse=down)


def _value(row: ComparedToken, column: int) -> Any:
    return (
        row.token,
        row.divergence,
        row.probability_a,
        row.probability_b,
        row.change,
        row.top_a,
        row.top_b,
    )[column]


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
