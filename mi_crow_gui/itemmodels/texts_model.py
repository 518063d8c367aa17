"""The texts of a capture for a table view: as many as there are, read a page at a time when somebody looks."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from collections.abc import Sequence

AnyIndex = QModelIndex | QPersistentModelIndex

PAGE = 128  # texts asked for at a time
_MOST_PAGES = 64
_NOWHERE = QModelIndex()
_WAITING = "…"


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text: its number, how many tokens it has, its label, and its beginning on one line."""

    number: int
    tokens: int
    label: str
    words: str


class TextColumn(IntEnum):
    """Columns of the table, in their order on the screen."""

    NUMBER = 0
    TOKENS = 1
    LABEL = 2
    WORDS = 3


_HEADERS = ("Text", "Tokens", "Label", "Begins with")


class TextsModel(QAbstractTableModel):
    """All texts, or those that a search found; what was not read yet shows dots and is asked for once."""

    pageWanted = Signal(object)  # a tuple of text numbers

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._count = 0
        self._chosen: Sequence[int] | None = None
        self._places: dict[int, int] = {}
        self._rows: dict[int, TextRow] = {}
        self._asked: dict[int, None] = {}

    def set_count(self, count: int) -> None:
        """Show all texts of another capture."""
        self.beginResetModel()
        self._count, self._chosen = count, None
        self._places, self._rows, self._asked = {}, {}, {}
        self.endResetModel()

    def set_chosen(self, numbers: Sequence[int] | None) -> None:
        """Show only these texts, ascending; None shows all."""
        self.beginResetModel()
        self._chosen = numbers
        self._places = {} if numbers is None else {int(number): place for place, number in enumerate(numbers)}
        self._asked = {}
        self.endResetModel()

    def set_rows(self, rows: Sequence[TextRow]) -> None:
        """Take a page that was read."""
        for row in rows:
            self._rows[row.number] = row
        places = [place for place in (self.place(row.number) for row in rows) if place >= 0]
        if places:
            last = len(TextColumn) - 1
            self.dataChanged.emit(self.index(min(places), 0), self.index(max(places), last))

    def number(self, index: AnyIndex) -> int:
        """Number of the text at an index, -1 for none."""
        if not index.isValid() or index.row() >= self.rowCount():
            return -1
        return int(self._chosen[index.row()]) if self._chosen is not None else index.row()

    def place(self, number: int) -> int:
        """Row of a text, -1 when it is not shown."""
        if self._chosen is not None:
            return self._places.get(number, -1)
        return number if 0 <= number < self._count else -1

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        if parent.isValid():
            return 0
        return self._count if self._chosen is None else len(self._chosen)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(TextColumn)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(TextColumn):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return _HEADERS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        number = self.number(index)
        if number < 0:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return None
        if index.column() == TextColumn.NUMBER:
            return formatting.count(number)
        row = self._rows.get(number)
        if row is None:
            self._want(index.row())
            return _WAITING
        if index.column() == TextColumn.TOKENS:
            return formatting.count(row.tokens)
        return row.label if index.column() == TextColumn.LABEL else row.words

    def _want(self, place: int) -> None:
        page = place // PAGE
        if page in self._asked:
            return
        self._asked[page] = None
        if len(self._asked) > _MOST_PAGES:
            # What is far away is forgotten, and read again when somebody goes back there.
            oldest = next(iter(self._asked))
            del self._asked[oldest]
            for number in self._numbers(oldest):
                self._rows.pop(number, None)
        self.pageWanted.emit(tuple(self._numbers(page)))

    def _numbers(self, page: int) -> list[int]:
        places = range(page * PAGE, min((page + 1) * PAGE, self.rowCount()))
        return [int(self._chosen[place]) for place in places] if self._chosen is not None else list(places)


def _alignment(column: int) -> int:
    right = column in (TextColumn.NUMBER, TextColumn.TOKENS)
    across = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    return int(across | Qt.AlignmentFlag.AlignVCenter)
