"""What the colours of the module map mean: the measure and its range in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from mi_crow_gui.panels.look import GRID, mix, muted

if TYPE_CHECKING:
    from PySide6.QtGui import QColor

    from mi_crow_gui.panels.map_measures import MapMeasure

_BAR = 5 * GRID
_NO_VALUES = "Click selects, a sweep over cells attaches."
_LEAST, _MOST = 0.12, 0.92


def cell_colour(palette: QPalette, share: float) -> QColor:
    """Colour of a value that lies at this share (0 to 1) of the range."""
    return mix(palette.base().color(), palette.highlight().color(), _LEAST + (_MOST - _LEAST) * share)


class ModuleMapLegend(QWidget):
    """One line below the map."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._range: tuple[float, float] | None = None
        self._measure: MapMeasure | None = None
        self._instead = _NO_VALUES
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_range(self, limits: tuple[float, float] | None, measure: MapMeasure, *, waiting: bool = False) -> None:
        """Show this range of a measure; None while there are no values, `waiting` if the next run may give some."""
        self._range, self._measure = limits, measure
        self._instead = (waiting and measure.missing) or _NO_VALUES
        self.setToolTip(measure.explanation if limits else "")
        self.setAccessibleDescription(
            f"{measure.words}, {measure.text(limits[0])} to {measure.text(limits[1])}" if limits else self._instead
        )
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(20 * GRID, self.fontMetrics().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        palette, metrics = self.palette(), painter.fontMetrics()
        middle, right = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignRight
        painter.setPen(muted(palette))
        if self._range is None or self._measure is None:
            painter.drawText(self.rect(), middle, metrics.elidedText(self._instead, _ELIDE, self.width()))
            return
        low, high = (self._measure.text(limit) for limit in self._range)
        end = self.width() - metrics.horizontalAdvance(high) - GRID // 2
        room = end - _BAR - metrics.horizontalAdvance(low) - GRID
        painter.drawText(self.rect(), middle, metrics.elidedText(self._measure.words, _ELIDE, room))
        painter.drawText(self.rect(), middle | right, high)
        painter.drawText(QRect(0, 0, end - _BAR - GRID // 2, self.height()), middle | right, low)
        for x in range(_BAR):
            painter.fillRect(end - _BAR + x, (self.height() - GRID) // 2, 1, GRID, cell_colour(palette, x / _BAR))


_ELIDE = Qt.TextElideMode.ElideRight
