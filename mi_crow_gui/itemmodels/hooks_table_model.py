"""The attached hooks for a table view; an update keeps rows, and so the selection, where it can."""
# ruff: noqa: D102 - the methods of QAbstractTableModel are documented by Qt

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from collections.abc import Sequence

AnyIndex = QModelIndex | QPersistentModelIndex

SITE_ROLE = Qt.ItemDataRole.UserRole + 1
ID_ROLE = Qt.ItemDataRole.UserRole + 2
ERROR_ROLE = Qt.ItemDataRole.UserRole + 3

_NOWHERE = QModelIndex()


@dataclass(frozen=True, slots=True)
class HookRow:
    """One hook as the list shows it.

    `elsewhere` are other sites on which the same text acts.
    `order` counts from 1 among the hooks of the site; `error` is the sentence to show ("" when all is well) and
    `review` is True for code that stays off until somebody has read it.
    """

    id: str
    site: str
    kind: str = "capture"
    enabled: bool = True
    order: int = 1
    fired: int = 0
    last_shape: tuple[int, ...] = ()
    error: str = ""
    review: bool = False
    elsewhere: tuple[str, ...] = ()


class HookColumn(IntEnum):
    """Columns of the table, in their order on the screen."""

    ENABLED = 0
    SITE = 1
    KIND = 2
    ORDER = 3
    FIRED = 4
    LAST_SHAPE = 5
    ERROR = 6


_HEADERS = ("On", "Site", "Kind", "Order", "Fired", "Last shape", "Problem")
_HEADER_TIPS = (
    "Whether the hook acts",
    "Dotted name of the module",
    "capture: keeps the values; controller: changes them",
    "Order among the hooks of the same site",
    "Calls of the module in the newest run that the hook saw",
    "Shape of the last tensor it saw",
    "Why it switched itself off, or what to do first",
)
_NAMED = 4  # sites in a tooltip
_RIGHT = (HookColumn.ORDER, HookColumn.FIRED)


class HooksTableModel(QAbstractTableModel):
    """Rows in the order in which hooks act; a tick emits `enabledRequested(ids, enabled)` and changes nothing yet."""

    enabledRequested = Signal(list, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[HookRow] = []

    @property
    def rows(self) -> tuple[HookRow, ...]:
        """The hooks shown."""
        return tuple(self._rows)

    def row(self, index: AnyIndex) -> HookRow | None:
        """The hook at an index, None if there is none."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def rows_of_site(self, site: str) -> list[int]:
        """Row numbers of the hooks of a site."""
        return [number for number, row in enumerate(self._rows) if row.site == site]

    def set_rows(self, rows: Sequence[HookRow]) -> None:
        """Show these hooks, by the fewest removals, moves and insertions."""
        wanted = {row.id for row in rows}
        for number in range(len(self._rows) - 1, -1, -1):
            if self._rows[number].id not in wanted:
                self.beginRemoveRows(QModelIndex(), number, number)
                del self._rows[number]
                self.endRemoveRows()
        for number, row in enumerate(rows):
            self._bring(row, number)
            before = self._rows[number]
            if before != row:
                self._rows[number] = row
                seen = before == replace(row, fired=before.fired, last_shape=before.last_shape)
                # What a run changes is two cells of a row: to paint all of them again would be felt.
                changed = (HookColumn.FIRED, HookColumn.LAST_SHAPE) if seen else (0, len(HookColumn) - 1)
                self.dataChanged.emit(self.index(number, min(changed)), self.index(number, max(changed)))

    def _bring(self, row: HookRow, to: int) -> None:
        place = next((at for at in range(to, len(self._rows)) if self._rows[at].id == row.id), None)
        if place is None:
            self.beginInsertRows(QModelIndex(), to, to)
            self._rows.insert(to, row)
            self.endInsertRows()
        elif place != to:
            self.beginMoveRows(QModelIndex(), place, place, QModelIndex(), to)
            self._rows.insert(to, self._rows.pop(place))
            self.endMoveRows()

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(HookColumn)

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == HookColumn.ENABLED else flags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(HookColumn):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _HEADER_TIPS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index)
        if row is None:
            return None
        column = index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == HookColumn.ENABLED:
            return Qt.CheckState.Checked if row.enabled else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(row)
        if role == Qt.ItemDataRole.AccessibleTextRole and column == HookColumn.ENABLED:
            return f"{row.kind} on {row.site or 'the model'}, {'on' if row.enabled else 'off'}"
        if role == SITE_ROLE:
            return row.site
        if role == ID_ROLE:
            return row.id
        if role == ERROR_ROLE:
            return _problem(row)
        return None

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        row = self.row(index)
        if role == Qt.ItemDataRole.CheckStateRole and row is not None:
            self.enabledRequested.emit([row.id], Qt.CheckState(value) == Qt.CheckState.Checked)
        # Nothing has changed yet: the answer comes through set_rows.
        return False


def _problem(row: HookRow) -> str:
    return row.error or ("Review this code, then switch it on" if row.review else "")


def _text(row: HookRow, column: int) -> str:
    if column == HookColumn.SITE:
        return row.site or "(model)"
    if column == HookColumn.KIND:
        return f"{row.kind}, {len(row.elsewhere)} more" if row.elsewhere else row.kind
    if column == HookColumn.ORDER:
        return formatting.count(row.order)
    if column == HookColumn.FIRED:
        return formatting.count(row.fired) if row.fired else ""
    if column == HookColumn.LAST_SHAPE:
        return formatting.shape(row.last_shape) if row.last_shape else ""
    return _problem(row) if column == HookColumn.ERROR else ""


def _tooltip(row: HookRow) -> str:
    lines = [row.site or "The model itself", f"{row.kind}, {'on' if row.enabled else 'off'}"]
    if row.elsewhere:
        shown = ", ".join(row.elsewhere[:_NAMED]) + (" and more" if len(row.elsewhere) > _NAMED else "")
        lines.append(f"acts on {formatting.plural(len(row.elsewhere), 'other site')} too: {shown}")
    if row.fired:
        lines.append(f"saw {formatting.plural(row.fired, 'call')} in the newest run")
    return "\n".join(filter(None, [*lines, _problem(row)]))


def _alignment(column: int) -> int:
    across = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
    return int(across | Qt.AlignmentFlag.AlignVCenter)
