"""Points as coloured squares: a hundred thousand are set in an image in a few milliseconds, when the view changes."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen

_FEW, _MANY = 200, 20_000


class PointsItem(pg.GraphicsObject):  # type: ignore[misc]
    """Points in data coordinates; later ones lie over earlier ones, and the marked one has a ring."""

    def __init__(self) -> None:
        super().__init__()
        self._points = np.empty((0, 2))
        self._colours = np.empty(0, np.uint32)
        self._names: list[str] = []
        self._area = QRectF()
        self._marked: int | None = None
        self._above: np.ndarray | None = None
        self._ink, self._quiet = QColor(), QColor()
        self._seen: tuple[object, ...] = ()
        self._pixels: np.ndarray | None = None

    def set_points(
        self,
        points: np.ndarray,
        colours: np.ndarray,
        names: list[str],
        area: QRectF,
        above: np.ndarray | None = None,
    ) -> None:
        """Show points in these colours (0xAARRGGBB); `names` are written beside the first of them.

        `above` says which points lie over all others.
        """
        self.prepareGeometryChange()
        self._points, self._colours, self._names, self._area = points, colours, names, area
        self._above = above
        self._seen = ()
        self.update()

    def set_marked(self, index: int | None) -> None:
        """Put a ring around a point."""
        self._marked = index
        self.update()

    def set_inks(self, ring: QColor, text: QColor) -> None:
        """Colours of ring and names."""
        self._ink, self._quiet = ring, text
        self.update()

    def nearest(self, at: QPointF, within: float) -> int | None:
        """The point closest to a place in data coordinates, if it is `within` so many pixels."""
        across, up = self.pixelLength(pg.Point(1, 0)), self.pixelLength(pg.Point(0, 1))
        if not len(self._points) or not across or not up:
            return None
        distances = ((self._points[:, 0] - at.x()) / across) ** 2 + ((self._points[:, 1] - at.y()) / up) ** 2
        index = int(distances.argmin())
        return index if distances[index] <= within**2 else None

    def boundingRect(self) -> QRectF:  # noqa: D102 - Qt's
        return self._area

    def paint(self, painter: QPainter, *unused: object) -> None:  # noqa: D102 - Qt's
        if not len(self._points):
            return
        transform = painter.worldTransform()
        window = transform.mapRect(self.viewRect()).toAlignedRect()
        x = transform.m11() * self._points[:, 0] + transform.dx()
        y = transform.m22() * self._points[:, 1] + transform.dy()
        widget = self.getViewWidget()
        ratio = widget.devicePixelRatioF() if widget is not None else 1.0
        seen = (window.getRect(), transform.m11(), transform.m22(), transform.dx(), transform.dy(), ratio)
        if seen != self._seen:
            size = (max(1, round(window.width() * ratio)), max(1, round(window.height() * ratio)))
            self._pixels = self._set((x - window.left()) * ratio, (y - window.top()) * ratio, *size, ratio)
            self._seen = seen
        assert self._pixels is not None
        tall, wide = self._pixels.shape
        image = QImage(self._pixels.data, wide, tall, 4 * wide, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        painter.save()
        # A painter that is not restored takes the program with it, whatever was raised in between.
        try:
            painter.resetTransform()
            painter.drawImage(window.topLeft(), image)
            self._write_names(painter, x, y, window.right())
            if self._marked is not None:
                painter.setPen(QPen(self._ink, 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                painter.drawEllipse(QPointF(x[self._marked], y[self._marked]), 7, 7)
        finally:
            painter.restore()

    def _set(self, x: np.ndarray, y: np.ndarray, width: int, height: int, ratio: float) -> np.ndarray:
        """An image with a square at each place, given in its pixels."""
        side = 5 if len(x) <= _FEW else 3 if len(x) <= _MANY else 2
        side = max(1, round(side * ratio))
        # A margin as wide as a square, so that none needs to be cut.
        wide, tall = width + 2 * side, height + 2 * side
        columns, rows = x + (side - side // 2), y + (side - side // 2)
        inside = (columns >= 0) & (columns < width + side) & (rows >= 0) & (rows < height + side)
        order: np.ndarray = np.flatnonzero(inside)
        if self._above is not None:
            over = self._above[order]
            order = np.concatenate([order[~over], order[over]])
        columns, rows, colours = columns[order], rows[order], self._colours[order]
        # One index for both directions: setting by two takes three times as long.
        places = rows.astype(np.int32) * wide + columns.astype(np.int32)
        pixels = np.zeros(tall * wide, np.uint32)
        for down in range(side):
            for across in range(side):
                pixels[places + (down * wide + across)] = colours
        return np.ascontiguousarray(pixels.reshape(tall, wide)[side : side + height, side : side + width])

    def _write_names(self, painter: QPainter, x: np.ndarray, y: np.ndarray, edge: int) -> None:
        metrics = QFontMetricsF(painter.font())
        taken: list[QRectF] = []
        painter.setPen(self._quiet)
        few = len(self._names)
        for name, across, down in zip(self._names, x[:few].tolist(), y[:few].tolist(), strict=True):
            wide = metrics.horizontalAdvance(name)
            left = across + 6 if across + 6 + wide <= edge else across - 6 - wide
            room = QRectF(left, down - metrics.height() / 2, wide, metrics.height())
            # A name that would cover another one is left to the cursor.
            if name and not any(room.intersects(other) for other in taken):
                taken.append(room)
                painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip), name)
