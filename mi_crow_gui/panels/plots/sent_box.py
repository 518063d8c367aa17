"""What one forward said into which one place was put: the numbers, and the likeliest words before and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import number, percent
from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.panels.plots.chosen_row import ElidedLabel
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from core_hooks.model.tokens import Candidate
    from mi_crow_gui.plotdata.patching import Sent

_WORDS = 5


class SentBox(QWidget):
    """Three lines under a map; hidden while nothing was sent. `sent` is what it shows."""

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sent: Sent | None = None
        self.setObjectName("sentBox")
        self._lines = [ElidedLabel() for _ in range(3)]
        for name, line in zip(("sentTitle", "sentBefore", "sentAfter"), self._lines, strict=True):
            line.setObjectName(name)
            line.setFont(fixed_font())
        close = QToolButton()
        close.setText("×")
        close.setAutoRaise(True)
        close.setObjectName("sentClose")
        close.setAccessibleName("Close the patched forward")
        close.setToolTip("Close the patched forward")
        close.clicked.connect(self.closed)
        column = QVBoxLayout()
        column.setSpacing(0)
        for line in self._lines:
            column.addWidget(line)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        row.setSpacing(GRID)
        row.addLayout(column, 1)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    @property
    def words(self) -> str:
        """What it says."""
        return "\n".join(line.text() for line in self._lines)

    def set_sent(self, sent: Sent, place: str) -> None:
        """Show a patched forward; `place` names what was put where."""
        self.sent = sent
        names = " against ".join(readable_token(word) for word in sent.words)
        change = f"{sent.metric}{f' of {names}' if names else ''} {number(sent.corrupted)} → {number(sent.patched)}"
        back = "" if math.isnan(sent.recovered) else f", {sent.recovered:.3f} of the way to A's {number(sent.clean)}"
        texts = (
            f"{place}: {change}{back}",
            f"B as it is: {_listed(sent.before)}",
            f"B with it:  {_listed(sent.after)}",
        )
        for line, text in zip(self._lines, texts, strict=True):
            line.setText(text)
            line.setToolTip("\n".join(texts))
        self.setAccessibleName(self.words)
        self.show()

    def set_short(self, short: bool) -> None:
        """Keep to one line where there is little room; the others are in its tool tip."""
        for line in self._lines[1:]:
            line.setVisible(not short)


def _listed(words: tuple[Candidate, ...]) -> str:
    return ", ".join(f"{readable_token(word.text)} {percent(word.probability)}" for word in words[:_WORDS])
