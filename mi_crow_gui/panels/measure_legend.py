"""What the colours of the token strip mean: the measure's name, its range in numbers, and the colours between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize
from PySide6.QtGui import QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.panels.look import GRID, mix, muted

if TYPE_CHECKING:
    from mi_crow_gui.panels.token_strip import TokenStrip

_BAR = 8 * GRID


class MeasureLegend(QWidget):
    """Belongs to a token strip; takes no room while that has no measure."""

    def __init__(self, strip: TokenStrip, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strip = strip
        self._words = ("", "", "")
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def set_measure(self, name: str, unit: str = "") -> None:
        """Describe the strip's measure; "" hides the legend."""
        limits = self._strip.measure_range if name else None
        if limits is None:
            self.setVisible(False)
            return
        low, high = (formatting.number(limit) for limit in limits)
        self._words = (f"{name}, {unit}" if unit else name, low, high)
        self.setAccessibleName(f"Tokens are coloured by {self._words[0]}, {low} to {high}")
        self.setVisible(True)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        text = sum(self.fontMetrics().horizontalAdvance(word) + GRID for word in self._words)
        return QSize(text + _BAR, max(3 * GRID, self.fontMetrics().height()))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        metrics = painter.fontMetrics()
        baseline = (self.height() + metrics.ascent() - metrics.descent()) // 2
        name, low, high = self._words
        painter.setPen(self.palette().windowText().color())
        x = 0
        for word in (name, low):
            painter.drawText(x, baseline, word)
            x += metrics.horizontalAdvance(word) + GRID
        gradient = QLinearGradient(x, 0, x + _BAR, 0)
        gradient.setColorAt(0, self._strip.chip_colour(0))
        gradient.setColorAt(1, self._strip.chip_colour(1))
        painter.setPen(mix(self.palette().base().color(), muted(self.palette()), 0.6))
        painter.setBrush(gradient)
        painter.drawRect(x, (self.height() - GRID) // 2, _BAR, GRID)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(x + _BAR + GRID, baseline, high)
