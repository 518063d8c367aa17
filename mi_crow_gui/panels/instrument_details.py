"""What every hook did in a run, one line each: opens from the instrument strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.document.formatting import count
from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT, CellDelegate
from mi_crow_gui.panels.look import GRID, fixed_font

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.document.instruments import Instrument, InstrumentReport

_COLUMNS = ("Site", "Hook", "Calls", "What became of it")
_MOST_ROWS = 10


class InstrumentDetails(QFrame):
    """Closes when something else is clicked, or with Escape."""

    checkRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("instrumentDetails")
        self.setAccessibleName("What the hooks did")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._title = QLabel()
        self._table = QTableWidget(0, len(_COLUMNS))
        self._table.setObjectName("instrumentTable")
        self._table.setAccessibleName("Hooks of the run")
        self._table.setHorizontalHeaderLabels(list(_COLUMNS))
        self._table.setShowGrid(False)
        self._table.setWordWrap(False)
        self._table.setTabKeyNavigation(False)
        self._table.setItemDelegate(CellDelegate(self._table))
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.verticalHeader().setVisible(False)
        self._table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self._left = QLabel()
        self._clean = QLabel()
        for label in (self._title, self._left, self._clean):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._check = QPushButton("Check that the model is clean")
        self._check.setObjectName("instrumentCheck")
        self._check.setAccessibleName("Check that the model is clean")
        self._check.setToolTip("Take every hook off, compare the logits with a never-hooked copy's, put them back")
        self._check.clicked.connect(self._on_check_clicked)
        buttons = QHBoxLayout()
        buttons.addWidget(self._check)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        for widget in (self._title, self._table, self._left, self._clean):
            column.addWidget(widget)
        column.addLayout(buttons)
        self.setFixedWidth(90 * GRID)

    def set_report(self, report: InstrumentReport | None, clean: str, can_check: bool) -> None:
        """Show the hooks of a run, and what the last check said; "" when there was none since."""
        self._check.setEnabled(can_check)
        self._clean.setText(clean)
        self._clean.setVisible(bool(clean))
        known = report is not None
        self._title.setText(f"Run {report.run}: {report.words()}" if report is not None else "No run has ended yet.")
        self._left.setVisible(known)
        self._left.setText(report.sentence() if report is not None else "")
        self._show_rows(report.instruments if report is not None else ())
        self.adjustSize()

    def _show_rows(self, instruments: Sequence[Instrument]) -> None:
        self._table.setVisible(bool(instruments))
        self._table.setRowCount(len(instruments))
        for row, instrument in enumerate(instruments):
            texts = (instrument.site or "the model", instrument.kind, count(instrument.fired), instrument.state)
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if column in (0, 2):
                    item.setFont(fixed_font())
                if column == 2:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self._table.setItem(row, column, item)
        for column, width in enumerate((30 * GRID, 12 * GRID, 7 * GRID)):
            self._table.setColumnWidth(column, width)
        rows = min(_MOST_ROWS, len(instruments))
        self._table.setFixedHeight(self._table.horizontalHeader().sizeHint().height() + rows * ROW_HEIGHT + GRID)

    def _on_check_clicked(self) -> None:
        self.hide()
        self.checkRequested.emit()
