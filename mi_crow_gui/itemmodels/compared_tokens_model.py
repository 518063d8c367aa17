"""The tokens of two runs with what was predicted after each, for a table that can be sorted by any number."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document.formatting import number
from mi_crow_gui.document.readable import readable_token

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


@dataclass(frozen=True, slots=True, eq=False)
class ComparedTokens:
    """Every column of an alignment: names, words, and numbers that are NaN where there is nothing to compare.

    `changed`: another word is the likeliest in B.
    """

    names: Sequence[str]
    divergence: np.ndarray
    probability_a: np.ndarray
    probability_b: np.ndarray
    change: np.ndarray
    top_a: Sequence[str]
    top_b: Sequence[str]
    changed: np.ndarray


class ComparedTokensModel(QAbstractTableModel):
    """Rows are named by their column of the alignment, `place`; what is not there is sorted last either way.

    Texts are made for the rows that are looked at.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tokens: ComparedTokens | None = None
        self._places = np.zeros(0, np.int64)
        self._only_changed = False
        self._sorted_by, self._order = ComparedColumn.DIVERGENCE, Qt.SortOrder.DescendingOrder

    def set_tokens(self, tokens: ComparedTokens | None, only_changed: bool = False) -> None:
        """Show these, or only those after which another word is the likeliest; None shows nothing."""
        self.beginResetModel()
        self._tokens, self._only_changed = tokens, only_changed
        self._arrange()
        self.endResetModel()

    def place(self, index: AnyIndex) -> int:
        """The column of the alignment at an index, -1 for none."""
        return int(self._places[index.row()]) if index.isValid() and index.row() < len(self._places) else -1

    def row_of(self, place: int) -> int:
        """Where a column of the alignment stands now, -1 if it is not shown."""
        found = np.flatnonzero(self._places == place)
        return int(found[0]) if len(found) else -1

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._places)

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
        place = self.place(index)
        if place < 0 or self._tokens is None:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        value = _columns(self._tokens)[index.column()][place]
        if index.column() in _NUMBERS:
            return number(float(value)) if np.isfinite(value) else "–"
        if index.column() == ComparedColumn.TOKEN:
            return value
        return readable_token(value) if value else ""

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._sorted_by, self._order = ComparedColumn(column), order
        self.layoutAboutToBeChanged.emit()
        self._arrange()
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        tokens = self._tokens
        if tokens is None:
            self._places = np.zeros(0, np.int64)
            return
        places = np.flatnonzero(tokens.changed) if self._only_changed else np.arange(len(tokens.names))
        down = self._order == Qt.SortOrder.DescendingOrder
        if self._sorted_by == ComparedColumn.TOKEN:
            self._places = places[::-1] if down else places
        elif self._sorted_by in _NUMBERS:
            values = np.asarray(_columns(tokens)[self._sorted_by], np.float64)[places]
            known = np.isfinite(values)
            order = np.argsort(-values[known] if down else values[known], kind="stable")
            self._places = np.concatenate([places[known][order], places[~known]])
        else:
            words = _columns(tokens)[self._sorted_by]
            self._places = np.array(sorted(places.tolist(), key=lambda at: str(words[at]), reverse=down), np.int64)


def _columns(tokens: ComparedTokens) -> tuple[Any, ...]:
    return (
        tokens.names,
        tokens.divergence,
        tokens.probability_a,
        tokens.probability_b,
        tokens.change,
        tokens.top_a,
        tokens.top_b,
    )


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
