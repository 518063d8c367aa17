"""What one forward said into which one place was put: the numbers, and the likeliest words before and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import number
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.candidate_bars import CandidateBars
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.patching import Sent

_WORDS = 5


class SentBox(QWidget):
    """Beside a map; hidden while nothing was sent."""

    closed = Signal()
    pointed = Signal(str)

    def __init__(self, colours: PlotColours, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sentBox")
        self._title = QLabel()
        self._title.setWordWrap(True)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        close = QToolButton()
        close.setText("×")
        close.setAutoRaise(True)
        close.setObjectName("sentClose")
        close.setAccessibleName("Close the patched forward")
        close.clicked.connect(self.closed)
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, 0, 0, 0)
        column.setSpacing(GRID // 2)
        column.addLayout(top)
        self._bars: list[CandidateBars] = []
        for words in ("B as it is", "B with it"):
            label = QLabel(words)
            label.setForegroundRole(self.foregroundRole())
            bars = CandidateBars(colours)
            bars.setObjectName(f"sent{'Before' if not self._bars else 'After'}")
            bars.pointed.connect(self.pointed)
            column.addWidget(label)
            column.addWidget(bars.scrolled(), 1)
            self._bars.append(bars)
        self.hide()

    @property
    def words(self) -> str:
        """What it says above the bars."""
        return self._title.text()

    def set_sent(self, sent: Sent, place: str) -> None:
        """Show a patched forward; `place` names what was put where."""
        names = " against ".join(readable_token(word) for word in sent.words)
        change = f"{sent.metric}{f' of {names}' if names else ''}: {number(sent.corrupted)} → {number(sent.patched)}"
        back = "" if math.isnan(sent.recovered) else f", {sent.recovered:.3f} of the way to A's {number(sent.clean)}"
        self._title.setText(f"{place}\n{change}{back}")
        self.setAccessibleName(self._title.text())
        for bars, words in zip(self._bars, (sent.before, sent.after), strict=True):
            bars.set_candidates(words[:_WORDS])
        self.show()

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        for bars in self._bars:
            bars.recolour(colours)
