"""What stands in a board without plots: what goes there, and the button that puts it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

_TEXT = "A plot shows the values of the selected module, once it was captured in a run."


class EmptyBoard(QWidget):
    """A sentence over a button with the board's own menu of plots."""

    def __init__(self, menu: QMenu, parent: QWidget) -> None:
        super().__init__(parent)
        text = QLabel(_TEXT)
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text.setWordWrap(True)
        text.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        add = QPushButton("Add plot")
        add.setObjectName("addFirstPlot")
        add.setMenu(menu)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(GRID)
        layout.addStretch(1)
        layout.addWidget(text)
        layout.addWidget(add, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
