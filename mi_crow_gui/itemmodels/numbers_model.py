"""A table of names and numbers for a table view, sorted by any column."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

AnyIndex = QModelIndex | QPersistentModelIndex

# Of a number its share of the largest in its column, 0 to 1, where the table was told to say it; else None.
SHARE_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()


class NumbersModel(QAbstractTableModel):
    """Texts stand left, numbers right; NaN is written as a dash and sorted last."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._headers: tuple[str, ...] = ()
        self._tips: tuple[str, ...] = ()
        self._rows: tuple[tuple[Any, ...], ...] = ()
        self._order: list[int] = []
        self._largest: dict[int, float] = {}

    def set_table(
        self,
        headers: Sequence[str],
        rows: Sequence[tuple[Any, ...]],
        tips: Sequence[str] = (),
        shares: Collection[int] = (),
    ) -> None:
        """Show these rows in the order given; every row has a value for each header.

        `shares` are the columns of sizes, from 0 up, of which `SHARE_ROLE` says how large they are among all.
        """
        self.beginResetModel()
        self._largest = {
            column: max((row[column] for row in rows if not _missing(row[column])), default=0.0) for column in shares
        }
        self._headers, self._tips, self._rows = tuple(headers), tuple(tips), tuple(rows)
        self._order = list(range(len(rows)))
        self.endResetModel()

    def number(self, index: AnyIndex) -> int:
        """Which of the rows that were given stands at an index, -1 for none."""
        return self._order[index.row()] if index.isValid() and index.row() < len(self._order) else -1

    def lines(self, indexes: Iterable[AnyIndex]) -> str:
        """The rows of some indexes, top down, for the clipboard: tabs between values, which are written in full."""
        numbers = [self.number(index) for index in sorted(indexes, key=lambda index: index.row())]
        rows = [self._headers, *(self._rows[number] for number in numbers if number >= 0)]
        return "\n".join("\t".join(map(str, row)) for row in rows)

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._headers)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.beginResetModel()
        self._order = list(range(len(self._rows)))
        if 0 <= column < len(self._headers):
            missing = [row for row in self._order if _missing(self._rows[row][column])]
            there = [row for row in self._order if not _missing(self._rows[row][column])]
            there.sort(key=lambda row: self._rows[row][column], reverse=order == Qt.SortOrder.DescendingOrder)
            self._order = there + missing
        self.endResetModel()

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._headers):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(section)
        if role == Qt.ItemDataRole.ToolTipRole and section < len(self._tips):
            return self._tips[section]
        return self._headers[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        number = self.number(index)
        if number < 0:
            return None
        value = self._rows[number][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(value)
        if role == SHARE_ROLE:
            largest = self._largest.get(index.column(), 0.0)
            return value / largest if largest > 0 and not _missing(value) else None
        return _words(value) if role == Qt.ItemDataRole.DisplayRole else None

    def _alignment(self, column: int) -> int:
        numbers = bool(self._rows) and not isinstance(self._rows[0][column], str)
        across = Qt.AlignmentFlag.AlignRight if numbers else Qt.AlignmentFlag.AlignLeft
        return int(across | Qt.AlignmentFlag.AlignVCenter)


def _missing(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return formatting.count(value)
    return "–" if _missing(value) else formatting.number(value)
