"""Saved captures for a table view."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from collections.abc import Sequence

AnyIndex = QModelIndex | QPersistentModelIndex

PATH_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()
_TIP_LAYERS = 20


@dataclass(frozen=True, slots=True)
class CaptureRow:
    """One saved capture; `created` is local time as "2025-11-23 20:29", `problem` says why it can't be opened."""

    path: str
    name: str
    model: str = ""
    layers: tuple[str, ...] = ()
    tokens: int = 0
    nbytes: int = 0
    created: str = ""
    finished: bool = True
    problem: str = ""


class CaptureColumn(IntEnum):
    """Columns of the table, in their order on the screen."""

    NAME = 0
    MODEL = 1
    LAYERS = 2
    TOKENS = 3
    SIZE = 4
    CREATED = 5
    STATE = 6


_HEADERS = ("Capture", "Model", "Layers", "Tokens", "Size", "Saved", "State")
_RIGHT = (CaptureColumn.LAYERS, CaptureColumn.TOKENS, CaptureColumn.SIZE)


class CapturesModel(QAbstractTableModel):
    """Rows in the order given."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[CaptureRow] = []

    def set_rows(self, rows: Sequence[CaptureRow]) -> None:
        """Show these captures."""
        self.beginResetModel()
        self._rows = list(rows)
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

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(CaptureColumn):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return _HEADERS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index)
        if row is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            more = "…" if len(row.layers) > _TIP_LAYERS else ""
            return "\n".join(filter(None, (row.path, row.problem, *row.layers[:_TIP_LAYERS], more)))
        return row.path if role == PATH_ROLE else None


def _text(row: CaptureRow, column: int) -> str:
    if column == CaptureColumn.NAME:
        return row.name
    if column == CaptureColumn.MODEL:
        return row.model
    if column == CaptureColumn.LAYERS:
        return formatting.count(len(row.layers))
    if column == CaptureColumn.TOKENS:
        return formatting.count(row.tokens)
    if column == CaptureColumn.SIZE:
        return formatting.byte_size(row.nbytes)
    if column == CaptureColumn.CREATED:
        return row.created
    return row.problem or ("whole" if row.finished else "not finished")


def _alignment(column: int) -> int:
    across = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
    return int(across | Qt.AlignmentFlag.AlignVCenter)
