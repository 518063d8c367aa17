"""What the colours of the token strip mean: the measure's name, its range in numbers, and the colours between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.panels.look import GRID, mix, muted

if TYPE_CHECKING:
    from mi_crow_gui.panels.token_strip import TokenStrip

_BAR = 8 * GRID


class MeasureLegend(QWidget):
    """Belongs to a token strip; takes no room while that has no measure and there is nothing to say about it."""

    def __init__(self, strip: TokenStrip, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strip = strip
        self._low = self._high = self._about = self._missing = ""
        self._longest = 40
        self.setObjectName("tokenLegend")
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def set_measure(self, name: str, unit: str = "", about: str = "", missing: str = "") -> None:
        """Describe the strip's measure: its range with its unit, and what it is of; or say why there is none."""
        limits = self._strip.measure_range if name else None
        self._missing = missing if limits is None else ""
        if limits is None and not missing:
            self.setVisible(False)
            return
        self._about = about
        if limits is not None:
            low, high = (formatting.number(limit) for limit in limits)
            self._low, self._high = low, f"{high} {unit}".rstrip()
            what = " ".join(words for words in (name, about) if words)
            what = f"{what}, {unit}" if unit else what
            self.setAccessibleName(f"Tokens are coloured by {what}, {low} to {high}")
            self.setToolTip(f"{what[:1].upper()}{what[1:]}: from {low} (faint) to {high} (strong)")
        else:
            self.setAccessibleName(f"Tokens are not coloured: {missing}")
            self.setToolTip(missing)
        self.setVisible(True)
        self.updateGeometry()
        self.update()

    def keep_place(self, keep: bool) -> None:
        """While it is hidden, leave its place to itself, so that nothing moves until it is back."""
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(keep and (not self.isHidden() or policy.retainSizeWhenHidden()))
        self.setSizePolicy(policy)

    def set_longest(self, signs: int) -> None:
        """How much of what the measure is of is shown; all of it is in the tooltip."""
        if signs != self._longest:
            self._longest = signs
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        words = [self._missing] if self._missing else [self._low, self._high, self._short()]
        text = sum(self.fontMetrics().horizontalAdvance(word) + GRID for word in words if word)
        return QSize(text + (0 if self._missing else _BAR), max(3 * GRID, self.fontMetrics().height()))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        metrics = painter.fontMetrics()
        baseline = (self.height() + metrics.ascent() - metrics.descent()) // 2
        if self._missing:
            painter.setPen(muted(self.palette()))
            painter.drawText(0, baseline, metrics.elidedText(self._missing, Qt.TextElideMode.ElideRight, self.width()))
            return
        painter.setPen(self.palette().windowText().color())
        painter.drawText(0, baseline, self._low)
        x = metrics.horizontalAdvance(self._low) + GRID
        gradient = QLinearGradient(x, 0, x + _BAR, 0)
        gradient.setColorAt(0, self._strip.chip_colour(0))
        gradient.setColorAt(1, self._strip.chip_colour(1))
        painter.setPen(mix(self.palette().base().color(), muted(self.palette()), 0.6))
        painter.setBrush(gradient)
        painter.drawRect(x, (self.height() - GRID) // 2, _BAR, GRID)
        painter.setPen(self.palette().windowText().color())
        x += _BAR + GRID
        painter.drawText(x, baseline, self._high)
        painter.setPen(muted(self.palette()))
        painter.drawText(x + metrics.horizontalAdvance(self._high) + GRID, baseline, self._short())

    def _short(self) -> str:
        return formatting.elide_middle(self._about, self._longest) if self._longest else ""
