"""What a plot says while it shows nothing, with what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID


class EmptyPage(QWidget):
    """A sentence in the middle, and a button under it where one click helps."""

    offerTaken = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._words = QLabel()
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setWordWrap(True)
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._offer = QPushButton()
        self._offer.setObjectName("plotOffer")
        self._offer.setVisible(False)
        self._offer.clicked.connect(self.offerTaken)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addStretch(1)
        column.addWidget(self._words)
        column.addWidget(self._offer, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)

    def text(self) -> str:
        """The sentence."""
        return self._words.text()

    def setText(self, text: str) -> None:
        """Say this."""
        self._words.setText(text)

    def set_offer(self, words: str) -> None:
        """Offer something; "" offers nothing."""
        self._offer.setText(words)
        self._offer.setAccessibleName(words)
        self._offer.setVisible(bool(words))
