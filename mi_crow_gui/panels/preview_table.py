"""What a controller would do, in numbers: one row before, one after, one of the difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT, CellDelegate
from mi_crow_gui.panels.look import GRID, fixed_font

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class PreviewNumbers:
    """The table as text: a sentence above it, names of the columns, and rows of which the first cell is the name."""

    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class PreviewTable(QWidget):
    """As high as its rows; Ctrl+C copies what is selected, with the names of the columns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("controllerPreviewed")
        self._says = QLabel()
        self._says.setObjectName("previewSays")
        self._says.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        # One line, whatever it says: it may not make the window wider.
        self._says.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._table = _Numbers()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addWidget(self._says)
        layout.addWidget(self._table)
        self.hide()

    def show_numbers(self, numbers: PreviewNumbers | None) -> None:
        """Show them; None hides the table."""
        self.setVisible(numbers is not None)
        if numbers is not None:
            self._says.setText(numbers.says)
            self._says.setToolTip(numbers.says)
            self._table.show_rows(numbers.columns, numbers.rows)


class _Numbers(QTableWidget):
    def __init__(self) -> None:
        super().__init__()
        self._columns: tuple[str, ...] = ()
        self._rows: tuple[tuple[str, ...], ...] = ()
        self.setObjectName("previewTable")
        self.setAccessibleName("Values before and after the controller")
        self.setItemDelegate(CellDelegate(self))
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setMinimumSectionSize(ROW_HEIGHT)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.horizontalHeader().setHighlightSections(False)

    def show_rows(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.setColumnCount(len(columns))
        self._columns = tuple(columns)
        for column, title in enumerate(columns):
            head = QTableWidgetItem(title)
            side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
            head.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(column, head)
        self._rows = tuple(map(tuple, rows))
        self.setRowCount(len(rows))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if column:
                    item.setFont(fixed_font())
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(row, column, item)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        # The name and the counts are short; what is measured needs the room.
        for column in (0, *range(max(1, len(columns) - 2), len(columns))):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.setFixedHeight(header.sizeHint().height() + len(rows) * ROW_HEIGHT + 2 * self.frameWidth())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            selected = sorted({index.row() for index in self.selectedIndexes()})
            lines = [self._columns, *(self._rows[row] for row in selected)]
            QGuiApplication.clipboard().setText("\n".join("\t".join(line) for line in lines))
            event.accept()
        else:
            super().keyPressEvent(event)
