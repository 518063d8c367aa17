"""Tokens with their neighbours for a list view: what a channel or a search found, under headings."""
# ruff: noqa: D102 - the methods of QAbstractListModel are documented by Qt

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.plotdata.examples import ExampleRow

AnyIndex = QModelIndex | QPersistentModelIndex

EXAMPLE_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()


class ExamplesModel(QAbstractListModel):
    """Rows in the order given; headings can't be selected."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[ExampleRow, ...] = ()
        self.low, self.high = 0.0, 0.0

    def set_rows(self, rows: Sequence[ExampleRow], low: float = 0.0, high: float = 0.0) -> None:
        """Show these; colours go from `low` to `high`."""
        self.beginResetModel()
        self._rows = tuple(rows)
        self.low, self.high = low, high
        self.endResetModel()

    def row(self, index: AnyIndex) -> ExampleRow | None:
        """What stands at an index."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        row = self.row(index)
        if row is None or row.heading:
            return Qt.ItemFlag.ItemIsEnabled
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index)
        if row is None:
            return None
        if role == EXAMPLE_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.caption if row.heading else f"{row.caption}  {''.join(row.tokens)}"
        if role == Qt.ItemDataRole.ToolTipRole and not row.heading:
            return f"Text {formatting.count(row.text)}, token {formatting.count(row.position)}\n{''.join(row.tokens)}"
        if role == Qt.ItemDataRole.AccessibleTextRole and not row.heading:
            marked = row.tokens[row.marked] if row.marked < len(row.tokens) else ""
            return f"{row.caption}, token {marked.strip()}, text {row.text}: {''.join(row.tokens)}"
        return None
