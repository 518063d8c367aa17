"""Saved captures for a table view."""
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

PATH_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()
_TIP_LAYERS = 20


@dataclass(frozen=True, slots=True)
class CaptureRow:
    """One saved capture.

    Attributes
    ----------
    created
        Local time as "2025-11-23 20:29".
    state
        A word or two for what is out of the ordinary: "missing", "damaged", "newer version", or what a check of
        every byte found; "" where there is nothing to say.
    problem
        The sentence behind it; such a capture can't be opened.
    """

    path: str
    name: str
    model: str = ""
    layers: tuple[str, ...] = ()
    tokens: int = 0
    nbytes: int = 0
    created: str = ""
    finished: bool = True
    problem: str = ""
    state: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""

    @property
    def state_words(self) -> str:
        """What the table says of its state."""
        if self.problem:
            return f"⚠ {self.state or 'damaged'}"
        return self.state or ("whole" if self.finished else "not finished")


class CaptureColumn(IntEnum):
    """Columns of the table, in their order on the screen."""

    NAME = 0
    STATE = 1
    MODEL = 2
    LAYERS = 3
    TOKENS = 4
    SIZE = 5
    CREATED = 6
    TAGS = 7
    NOTES = 8


_HEADERS = ("Capture", "State", "Model", "Sites", "Tokens", "Size", "Saved", "Tags", "Notes")
_RIGHT = (CaptureColumn.LAYERS, CaptureColumn.TOKENS, CaptureColumn.SIZE)
_EDITED = (CaptureColumn.TAGS, CaptureColumn.NOTES)
_TIPS = {CaptureColumn.TAGS: "Words to find it by, with commas between; F2 edits", CaptureColumn.NOTES: "F2 edits"}


class CapturesModel(QAbstractTableModel):
    """Rows in the order given or sorted by a column; tags and notes that are typed are emitted, not kept."""

    annotated = Signal(str, object, str)  # path, tags, notes

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._given: list[CaptureRow] = []
        self._rows: list[CaptureRow] = []
        self._sorted: tuple[int, Qt.SortOrder] | None = None

    def set_rows(self, rows: Sequence[CaptureRow]) -> None:
        """Show these captures."""
        self.beginResetModel()
        self._given = list(rows)
        self._arrange()
        self.endResetModel()

    def row(self, index: AnyIndex) -> CaptureRow | None:
        """The capture at an index, None if there is none."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def place(self, path: str) -> int:
        """Row number of the capture in this folder, -1 for none."""
        return next((number for number, row in enumerate(self._rows) if row.path == path), -1)

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(CaptureColumn)

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        flags = super().flags(index)
        row = self.row(index)
        if row is not None and index.column() in _EDITED and row.state != "missing":
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._sorted = (column, order) if column >= 0 else None
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(CaptureColumn):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS.get(CaptureColumn(section))
        return _HEADERS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index)
        if row is None:
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return _text(row, index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            more = "…" if len(row.layers) > _TIP_LAYERS else ""
            return "\n".join(filter(None, (row.path, row.problem, row.notes, *row.layers[:_TIP_LAYERS], more)))
        return row.path if role == PATH_ROLE else None

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        row = self.row(index)
        if row is None or role != Qt.ItemDataRole.EditRole or index.column() not in _EDITED:
            return False
        text = str(value).strip()
        if text == _text(row, index.column()):
            return True
        if index.column() == CaptureColumn.TAGS:
            tags = tuple(dict.fromkeys(tag for tag in (" ".join(part.split()) for part in text.split(",")) if tag))
            self.annotated.emit(row.path, tags, row.notes)
        else:
            self.annotated.emit(row.path, row.tags, text)
        return True

    def _arrange(self) -> None:
        self._rows = list(self._given)
        if self._sorted is not None:
            column, order = self._sorted
            self._rows.sort(key=lambda row: _key(row, column), reverse=order == Qt.SortOrder.DescendingOrder)


def _text(row: CaptureRow, column: int) -> str:
    if column == CaptureColumn.NAME:
        return row.name
    if column == CaptureColumn.STATE:
        return row.state_words
    if column == CaptureColumn.MODEL:
        return row.model
    if column in _RIGHT and row.problem and not row.tokens:
        return ""
    if column == CaptureColumn.LAYERS:
        return formatting.count(len(row.layers))
    if column == CaptureColumn.TOKENS:
        return formatting.count(row.tokens)
    if column == CaptureColumn.SIZE:
        return formatting.byte_size(row.nbytes)
    if column == CaptureColumn.CREATED:
        return row.created
    return ", ".join(row.tags) if column == CaptureColumn.TAGS else row.notes


def _key(row: CaptureRow, column: int) -> Any:
    numbers = {CaptureColumn.LAYERS: len(row.layers), CaptureColumn.TOKENS: row.tokens, CaptureColumn.SIZE: row.nbytes}
    return numbers.get(CaptureColumn(column), _text(row, column).casefold())


def _alignment(column: int) -> int:
    across = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
    return int(across | Qt.AlignmentFlag.AlignVCenter)
