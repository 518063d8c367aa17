"""One line that says how far something is, with a way to give it up; it shows only for what takes a while."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID

_PATIENCE_MS = 300  # what is over before that needs no progress


class ProgressRow(QWidget):
    """Words, a bar and Cancel; without any of them while nothing goes on."""

    cancelRequested = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = QLabel()
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._bar = QProgressBar()
        self._bar.setObjectName(f"{name}Progress")
        self._bar.setAccessibleName("Progress")
        self._bar.setRange(0, 0)
        self._bar.setMaximumHeight(2 * GRID)
        self._bar.setFixedWidth(15 * GRID)
        self._cancel = QToolButton()
        self._cancel.setObjectName(f"{name}Cancel")
        self._cancel.setAccessibleName("Cancel")
        self._cancel.setText("Cancel")
        self._cancel.setToolTip("Give this up")
        self._cancel.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._cancel.clicked.connect(self.cancelRequested)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._words, 1)
        row.addWidget(self._bar)
        row.addWidget(self._cancel)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PATIENCE_MS)
        self._timer.timeout.connect(self.show)
        self.hide()

    def begin(self, words: str) -> None:
        """Something goes on from now."""
        self._words.setText(words)
        self._words.setToolTip(words)
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._timer.start()

    @Slot(object, object)
    def set_progress(self, done: int, total: int) -> None:
        """So much of it is done."""
        if total > 0:
            self._bar.setRange(0, 100)
            self._bar.setTextVisible(True)
            self._bar.setValue(min(100, done * 100 // total))

    def end(self) -> None:
        """It is over."""
        self._timer.stop()
        self.hide()
