"""The heatmap: tokens down, channels across, values as colours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.panels.plots.axes import PositionAxis
from mi_crow_gui.panels.plots.base import NO_TOKEN, PlotPanel
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.colour_bar import ColourBar
from mi_crow_gui.panels.plots.frame_words import blank_rows, dropped_words, not_finite_words
from mi_crow_gui.panels.plots.matrix_item import MatrixItem
from mi_crow_gui.panels.plots.pointed_band import PointedBand
from mi_crow_gui.panels.plots.token_band import TokenBand
from mi_crow_gui.plotdata.heatmap import HeatmapDrawing, HeatmapSettings, prepare_heatmap
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.scale import LOCKED, MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from PySide6.QtCore import QPointF

    from mi_crow_gui.panels.plots.colours import PlotColours


class HeatmapPanel(PlotPanel):
    """Shows every value of a site; a pixel over many values shows the one of largest magnitude."""

    kind = "heatmap"
    title = "Heatmap"
    settings_type = HeatmapSettings

    def _build(self) -> QWidget:
        self._tokens, self._columns = PositionAxis("left"), PositionAxis("bottom")
        self._columns.set_name("channel")
        self._canvas = PlotCanvas(self._columns, self._tokens)
        self._canvas.view.invertY(True)
        self._matrix = MatrixItem()
        self._canvas.addItem(self._matrix)
        self._band = TokenBand()
        self._canvas.addItem(self._band)
        self._pointer = PointedBand()
        self._canvas.addItem(self._pointer)
        self._bar = ColourBar(self._colours)
        self._bar.modeChosen.connect(self._on_bar_mode_chosen)
        self._bar.lockToggled.connect(self.lock_scale)
        self._canvas.hovered.connect(self._on_canvas_hovered)
        self._canvas.clicked.connect(self._on_canvas_clicked)
        self._canvas.tokenMoved.connect(self._on_canvas_token_moved)
        self._canvas.fitRequested.connect(self.fit)
        self._canvas.axesChanged.connect(self._on_canvas_axes_changed)
        whole = QWidget()
        layout = QHBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._canvas, 1)
        layout.addWidget(self._bar)
        self._recolour(self._colours)
        return whole

    def fit(self) -> None:
        """Show all rows and columns."""
        self._canvas.fit(self._matrix.boundingRect())

    def _draw(self, drawing: HeatmapDrawing) -> None:
        rows = drawing.rows
        extent = drawing.pyramid.extent
        nan = extent.nan - blank_rows(self._drawing) * rows.columns
        blank = bool(blank_rows(self._drawing)) and not nan and not extent.infinite
        diverging = drawing.scale.diverging
        table = self._colours.table_with_blanks(diverging) if blank else self._colours.table(diverging)
        self._matrix.set_matrix(drawing.pyramid, drawing.scale, table, rows.first, drawing.frame.live)
        self._tokens.set_positions(rows.first, rows.count, rows.labels)
        self._columns.set_name(rows.column)
        self._columns.set_positions(0, rows.columns)
        self._canvas.show_all(self._matrix.boundingRect())
        self._bar.set_modes((PERCENTILE, MIN_MAX), drawing.settings.scale, lockable=True)
        self._bar.set_scale(
            drawing.scale, bool(nan or extent.infinite), math.ceil(self._columns.maximumHeight()), blank=blank
        )

    def _note(self, drawing: HeatmapDrawing) -> str:
        rows, extent = drawing.rows, drawing.pyramid.extent
        words = [
            f"{plural(rows.count, rows.row)} × {plural(rows.columns, rows.column)}",
            drawing.frame.dtype,
            not_finite_words(extent.nan - blank_rows(self._drawing) * rows.columns, extent.infinite),
            dropped_words(self._drawing.frame),
        ]
        return " · ".join(word for word in words if word)

    def _mark_token(self, position: int | None) -> None:
        rows = self._drawing.rows
        shown = position is not None and rows.first <= position < rows.first + rows.count
        self._band.set_row(position if shown else None, self._matrix.boundingRect())

    def _mark_pointed(self, position: int | None) -> None:
        self._pointer.set_place(position, self._matrix.boundingRect(), upright=False)

    def _recolour(self, colours: PlotColours) -> None:
        self._canvas.recolour(colours)
        self._bar.recolour(colours)
        for band in (self._band, self._pointer):
            band.set_colours(colours.text, colours.background)
        if self._drawing is not None:
            self._draw(self._drawing)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Scale", ((PERCENTILE, "Percentile (1 to 99)"), (MIN_MAX, "Min to max")), "scale")
        lock = menu.addAction("Lock the range")
        lock.setCheckable(True)
        lock.setChecked(self._settings.scale == LOCKED)
        lock.setEnabled(self._drawing is not None)
        lock.toggled.connect(self.lock_scale)
        self._add_switch(menu, "Hide the first token", "hide_first")
        menu.addAction("Show everything", self.fit)

    def _on_canvas_axes_changed(self) -> None:
        if self._drawing is not None:
            self._draw(self._drawing)

    def _on_bar_mode_chosen(self, mode: str) -> None:
        self.change_settings(scale=mode, low=0.0, high=0.0)

    def lock_scale(self, locked: bool) -> None:
        """Keep the colours' range as it is now, or let it follow the data again."""
        if locked and self._drawing is not None:
            scale = self._drawing.scale
            self.change_settings(scale=LOCKED, low=scale.low, high=scale.high)
        elif not locked:
            self.change_settings(scale=PERCENTILE, low=0.0, high=0.0)

    def _cell(self, at: QPointF | None) -> tuple[int, int] | None:
        if at is None or self._drawing is None:
            return None
        rows = self._drawing.rows
        row, column = math.floor(at.y() + 0.5) - rows.first, math.floor(at.x() + 0.5)
        return (row, column) if 0 <= row < rows.count and 0 <= column < rows.columns else None

    def _on_canvas_hovered(self, at: QPointF | None) -> None:
        cell = self._cell(at)
        if cell is None:
            self._point_at("")
            return
        rows = self._drawing.rows
        row, column = cell
        position = rows.first + row
        value = rows.values[row, column]
        text = f"{self._token_words(position)} · {rows.column} {column} · {value}"
        self._point_at(text, position if rows.row == "token" else NO_TOKEN)

    def _on_canvas_clicked(self, at: QPointF) -> None:
        cell = self._cell(at)
        if cell is not None and self._drawing.rows.row == "token":
            self.tokenSelected.emit(self._drawing.rows.first + cell[0])

    def _on_canvas_token_moved(self, by: int) -> None:
        self._move_token(by)


KIND = PlotKind("heatmap", "Heatmap", prepare_heatmap, HeatmapPanel, order=10)
