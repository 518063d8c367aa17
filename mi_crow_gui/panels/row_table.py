"""A table of whole rows: no grid, rows on the 8-pixel grid, Ctrl+C and Enter reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractItemModel, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT, CellDelegate
from mi_crow_gui.panels.look import GRID, fixed_font

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class RowTable(QTableView):
    """Shows a model; `characters` are the widths of its columns at first, `fixed` those in the fixed-width font."""

    copyRequested = Signal()

    def __init__(
        self,
        model: QAbstractItemModel,
        name: str,
        accessible: str,
        characters: Sequence[int],
        fixed: Collection[int] = (),
    ) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setModel(model)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setItemDelegate(CellDelegate(self))
        for column in fixed:
            self.setItemDelegateForColumn(column, CellDelegate(self, fixed=True))
        rows = self.verticalHeader()
        rows.setVisible(False)
        rows.setDefaultSectionSize(ROW_HEIGHT)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        self.set_widths(characters)

    def set_widths(self, characters: Sequence[int]) -> None:
        """Give the columns room for so many characters."""
        character = QFontMetrics(fixed_font()).horizontalAdvance("0")
        for column, width in enumerate(characters):
            self.setColumnWidth(column, width * character + GRID)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copyRequested.emit()
            event.accept()
        else:
            super().keyPressEvent(event)
