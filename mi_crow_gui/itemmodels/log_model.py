"""Messages for a table view: one cause, one row; repeats become a count."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document import formatting

AnyIndex = QModelIndex | QPersistentModelIndex
Level = Literal["info", "warning", "error"]

LEVEL_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()
_MOST = 1000


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One cause: its newest details and time (seconds since the epoch), and how often it came."""

    level: Level
    message: str
    details: str
    when: float
    count: int = 1

    def as_text(self) -> str:
        """Everything that is known, to be copied into a report."""
        times = f" ({formatting.count(self.count)} times)" if self.count > 1 else ""
        head = f"{_clock(self.when)} {self.level}: {self.message}{times}"
        return f"{head}\n{self.details.rstrip()}" if self.details.strip() else head


class LogColumn(IntEnum):
    """Columns of the table, in their order on the screen."""

    TIME = 0
    LEVEL = 1
    MESSAGE = 2
    COUNT = 3


_HEADERS = ("Time", "Level", "Message", "Times")


class LogModel(QAbstractTableModel):
    """The newest message is the last row; a repeated one stays where it first came and counts."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: list[LogEntry] = []
        self._rows: dict[tuple[str, str], int] = {}

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """All messages."""
        return tuple(self._entries)

    def add(self, level: Level, message: str, details: str = "", when: float | None = None) -> int:
        """Take a message in and give the number of its row; beyond 1,000 causes the oldest is forgotten."""
        when = time.time() if when is None else when
        row = self._rows.get((level, message))
        if row is not None:
            known = self._entries[row]
            self._entries[row] = replace(known, count=known.count + 1, when=when, details=details or known.details)
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(LogColumn) - 1))
            return row
        if len(self._entries) >= _MOST:
            self.beginRemoveRows(QModelIndex(), 0, 0)
            del self._entries[0]
            self._rows = {(entry.level, entry.message): at for at, entry in enumerate(self._entries)}
            self.endRemoveRows()
        row = len(self._entries)
        self.beginInsertRows(QModelIndex(), row, row)
        self._entries.append(LogEntry(level, message, details, when))
        self._rows[level, message] = row
        self.endInsertRows()
        return row

    def clear(self) -> None:
        """Forget all messages."""
        self.beginResetModel()
        self._entries, self._rows = [], {}
        self.endResetModel()

    def entry(self, index: AnyIndex) -> LogEntry | None:
        """The message at an index, None if there is none."""
        return self._entries[index.row()] if index.isValid() and index.row() < len(self._entries) else None

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._entries)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(LogColumn)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(LogColumn):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return _HEADERS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self.entry(index)
        if entry is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            count = formatting.count(entry.count) if entry.count > 1 else ""
            return (_clock(entry.when), entry.level, " ".join(entry.message.split()), count)[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return entry.message
        return entry.level if role == LEVEL_ROLE else None


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _alignment(column: int) -> int:
    across = Qt.AlignmentFlag.AlignRight if column == LogColumn.COUNT else Qt.AlignmentFlag.AlignLeft
    return int(across | Qt.AlignmentFlag.AlignVCenter)
