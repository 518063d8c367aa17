"""Names and values in two columns, changed in place so that live numbers cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.look import GRID, fixed_font, muted

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROW = 5 * GRID // 2


class FactsTable(QTableWidget):
    """As high as its rows; Ctrl+C copies the selected rows, whole."""

    def __init__(self, name: str, accessible: str, *, numbers: bool, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self._across = Qt.AlignmentFlag.AlignRight if numbers else Qt.AlignmentFlag.AlignLeft
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setItemDelegate(CellDelegate(self))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setMinimumSectionSize(_ROW)
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.horizontalHeader().setVisible(False)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.set_rows([])

    def set_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show these (name, value) pairs."""
        if self.rowCount() != len(rows):
            self.setRowCount(len(rows))
            self.setFixedHeight(len(rows) * _ROW + 2 * self.frameWidth())
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = self._cell(row, column)
                if item.text() != text:
                    item.setText(text)
                    item.setToolTip(text)

    def rows(self) -> list[tuple[str, str]]:
        """The pairs shown."""
        return [(self._cell(row, 0).text(), self._cell(row, 1).text()) for row in range(self.rowCount())]

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        if event.matches(QKeySequence.StandardKey.Copy):
            selected = sorted({index.row() for index in self.selectedIndexes()})
            rows = self.rows()
            QGuiApplication.clipboard().setText("\n".join("\t".join(rows[row]) for row in selected))
            event.accept()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for row in range(self.rowCount()):
                self._dress(self._cell(row, 0), 0)

    def _cell(self, row: int, column: int) -> QTableWidgetItem:
        item = self.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            self._dress(item, column)
            self.setItem(row, column, item)
        return item

    def _dress(self, item: QTableWidgetItem, column: int) -> None:
        if column == 0:
            item.setForeground(muted(self.palette()))
        else:
            item.setFont(fixed_font())
            item.setTextAlignment(self._across | Qt.AlignmentFlag.AlignVCenter)
