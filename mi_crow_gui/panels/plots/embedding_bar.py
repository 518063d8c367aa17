"""The line over a projection while an embedding is computed: how far it is, and a way to end it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID


class EmbeddingBar(QWidget):
    """Hidden while there is nothing to wait for."""

    cancelRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = QLabel()
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._bar = QProgressBar()
        self._bar.setObjectName("embeddingProgress")
        self._bar.setAccessibleName("Progress of the embedding")
        self._bar.setMaximumHeight(2 * GRID)
        self._cancel = QToolButton()
        self._cancel.setText("Cancel")
        self._cancel.setObjectName("embeddingCancel")
        self._cancel.setAccessibleName("Cancel the embedding")
        self._cancel.setToolTip("Stay with the principal components")
        self._cancel.clicked.connect(self.cancelRequested)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        row.setSpacing(GRID)
        row.addWidget(self._words)
        row.addWidget(self._bar, 1)
        row.addWidget(self._cancel)
        self.hide()

    def begin(self, words: str) -> None:
        """Say what is computed; how far it is nobody knows yet."""
        self._words.setText(words)
        self._bar.setRange(0, 0)
        self.show()

    def set_progress(self, done: int, total: int) -> None:
        """So many steps of so many."""
        self._bar.setRange(0, total)
        self._bar.setValue(done)
