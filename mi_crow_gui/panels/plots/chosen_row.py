"""A row under a map: which cells are marked, and what can be done with them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID


class ChosenRow(QWidget):
    """Hidden while nothing is marked."""

    acted = Signal()
    cleared = Signal()

    def __init__(self, name: str, verb: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = ElidedLabel()
        self._label.setObjectName(f"{name}Chosen")
        self._act = QPushButton(verb)
        self._act.setObjectName(f"{name}Act")
        self._act.setAccessibleName(verb)
        self._act.setToolTip(tip)
        self._act.clicked.connect(self.acted)
        clear = QToolButton()
        clear.setText("×")
        clear.setAutoRaise(True)
        clear.setObjectName(f"{name}Unchoose")
        clear.setAccessibleName("Mark nothing")
        clear.setToolTip("Mark nothing")
        clear.clicked.connect(self.cleared)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        row.setSpacing(GRID)
        row.addWidget(self._label, 1)
        row.addWidget(self._act)
        row.addWidget(clear)
        self.hide()

    def set_words(self, words: str) -> None:
        """Name what is marked; "" hides the row."""
        self._label.setText(f"Marked: {words}" if words else "")
        self._label.setToolTip("Ctrl and a click, or Space, marks another one as well")
        self.setVisible(bool(words))


class ElidedLabel(QLabel):
    """Loses its end where room is short; its tool tip is up to who fills it."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        text = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width())
        painter.drawText(self.contentsRect(), int(self.alignment()), text)

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        self.update()
