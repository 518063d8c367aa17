"""The axes of plots: whole positions with the texts of tokens, and measured values."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QApplication

from mi_crow_gui.document.formatting import count
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 12
_GAP = 8.0
# As many times as wide as an axis with texts a picture must be with it.
_LEAST_ACROSS = 3
# Distances between labels that a person can count in.
_STEPS = (1, 2, 5)
# A logarithmic axis shorter than this has too few powers of ten to be read by them alone.
_FEW_DECADES = 1.5
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# Labels are as wide as the widest of so many: measuring a hundred thousand would take longer than drawing.
_MEASURED = 128


class PositionAxis(pg.AxisItem):  # type: ignore[misc]
    """Labels whole positions, as many as there is room for; with their texts where those are known.

    An upright one leaves the texts out where they would take too much of the picture beside them.
    """

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._upright = orientation in ("left", "right")
        self._first = self._count = self._shift = 0
        self._labels: Sequence[str] = ()
        self._brief = self._cramped = False
        self._room, self._across = 1.0, 0
        self.enableAutoSIPrefix(False)
        self.setStyle(tickLength=-4, tickTextOffset=4, hideOverlappingLabels=False, autoExpandTextSpace=False)
        self._measure()

    def set_name(self, name: str) -> None:
        """What is along the axis, "" for nothing."""
        if name != self.labelText:
            self.setLabel(name)
            self.showLabel(bool(name) and not self._cramped)
            self._measure()

    def set_cramped(self, cramped: bool) -> bool:
        """Whether the picture needs the room of all but the numbers; True if that is new."""
        if cramped == self._cramped:
            return False
        self._cramped = cramped
        self.showLabel(bool(self.labelText) and not cramped)
        self._brief = cramped
        self._measure()
        return True

    def set_across(self, pixels: int) -> None:
        """How wide the picture is with this upright axis beside it."""
        if pixels != self._across:
            self._across = pixels
            self._measure()

    def set_positions(self, first: int, amount: int, labels: Sequence[str] = (), shift: int = 0) -> None:
        """What is labelled: `amount` positions from `first` on; `labels` may be shorter or empty.

        Their numbers are `shift` larger than where they stand.
        """
        known = (self._first, self._count, self._labels, self._shift)
        if known == (first, amount, labels, shift):
            return
        self._first, self._count, self._labels, self._shift = first, amount, labels, shift
        self._measure()
        self.picture = None
        self.update()

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: D102
        first = max(self._first, math.ceil(min(minVal, maxVal)))
        last = min(self._first + self._count - 1, math.floor(max(minVal, maxVal)))
        if first > last or size <= 0 or minVal == maxVal:
            return []
        pixels = size / abs(maxVal - minVal)
        step = next(s * 10**power for power in range(16) for s in _STEPS if s * 10**power * pixels >= self._room)
        start = -(-(first + self._shift) // step) * step - self._shift
        return [(step, [float(position) for position in range(start, last + 1, step)])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: D102
        return [self._label(int(value)) for value in values]

    def _label(self, position: int) -> str:
        return self._words(position, self._brief)

    def _words(self, position: int, brief: bool) -> str:
        index = position - self._first
        text = self._labels[index] if 0 <= index < len(self._labels) else ""
        number = count(position + self._shift)
        if not text or brief:
            return number
        return f"{_short(text)}  {number}" if self._upright else f"{_short(text)}\n{number}"

    def _measure(self) -> None:
        """How wide the axis is, and how far apart labels must be."""
        metrics, widest = _metrics(), self._widest(brief=self._brief and not self._upright)
        if self._upright:
            brief = 0 < self._across < _LEAST_ACROSS * (widest + _GAP)
            if brief != self._brief:
                self._brief = brief
                self.picture = None
                self.update()
            if brief:
                widest = self._widest(brief)
            self._room = metrics.height() + 1
            self.setWidth(math.ceil(widest + _GAP))
        else:
            self._room = widest + _GAP
            lines = max(label.count("\n") for label in self._measured(self._brief)) + 1
            self.setHeight(math.ceil((lines + self.label.isVisible()) * metrics.height() + _GAP))

    def _widest(self, brief: bool) -> float:
        font = QApplication.font().key()
        return max(_width(line, font) for label in self._measured(brief) for line in label.split("\n"))

    def _measured(self, brief: bool) -> list[str]:
        # Those at the end are the longest numbers, and so are those that stay when there is no room for all.
        places = range(self._first, self._first + self._count, max(1, self._count // _MEASURED))
        return [self._words(place, brief) for place in (*places, self._first + max(0, self._count - 1))]


class ValueAxis(pg.AxisItem):  # type: ignore[misc]
    """Labels measured values; it keeps its width while they change, so that the picture stands still."""

    _cramped = False

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.enableAutoSIPrefix(False)
        self.setStyle(tickLength=-4, tickTextOffset=4, hideOverlappingLabels=False, autoExpandTextSpace=False)
        # Labels of the first kind of tick only
        self.setStyle(maxTextLevel=0)
        metrics = _metrics()
        if orientation in ("left", "right"):
            self.setWidth(math.ceil(metrics.horizontalAdvance("-0.0005") + metrics.height() + _GAP))
        else:
            self.setHeight(math.ceil(2 * metrics.height() + _GAP))

    def set_name(self, name: str) -> None:
        """What is along the axis."""
        if name != self.labelText:
            self.setLabel(name)
            self._fit_name()

    def set_cramped(self, cramped: bool) -> bool:
        """Whether the picture needs the room of all but the numbers; True if that is new."""
        if cramped == self._cramped:
            return False
        self._cramped = cramped
        self._fit_name()
        self.setHeight(math.ceil((1 if cramped else 2) * _metrics().height() + _GAP))
        return True

    def resizeEvent(self, event: object = None) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._fit_name()

    def _fit_name(self) -> None:
        # Half a name would be read as another one; its place stays, so that pictures stand below each other.
        if self.orientation in ("left", "right"):
            self.label.setVisible(self.label.boundingRect().width() <= self.size().height())
        else:
            self.label.setVisible(not self._cramped)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: D102
        if not self.logMode:
            return [(spacing, list(values)) for spacing, values in super().tickValues(minVal, maxVal, size)]
        first, last = math.ceil(minVal), math.floor(maxVal)
        most = max(1, int(size / (2 * _metrics().height())))
        step = max(1, math.ceil((last - first + 1) / most))
        labelled = [float(power) for power in range(first, last + 1, step)]
        within = [power + math.log10(digit) for power in range(first - 1, last + 1) for digit in range(2, 10)]
        within = [value for value in within if minVal <= value <= maxVal]
        if maxVal - minVal < _FEW_DECADES:
            labelled += [value for value in within if value > 0 and round(10 ** (value % 1)) in _STEPS]
        return [(1.0, labelled), (0.1, [value for value in within if step == 1 and value not in labelled])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: D102
        if self.logMode:
            return [_power(value) for value in values]
        largest = max((abs(value) for value in values), default=0.0)
        if largest >= 1e5 or 0 < largest < 1e-3:
            return [f"{value:.3g}" if value else "0" for value in values]
        decimals = max(0, math.ceil(-math.log10(spacing) - 1e-9)) if spacing > 0 else 0
        return [f"{value:,.{decimals}f}" for value in values]


@lru_cache(4096)
def _short(token: str) -> str:
    text = readable_token(token)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


@lru_cache(4096)
def _width(line: str, font: str) -> float:
    """Width in the application's font; `font` makes another one be measured anew."""
    return _metrics().horizontalAdvance(line)


def _power(value: float) -> str:
    amount = 10**value
    return f"{amount:,.0f}" if amount < 1e5 else f"10{str(round(value)).translate(_RAISED)}"


def _metrics() -> QFontMetricsF:
    return QFontMetricsF(QApplication.font())
