"""Frames around a row and a column of a matrix, to be seen on any colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QLineF, QRectF
from PySide6.QtGui import QPainter, QPen

if TYPE_CHECKING:
    from PySide6.QtGui import QColor


class CrossItem(pg.GraphicsObject):  # type: ignore[misc]
    """The selected token: two lines beside its column, its row, or both."""

    def __init__(self) -> None:
        super().__init__()
        self._row: int | None = None
        self._column: int | None = None
        self._area = QRectF()
        self._pens: tuple[QPen, ...] = ()
        self.setZValue(10)

    @property
    def marked(self) -> tuple[int | None, int | None]:
        """The framed row and column."""
        return self._row, self._column

    def set_marked(self, row: int | None, column: int | None, area: QRectF) -> None:
        """Frame a row and a column of a matrix that covers `area`; None for none."""
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area
        self._row, self._column = row, column
        self.update()

    def set_colours(self, line: QColor, halo: QColor) -> None:
        """The line, and what keeps it apart from the cells."""
        self._pens = (QPen(halo, 3), QPen(line, 1))
        for pen in self._pens:
            pen.setCosmetic(True)
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: D102 - Qt's
        return self._area

    def paint(self, painter: QPainter, *unused: object) -> None:  # noqa: D102 - Qt's
        area, lines = self._area, []
        if self._row is not None:
            lines += [QLineF(area.left(), self._row + side, area.right(), self._row + side) for side in (-0.5, 0.5)]
        if self._column is not None:
            column = self._column
            lines += [QLineF(column + side, area.top(), column + side, area.bottom()) for side in (-0.5, 0.5)]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for pen in self._pens:
            painter.setPen(pen)
            painter.drawLines(lines)
