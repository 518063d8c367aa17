"""The colour bar beside a heatmap, with its range in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mi_crow_gui.document.formatting import count, number
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.colours import VALUES

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.scale import Scale

_BAR = 12


class ColourBar(QWidget):
    """Shows what the colours mean; as tall as the picture beside it. `points`: of points on the background."""

    def __init__(self, colours: PlotColours, parent: QWidget | None = None, *, points: bool = False) -> None:
        super().__init__(parent)
        self._points = points
        self._colours = colours
        self._scale: Scale | None = None
        self._not_finite = self._blank = False
        self._below = 0
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)

    def set_scale(self, scale: Scale, not_finite: bool, below: int, *, blank: bool = False) -> None:
        """Show this range; `not_finite` adds the colour of NaN and infinities, under the bar in `below` pixels.

        `blank` adds that of tokens without a partner in another run instead.
        """
        if (scale, not_finite, below, blank) != (self._scale, self._not_finite, self._below, self._blank):
            self._scale, self._not_finite, self._below, self._blank = scale, not_finite, below, blank
            low, high = self._text(scale.low), self._text(scale.high)
            self.setToolTip(f"{low} to {high}: {scale.note}")
            self.setAccessibleName(f"Colours show {low} to {high}, {scale.note}")
            self.updateGeometry()
            self.update()

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        self._colours = colours
        self.update()

    def _text(self, value: float) -> str:
        return count(round(value)) if self._scale is not None and self._scale.whole else number(value)

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        # Room for the longest number, so that the picture does not move when the range does.
        return QSize(_BAR + GRID // 2 + self.fontMetrics().horizontalAdvance("-1.234e-05") + GRID // 2, 8 * GRID)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        if self._scale is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._colours.background)
        metrics = self.fontMetrics()
        line = metrics.height()
        # From the picture's upper edge to its lower one.
        bar = QRect(0, GRID // 2, _BAR, max(1, self.height() - self._below - GRID // 2))
        table = self._colours.points_table() if self._points else self._colours.table(self._scale.diverging)
        upwards = np.ascontiguousarray(table[VALUES - 1 :: -1])
        painter.drawImage(bar, QImage(upwards.data, 1, VALUES, 4, QImage.Format.Format_RGB32))
        painter.setPen(self._colours.grid)
        painter.drawRect(bar.adjusted(0, 0, -1, -1))
        painter.setPen(self._colours.text)
        left = _BAR + GRID // 2
        upper = bar.top() + metrics.ascent()
        # Beside a bar that is lower than two lines the range goes on below it: the numbers never cover each other.
        numbers = [(self._scale.high, upper), (self._scale.low, max(bar.bottom(), upper + line))]
        if self._scale.diverging and bar.height() > 4 * line:
            numbers.append((0.0, bar.center().y() + metrics.ascent() // 2))
        for value, baseline in numbers:
            painter.drawText(left, baseline, self._text(value))
        if self._not_finite or self._blank:
            # Under the lower number, which may stand below a bar that is low.
            swatch = QRect(0, max(bar.bottom(), numbers[1][1]) + GRID // 2, _BAR, _BAR)
            painter.fillRect(swatch, self._colours.not_finite if self._not_finite else self._colours.grid)
            words = "NaN, ∞" if self._not_finite else "no partner"
            painter.drawText(QRect(left, swatch.top(), self.width(), _BAR), Qt.AlignmentFlag.AlignVCenter, words)
