"""Words in the cells of a matrix, where the cells are large enough to read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QApplication

from mi_crow_gui.panels.look import ink_on
from mi_crow_gui.panels.plots.matrix_item import places_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QFontMetrics

    from mi_crow_gui.plotdata.scale import Scale

_NARROW = 34.0  # pixels under which a word is written upwards
_SHORTEST = 24.0
_GAP = 2.0
_SIZE = 0.85  # of the application's font


class CellWords(pg.GraphicsObject):  # type: ignore[misc]
    """Writes only what can be seen, in black or white, whichever the cell's colour asks for.

    A cell that is narrow and tall gets its word from bottom to top; one that is too small for either gets none.
    `whole`: the words are numbers, which are read side by side or not at all: where one does not fit, there are none.
    """

    def __init__(self, whole: bool = False) -> None:
        super().__init__()
        self._whole = whole
        self._values: np.ndarray | None = None
        self._scale: Scale | None = None
        self._table = np.zeros(256, np.uint32)
        self._word: Callable[[int, int], tuple[str, ...]] | None = None
        self.setZValue(5)

    def set_words(
        self,
        values: np.ndarray,
        scale: Scale,
        table: np.ndarray,
        word: Callable[[int, int], tuple[str, ...]] | None,
    ) -> None:
        """The cells' values and colours, and what gives the lines of one, the first the more important; None: none."""
        if self._values is None or self._values.shape != values.shape:
            self.prepareGeometryChange()
        self._values, self._scale, self._table, self._word = values, scale, table, word
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: D102 - Qt's
        if self._values is None:
            return QRectF()
        rows, columns = self._values.shape
        return QRectF(-0.5, -0.5, columns, rows)

    def paint(self, painter: QPainter, *unused: object) -> None:  # noqa: D102 - Qt's
        if self._values is None or self._word is None or self._scale is None:
            return
        view, to_screen = self.viewRect(), painter.transform()
        cell = to_screen.mapRect(QRectF(0, 0, 1, 1))
        painter.save()
        font = QApplication.font()
        font.setPointSizeF(_SIZE * font.pointSizeF())
        painter.setFont(font)
        metrics = painter.fontMetrics()
        line = metrics.height()
        upwards = cell.width() < _NARROW
        long, high = (cell.height(), cell.width()) if upwards else (cell.width(), cell.height())
        if long < _SHORTEST or high < line - 1 or (upwards and self._whole):
            painter.restore()
            return
        rows, columns = self._values.shape
        top, bottom = max(0, math.floor(view.top() + 0.5)), min(rows, math.ceil(view.bottom() + 0.5))
        left, right = max(0, math.floor(view.left() + 0.5)), min(columns, math.ceil(view.right() + 0.5))
        inks = self._table[places_in(self._values[top:bottom, left:right], self._scale.low, self._scale.high)]
        room = int(long - _GAP)
        if self._whole and not self._all_fit(metrics, room, range(top, bottom), range(left, right)):
            painter.restore()
            return
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        for row in range(top, bottom):
            for column in range(left, right):
                lines = self._word(row, column)[: max(1, int(high // line))]
                text = "\n".join(metrics.elidedText(part, Qt.TextElideMode.ElideRight, room) for part in lines)
                middle = to_screen.map(QPointF(column, row))
                painter.setPen(ink_on(QColor.fromRgb(int(inks[row - top, column - left]))))
                if upwards:
                    painter.translate(middle)
                    painter.rotate(-90)
                    painter.drawText(QRectF(-long / 2, -high / 2, long, high), Qt.AlignmentFlag.AlignCenter, text)
                    painter.resetTransform()
                else:
                    box = QRectF(middle.x() - long / 2, middle.y() - high / 2, long, high)
                    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.restore()

    def _all_fit(self, metrics: QFontMetrics, room: int, rows: range, columns: range) -> bool:
        assert self._word is not None
        return all(metrics.horizontalAdvance(self._word(row, column)[0]) <= room for row in rows for column in columns)
