"""The modules of a model as a map: blocks down, their parts across, coloured by what they gave out last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QToolTip, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.itemmodels.module_grid import ModuleGrid, module_grid
from mi_crow_gui.panels.look import GRID, ink_on, mix, muted
from mi_crow_gui.panels.map_labels import MapLabels
from mi_crow_gui.panels.map_measures import MEASURES
from mi_crow_gui.panels.module_map_legend import ModuleMapLegend, cell_colour

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from core_hooks.model.records import ModuleTree

_LEAST_CELL = 14
_MOST_CELL = 4 * GRID
_ROW = 18
_GAP = 1
_EMPTY = "Open a model with blocks to see its map here:\nblocks down, their parts across."
_ARROWS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class ModuleMap(QAbstractScrollArea):
    """A click selects a site, a sweep over several asks to attach them; arrows move, Space attaches or detaches."""

    siteSelected = Signal(str)
    attachRequested = Signal(list)
    detachRequested = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("moduleMap")
        self.setAccessibleName("Map of the modules")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        # Belongs below the map, wherever that is put.
        self.legend = ModuleMapLegend()
        self._tree: ModuleTree | None = None
        self._grid = ModuleGrid()
        self._labels = MapLabels()
        self._attached: frozenset[str] = frozenset()
        self._known: dict[str, dict[str, float]] = {}
        self._measure = next(iter(MEASURES))
        self._range: tuple[float, float] | None = None
        self._selected: str | None = None
        self._current = (0, 0)
        self._pressed: tuple[int, int] | None = None
        self._swept: tuple[int, int] | None = None
        self._describe()

    # Setters

    def set_tree(self, tree: ModuleTree | None) -> None:
        """Show the modules of a model; None when there is no model."""
        if tree is self._tree:
            return
        self._tree = tree
        grid = module_grid(tree)
        if grid == self._grid and grid.rows and not self._known:
            return
        self._grid = grid
        self._known = {}
        self._show_range()
        self._pressed = self._swept = None
        self._current = (0, 0)
        self._labels.set_grid(grid, self.fontMetrics())
        self._arrange()

    def set_attached(self, sites: Collection[str]) -> None:
        """Which sites have hooks of ours: they carry a dot."""
        self._attached = frozenset(sites)
        self.viewport().update()

    def set_values(self, values: Mapping[str, float], measure: str) -> None:
        """One number a site, added to those known of a measure of `MEASURES`."""
        self._known.setdefault(measure, {}).update(values)
        if measure == self._measure:
            self._show_range()

    def set_measure(self, measure: str) -> None:
        """Colour by another measure of `MEASURES`."""
        self._measure = measure
        self._show_range()

    def select_site(self, site: str | None) -> None:
        """Mark a site without emitting."""
        self._selected = site
        place = self._grid.place(site) if site is not None else None
        if place is not None:
            self._current = place
            self._reveal(place)
        self.viewport().update()

    # What is shown

    @property
    def grid(self) -> ModuleGrid:
        """What stands where."""
        return self._grid

    def cell_rect(self, row: int, column: int) -> QRect:
        """Where a cell is drawn, in the viewport."""
        width, left, top = self._cell_width(), self._labels.width, self._labels.height
        x = left + column * width - self.horizontalScrollBar().value()
        y = top + row * _ROW - self.verticalScrollBar().value()
        return QRect(x, y, width - _GAP, _ROW - _GAP)

    def colour_of(self, site: str) -> QColor | None:
        """Colour of a site by its value on a logarithmic scale; None without a value."""
        value = self._known.get(self._measure, {}).get(site)
        # Before a second run nothing has changed from anything.
        if value is None or (math.isnan(value) and self._measure == "change"):
            return None
        palette = self.palette()
        if not math.isfinite(value) or self._range is None:
            return palette.brightText().color()
        return cell_colour(palette, MEASURES[self._measure].share(value, self._range))

    def description(self, site: str) -> str:
        """A module in words."""
        if self._tree is None or site not in self._tree:
            return ""
        record = self._tree.record(site)
        lines = [site, f"{record.class_name}, {formatting.plural(record.parameters, 'parameter')}"]
        for name, measure in MEASURES.items():
            value = self._known.get(name, {}).get(site)
            if value is not None:
                lines.append(f"{measure.words}: {measure.text(value)}")
        return "\n".join(lines)

    # Qt

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(32 * GRID, 32 * GRID)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self.viewport())
        palette = self.palette()
        area = self.viewport().rect()
        if not self._grid.rows:
            painter.setPen(muted(palette))
            painter.drawText(
                area.adjusted(2 * GRID, 0, -2 * GRID, 0),
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                _EMPTY,
            )
            return
        left, top, bottom = self._labels.width, self._labels.height, area.height()
        painter.save()
        painter.setClipRect(0, top, area.width(), bottom - top)
        first = max(0, self.verticalScrollBar().value() // _ROW)
        last = min(len(self._grid.rows), first + (bottom - top) // _ROW + 2)
        self._paint_cells(painter, first, last, left)
        painter.setClipRect(0, top, left, bottom - top)
        tops = [self.cell_rect(row, 0).y() for row in range(first, last)]
        self._labels.paint_rows(painter, palette, first, tops, _ROW)
        painter.setClipRect(left, 0, area.width() - left, top)
        lefts = [self.cell_rect(0, column).x() for column in range(len(self._grid.columns))]
        self._labels.paint_columns(painter, palette, lefts, self._cell_width() - _GAP)
        painter.restore()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102 - Qt's
        place = self._place_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and place is not None:
            self._pressed = self._swept = place
            self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102 - Qt's
        if self._pressed is not None:
            place = self._place_at(event.position().toPoint(), nearest=True)
            if place is not None and place != self._swept:
                self._swept = place
                self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: D102 - Qt's
        first, last = self._pressed, self._swept
        self._pressed = self._swept = None
        self.viewport().update()
        if first is None or last is None:
            return
        if first == last:
            self._choose(first)
            return
        sites = [site for site in self._grid.sites(first, last) if site not in self._attached]
        if sites:
            self.attachRequested.emit(sites)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        move = _ARROWS.get(Qt.Key(event.key()))
        if move is not None and self._grid.rows:
            self._step(move)
        elif event.key() == Qt.Key.Key_Escape and self._pressed is not None:
            self._pressed = self._swept = None
            self.viewport().update()
        elif event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            site = self._grid.site(*self._current)
            if site is not None:
                attached = site in self._attached
                (self.detachRequested if attached else self.attachRequested).emit([site])
        else:
            super().keyPressEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: D102 - Qt's
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place = self._place_at(event.pos())
            site = self._grid.site(*place) if place is not None else None
            if site is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), self.description(site), self.viewport())
            return True
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._labels.set_grid(self._grid, self.fontMetrics())
            self._arrange()

    # Inside

    def _choose(self, place: tuple[int, int]) -> None:
        site = self._grid.site(*place)
        if site is not None:
            self._current = place
            self._selected = site
            self._describe()
            self.viewport().update()
            self.siteSelected.emit(site)

    def _step(self, move: tuple[int, int]) -> None:
        row, column = self._current
        while True:
            row, column = row + move[0], column + move[1]
            if not (0 <= row < len(self._grid.rows) and 0 <= column < len(self._grid.columns)):
                return
            if self._grid.site(row, column) is not None:
                self._choose((row, column))
                self._reveal((row, column))
                return

    def _place_at(self, at: QPoint, *, nearest: bool = False) -> tuple[int, int] | None:
        if not self._grid.rows:
            return None
        column = (at.x() - self._labels.width + self.horizontalScrollBar().value()) // self._cell_width()
        row = (at.y() - self._labels.height + self.verticalScrollBar().value()) // _ROW
        if nearest:
            return (
                min(max(row, 0), len(self._grid.rows) - 1),
                min(max(column, 0), len(self._grid.columns) - 1),
            )
        over_cells = self._labels.height <= at.y() < self.viewport().height()
        if not over_cells or not 0 <= row < len(self._grid.rows):
            return None
        if column < 0:
            # A block's name stands for the block.
            return row, 0
        return (row, column) if self._grid.site(row, column) is not None else None

    def _reveal(self, place: tuple[int, int]) -> None:
        top = place[0] * _ROW
        bar, page = self.verticalScrollBar(), self._page_height()
        bar.setValue(min(max(bar.value(), top + _ROW - page), top))
        left, across = place[1] * self._cell_width(), self.horizontalScrollBar()
        width = self.viewport().width() - self._labels.width
        across.setValue(min(max(across.value(), left + self._cell_width() - width), left))

    def _arrange(self) -> None:
        rows, columns = len(self._grid.rows), len(self._grid.columns)
        page = self._page_height()
        self.verticalScrollBar().setRange(0, max(0, rows * _ROW - page))
        self.verticalScrollBar().setPageStep(max(1, page))
        self.verticalScrollBar().setSingleStep(_ROW)
        width = self.viewport().width() - self._labels.width
        self.horizontalScrollBar().setRange(0, max(0, columns * self._cell_width() - width))
        self.horizontalScrollBar().setPageStep(max(1, width))
        self.horizontalScrollBar().setSingleStep(self._cell_width())
        self._describe()
        self.viewport().update()

    def _show_range(self) -> None:
        measure = MEASURES[self._measure]
        self._range = measure.limits(self._known.get(self._measure, {}).values())
        self.legend.set_range(self._range, measure, waiting=bool(self._known.get(self._measure)))
        self._describe()
        self.viewport().update()

    def _describe(self) -> None:
        if not self._grid.rows:
            self.setAccessibleDescription(_EMPTY)
            return
        selected = f" Selected: {self._selected}." if self._selected else ""
        measure = f" Coloured by {MEASURES[self._measure].words}." if self._range else ""
        rows, parts = len(self._grid.rows), len(self._grid.columns)
        self.setAccessibleDescription(f"{rows} rows, {parts} columns.{selected}{measure}")

    def _page_height(self) -> int:
        return max(_ROW, self.viewport().height() - self._labels.height)

    def _cell_width(self) -> int:
        columns = max(1, len(self._grid.columns))
        room = self.viewport().width() - self._labels.width
        return min(_MOST_CELL, max(_LEAST_CELL, room // columns))

    def _paint_cells(self, painter: QPainter, first: int, last: int, left: int) -> None:
        palette = self.palette()
        base, empty = palette.base().color(), mix(palette.base().color(), palette.text().color(), 0.09)
        swept = self._swept_sites()
        marked = QPen(palette.text().color(), 2)
        clip = painter.clipBoundingRect().toRect()
        painter.setClipRect(clip.adjusted(left, 0, 0, 0))
        for number in range(first, last):
            for column, site in self._grid.rows[number].cells.items():
                box = self.cell_rect(number, column)
                if box.right() < left or box.left() > clip.right():
                    continue
                ground = self.colour_of(site) or empty
                painter.fillRect(box, mix(ground, palette.highlight().color(), 0.5) if site in swept else ground)
                if site in self._attached:
                    painter.setPen(Qt.PenStyle.NoPen)
                    painter.setBrush(ink_on(ground))
                    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                    painter.drawEllipse(box.center() + QPoint(1, 1), 2, 2)
                    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
                if site == self._selected:
                    painter.setPen(marked)
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawRect(box.adjusted(1, 1, -1, -1))
        painter.setBrush(base)

    def _swept_sites(self) -> frozenset[str]:
        if self._pressed is None or self._swept is None:
            return frozenset()
        return frozenset(self._grid.sites(self._pressed, self._swept))
