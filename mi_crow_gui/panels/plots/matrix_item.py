"""A matrix as coloured cells: only what the screen can show is reduced and mapped, when the view changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter

from mi_crow_gui.panels.plots.colours import NOT_FINITE, VALUES

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.pyramid import Pyramid
    from mi_crow_gui.plotdata.scale import Scale

# Cells read for one view while values still come in, and at rest: about one and three milliseconds.
_LIVE_BUDGET, _BUDGET = 1 << 20, 3 << 20


class MatrixItem(pg.GraphicsObject):  # type: ignore[misc]
    """Row 0 lies at y = `top` - 0.5 to `top` + 0.5, column 0 at x = -0.5 to 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self._pyramid: Pyramid | None = None
        self._scale: Scale | None = None
        self._table = np.zeros(NOT_FINITE + 1, np.uint32)
        self._top = 0
        self._budget = _BUDGET
        self._seen: tuple[object, ...] = ()
        self._image: QImage | None = None
        self._pixels: np.ndarray | None = None
        self._target, self._source = QRectF(), QRectF()

    def set_matrix(self, pyramid: Pyramid, scale: Scale, table: np.ndarray, top: int, live: bool) -> None:
        """Show a matrix."""
        if self._pyramid is None or pyramid.shape != self._pyramid.shape or top != self._top:
            self.prepareGeometryChange()
        self._pyramid, self._scale, self._table, self._top = pyramid, scale, table, top
        self._budget = _LIVE_BUDGET if live else _BUDGET
        self._seen = ()
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: D102 - Qt's
        if self._pyramid is None:
            return QRectF()
        rows, columns = self._pyramid.shape
        return QRectF(-0.5, self._top - 0.5, columns, rows)

    def paint(self, painter: QPainter, *unused: object) -> None:  # noqa: D102 - Qt's
        if self._pyramid is None:
            return
        view = self.viewRect()
        device = painter.deviceTransform().mapRect(view)
        seen = (view.getRect(), round(device.width()), round(device.height()))
        if seen != self._seen:
            self._seen = seen
            self._render(view, max(1, round(device.height())), max(1, round(device.width())))
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(self._target, self._image, self._source)

    def _render(self, view: QRectF, height: int, width: int) -> None:
        assert self._pyramid is not None
        assert self._scale is not None
        up = 0.5 - self._top
        rows, columns = (view.top() + up, view.bottom() + up), (view.left() + 0.5, view.right() + 0.5)
        tile = self._pyramid.tile(rows, columns, height, width, self._budget)
        if tile is None:
            self._image = None
            return
        # The image does not own the memory it shows. Qt scales 32-bit images twice as fast as those with a table.
        self._pixels = np.take(self._table, places_in(tile.values, self._scale.low, self._scale.high))
        tall, wide = self._pixels.shape
        self._image = QImage(self._pixels.data, wide, tall, 4 * wide, QImage.Format.Format_RGB32)
        # The last cells may reach beyond the matrix: of those only the part inside is shown.
        all_rows, all_columns = self._pyramid.shape
        down = min(tall * tile.cell_rows, all_rows - tile.row)
        across = min(wide * tile.cell_columns, all_columns - tile.column)
        self._target = QRectF(tile.column - 0.5, tile.row - up, across, down)
        self._source = QRectF(0, 0, across / tile.cell_columns, down / tile.cell_rows)


def places_in(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Places of values in a colour table: 0 for `low` and less, `VALUES` - 1 for `high` and more."""
    finite = None
    with np.errstate(over="ignore", invalid="ignore"):
        places = np.subtract(values, low, dtype=np.float32)
        places *= VALUES / (high - low)
        # One sum tells whether any value needs a closer look; most matrices have none.
        if not np.isfinite(places.sum(dtype=np.float64)):
            finite = np.isfinite(values)
            places[~finite] = 0
    np.clip(places, 0, VALUES - 1, out=places)
    whole: np.ndarray = places.astype(np.uint8)
    if finite is not None:
        whole[~finite] = NOT_FINITE
    return whole
