"""The frame around the selected token's row in a heatmap, to be seen on any colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QLineF, QRectF
from PySide6.QtGui import QPainter, QPen

if TYPE_CHECKING:
    from PySide6.QtGui import QColor


class TokenBand(pg.GraphicsObject):  # type: ignore[misc]
    """Two lines from edge to edge, one above and one below a row."""

    def __init__(self) -> None:
        super().__init__()
        self._row = 0
        self._pens: tuple[QPen, ...] = ()
        self.setZValue(10)
        self.setVisible(False)

    def set_row(self, row: int | None) -> None:
        """Frame a row, or none."""
        self.setVisible(row is not None)
        if row is not None and row != self._row:
            self.prepareGeometryChange()
            self._row = row

    def set_colours(self, line: QColor, halo: QColor) -> None:
        """The line, and what keeps it apart from the cells."""
        self._pens = (QPen(halo, 3), QPen(line, 1))
        for pen in self._pens:
            pen.setCosmetic(True)
        self.update()

    def viewTransformChanged(self) -> None:  # noqa: D102 - pyqtgraph's
        self.prepareGeometryChange()

    def boundingRect(self) -> QRectF:  # noqa: D102 - Qt's
        view = self.viewRect()
        if view is None:
            return QRectF()
        # Room for the halo, which is measured in pixels.
        room = 4 * (self.pixelHeight() or 0.0)
        return QRectF(view.left(), self._row - 0.5 - room, view.width(), 1 + 2 * room)

    def paint(self, painter: QPainter, *unused: object) -> None:  # noqa: D102 - Qt's
        view = self.viewRect()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for pen in self._pens:
            painter.setPen(pen)
            for y in (self._row - 0.5, self._row + 0.5):
                painter.drawLine(QLineF(view.left(), y, view.right(), y))
