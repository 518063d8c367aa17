"""The frame around the selected token's row in a heatmap, to be seen on any colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QLineF, QRectF
from PySide6.QtGui import QPainter, QPen

if TYPE_CHECKING:
    from PySide6.QtGui import QColor


class TokenBand(pg.GraphicsObject):  # type: ignore[misc]
    """Two lines across the matrix, one above and one below a row."""

    def __init__(self) -> None:
        super().__init__()
        self._row = 0
        self._area = QRectF()
        self._pens: tuple[QPen, ...] = ()
        self.setZValue(10)
        self.setVisible(False)

    def set_row(self, row: int | None, area: QRectF) -> None:
        """Frame a row of a matrix that covers `area`, or none."""
        self.setVisible(row is not None)
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area
        if row is not None:
            self._row = row
            self.update()

    def set_colours(self, line: QColor, halo: QColor) -> None:
        """The line, and what keeps it apart from the cells."""
        self._pens = (QPen(halo, 3), QPen(line, 1))
        for pen in self._pens:
            pen.setCosmetic(True)
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: D102 - Qt's
        # All of the matrix: what is a pixel in it changes with every zoom.
        return self._area

    def paint(self, painter: QPainter, *unused: object) -> None:  # noqa: D102 - Qt's
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for pen in self._pens:
            painter.setPen(pen)
            for y in (self._row - 0.5, self._row + 0.5):
                painter.drawLine(QLineF(self._area.left(), y, self._area.right(), y))
