"""The token under the mouse, in any plot or in the strip: thin lines beside its row and column in every matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QLineF, QRectF
from PySide6.QtGui import QPainter, QPen

if TYPE_CHECKING:
    from PySide6.QtGui import QColor

# Of the selected token's line; on any colour of a map it stays lighter than that.
LIGHT = 150


class PointedBand(pg.GraphicsObject):  # type: ignore[misc]
    """One row or one column of a matrix; it covers that strip alone, so that nothing else is painted when it moves."""

    def __init__(self) -> None:
        super().__init__()
        self._box = QRectF()
        self._upright = False
        self._pens: tuple[QPen, ...] = ()
        self.setZValue(9)
        self.setVisible(False)

    @property
    def place(self) -> int | None:
        """The row or column between the lines, None while there are none."""
        if not self.isVisible():
            return None
        return round(self._box.center().x() if self._upright else self._box.center().y())

    def set_place(self, place: int | None, area: QRectF, *, upright: bool) -> None:
        """Put lines beside a row, or an upright column, of a matrix that covers `area`; None takes them away."""
        low, high = (area.left(), area.right()) if upright else (area.top(), area.bottom())
        if place is None or not low <= place <= high:
            self.setVisible(False)
            return
        start = place - 0.5
        box = QRectF(start, area.top(), 1, area.height()) if upright else QRectF(area.left(), start, area.width(), 1)
        if (box, upright) != (self._box, self._upright):
            self.prepareGeometryChange()
            self._box, self._upright = box, upright
        self.setVisible(True)

    def set_colours(self, line: QColor, halo: QColor) -> None:
        """The line, and what keeps it apart from the cells."""
        self._pens = tuple(light_pen(colour, width) for colour, width in ((halo, 3), (line, 1)))
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: D102 - Qt's
        return self._box

    def paint(self, painter: QPainter, *unused: object) -> None:  # noqa: D102 - Qt's
        box = self._box
        if self._upright:
            lines = [QLineF(x, box.top(), x, box.bottom()) for x in (box.left(), box.right())]
        else:
            lines = [QLineF(box.left(), y, box.right(), y) for y in (box.top(), box.bottom())]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for pen in self._pens:
            painter.setPen(pen)
            painter.drawLines(lines)


def light_pen(colour: QColor, width: int = 1) -> QPen:
    """A pen of a selected line's colour for what is only pointed at."""
    faint = type(colour)(colour)
    faint.setAlpha(LIGHT)
    pen = QPen(faint, width)
    pen.setCosmetic(True)
    return pen
