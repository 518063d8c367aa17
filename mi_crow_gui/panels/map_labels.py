"""The names at the edges of the map of modules: blocks at the left, their parts above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt

from mi_crow_gui.panels.look import GRID, muted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFontMetrics, QPainter, QPalette

    from mi_crow_gui.itemmodels.module_grid import ModuleGrid

_MOST = 10 * GRID


class MapLabels:
    """Takes `width` at the left and `height` above the cells."""

    def __init__(self) -> None:
        self.width = self.height = GRID
        self._rows: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()

    def set_grid(self, grid: ModuleGrid, metrics: QFontMetrics) -> None:
        """Name the rows and columns of a grid; measured once, as every cell's place depends on it."""
        self._rows = tuple(_short(row.label) for row in grid.rows)
        self._columns = tuple(_part(name) for name in grid.columns)
        width = metrics.horizontalAdvance
        self.width = min(max(map(width, set(self._rows)), default=0), _MOST) + GRID
        self.height = min(max(map(width, self._columns), default=0), _MOST) + GRID

    def paint_rows(self, painter: QPainter, palette: QPalette, first: int, tops: Sequence[int], height: int) -> None:
        """Draw the names of the rows from `first` on, at these places."""
        metrics = painter.fontMetrics()
        painter.setPen(muted(palette))
        for label, top in zip(self._rows[first:], tops, strict=False):
            box = QRect(0, top, self.width - GRID // 2, height)
            text = metrics.elidedText(label, Qt.TextElideMode.ElideLeft, box.width())
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)

    def paint_columns(self, painter: QPainter, palette: QPalette, lefts: Sequence[int], width: int) -> None:
        """Draw the names of all columns, written upwards, at these places."""
        metrics, room = painter.fontMetrics(), self.height - GRID
        painter.setPen(muted(palette))
        for label, left in zip(self._columns, lefts, strict=True):
            painter.save()
            painter.translate(left, self.height - GRID // 2)
            painter.rotate(-90)
            text = metrics.elidedText(label, Qt.TextElideMode.ElideMiddle, room)
            painter.drawText(QRect(0, 0, room, width), Qt.AlignmentFlag.AlignVCenter, text)
            painter.restore()


def _short(label: str) -> str:
    """The last part of a path, with the one before it when it is only a number."""
    parts = label.split(".")
    return ".".join(parts[-2:]) if parts[-1].isdigit() and len(parts) > 1 else parts[-1]


def _part(name: str) -> str:
    """The last part of a column's name, marked as belonging to the column before it."""
    parent, _, last = name.rpartition(".")
    return f"· {last}" if parent else last
