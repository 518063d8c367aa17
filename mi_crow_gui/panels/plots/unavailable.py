"""What stands where a plot would be whose kind this program does not have."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID


class UnavailablePlot(QWidget):
    """Says which kind is missing and why; the plot stays in the session until it is closed."""

    closeRequested = Signal()

    def __init__(self, kind: str, reason: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("plotKind", kind)
        text = QLabel(f"Plots of the kind “{kind}” are unavailable: {reason or 'no plugin here provides them'}.")
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        close = QPushButton("Close this plot")
        close.setObjectName("plotClose")
        close.clicked.connect(self._on_close_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.addStretch(1)
        layout.addWidget(text)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)

    def _on_close_clicked(self) -> None:
        self.closeRequested.emit()
