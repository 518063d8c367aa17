"""Past runs for a list view, the newest first."""
# ruff: noqa: D102 - the methods of QAbstractListModel are documented by Qt

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

AnyIndex = QModelIndex | QPersistentModelIndex

NUMBER_ROLE = Qt.ItemDataRole.UserRole + 1
PROMPT_ROLE = Qt.ItemDataRole.UserRole + 2
PIN_ROLE = Qt.ItemDataRole.UserRole + 3
_NOWHERE = QModelIndex()
_MOST = 500
_STOPPED = {"cancelled": "stopped", "failed": "failed", "context": "context full"}


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One run as the list shows it.

    `kind` is "run", "generate" or "step"; `stopped` says how it ended, as `RunOutcome.stopped` does; `loss` is the
    mean over the prompt in nats a token; `hooks` names what was attached and `settings` what was chosen, for the
    tooltip.
    """

    number: int
    kind: str
    prompt: str
    generated: str = ""
    tokens: int = 0
    seconds: float | None = None
    loss: float | None = None
    stopped: str = "done"
    hooks: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


class HistoryModel(QAbstractListModel):
    """Two lines a run: its number, length, time and loss; and its prompt."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[HistoryRow] = []
        self._pins: dict[int, str] = {}
        self._kept: frozenset[int] | None = None

    def set_pins(self, pins: Mapping[int, str]) -> None:
        """The letter of each pinned run, by its number."""
        self._pins = dict(pins)
        self._all_changed()

    def set_kept(self, numbers: Collection[int]) -> None:
        """The runs of which more than the settings is kept; before it is told, all of them."""
        self._kept = frozenset(numbers)
        self._all_changed()

    def is_kept(self, number: int) -> bool:
        """Whether more than the settings of a run is kept."""
        return self._kept is None or number in self._kept

    def add(self, row: HistoryRow) -> None:
        """Put the newest run on top; a run with the same number is replaced, the oldest beyond 500 is forgotten."""
        for place, known in enumerate(self._rows):
            if known.number == row.number:
                self._rows[place] = row
                self.dataChanged.emit(self.index(place), self.index(place))
                return
        self.beginInsertRows(QModelIndex(), 0, 0)
        self._rows.insert(0, row)
        self.endInsertRows()
        if len(self._rows) > _MOST:
            self.beginRemoveRows(QModelIndex(), _MOST, len(self._rows) - 1)
            del self._rows[_MOST:]
            self.endRemoveRows()

    def set_rows(self, rows: Sequence[HistoryRow]) -> None:
        """Show these runs, the newest first."""
        self.beginResetModel()
        self._rows = list(rows[:_MOST])
        self.endResetModel()

    def row(self, index: AnyIndex) -> HistoryRow | None:
        """The run at an index, None if there is none."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index)
        if row is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{self._summary(row)}\n{_one_line(row.prompt) or '(no prompt)'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            parts = [f"{row.prompt}{row.generated}", "\n".join(row.settings), "\n".join(row.hooks)]
            if not self.is_kept(row.number):
                parts.append("What it captured is not kept any more: restore its settings and run it again.")
            return "\n\n".join(part for part in parts if part)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            pin = self._pins.get(row.number)
            return f"{f'Run {pin}, ' if pin else ''}{self._summary(row)}, {_one_line(row.prompt)}"
        if role == PIN_ROLE:
            return self._pins.get(row.number, "")
        if role == NUMBER_ROLE:
            return row.number
        return row.prompt if role == PROMPT_ROLE else None

    def _summary(self, row: HistoryRow) -> str:
        words = _summary(row)
        return words if self.is_kept(row.number) else f"{words} · settings only"

    def _all_changed(self) -> None:
        if self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))


def _summary(row: HistoryRow) -> str:
    parts = [f"{row.number}  {row.kind}"]
    if row.tokens:
        parts.append(formatting.plural(row.tokens, "token"))
    if row.seconds is not None:
        parts.append(formatting.duration(row.seconds))
    if row.loss is not None:
        parts.append(f"loss {formatting.number(row.loss)}")
    if row.stopped in _STOPPED:
        parts.append(_STOPPED[row.stopped])
    return " · ".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())
