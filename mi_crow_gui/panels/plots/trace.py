"""The trace: one number a token as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.panels.plots.axes import PositionAxis, ValueAxis
from mi_crow_gui.panels.plots.base import NO_TOKEN, PlotPanel
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.colours import site_colour
from mi_crow_gui.panels.plots.frame_words import blank_rows, dropped_words, not_finite_words
from mi_crow_gui.panels.plots.pointed_band import light_pen
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.line import thinned
from mi_crow_gui.plotdata.trace import (
    CHANNEL,
    LARGEST,
    MEAN,
    NORM,
    RMS,
    TraceDrawing,
    TraceSettings,
    prepare_trace,
    prepare_trace_pair,
)

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours

_MEASURES = ((NORM, "L2 norm"), (RMS, "Root mean square"), (MEAN, "Mean"), (LARGEST, "Largest magnitude"))
# A first token this many times the median is worth a word.
_MUCH = 10
# Up to here single tokens can be told apart, and each gets a dot.
_DOTS = 256


class TracePanel(PlotPanel):
    """Shows the norm of every token, or one channel."""

    kind = "trace"
    title = "Trace"
    settings_type = TraceSettings

    def _build(self) -> QWidget:
        self._tokens, self._measured = PositionAxis("bottom"), ValueAxis("left")
        self._canvas = PlotCanvas(self._tokens, self._measured)
        # Width 1 and no antialiasing: anything else costs twenty times as much with many points.
        self._outdated = False
        self._ink = QColor()
        self._line = pg.PlotCurveItem(antialias=False, connect="finite")
        self._other = pg.PlotCurveItem(antialias=False, connect="finite")
        self._dots = pg.ScatterPlotItem(size=5, pxMode=True)
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.setVisible(False)
        self._pointer = pg.InfiniteLine(angle=90, movable=False)
        self._pointer.setVisible(False)
        for item in (self._other, self._line, self._dots, self._pointer, self._cursor):
            self._canvas.addItem(item)
        self._canvas.viewChanged.connect(self._on_canvas_view_changed)
        self._canvas.hovered.connect(self._on_canvas_hovered)
        self._canvas.clicked.connect(self._on_canvas_clicked)
        self._canvas.tokenMoved.connect(self._on_canvas_token_moved)
        self._canvas.fitRequested.connect(self.fit)
        self._recolour(self._colours)
        return self._canvas

    def fit(self) -> None:
        """Show the whole line."""
        if self._drawing is not None:
            self._canvas.fit(self._area(self._drawing))

    def _draw(self, drawing: TraceDrawing) -> None:
        rows = drawing.rows
        self._tokens.set_name("" if rows.labels else rows.row)
        self._tokens.set_positions(rows.first, rows.count, rows.labels)
        self._measured.set_name(drawing.title)
        self._colour_line(drawing)
        self._outdated = True
        self._canvas.show_all(self._area(drawing))
        # Showing another range has drawn it already.
        if self._outdated:
            self._draw_line()

    def _note(self, drawing: TraceDrawing) -> str:
        rows = drawing.rows
        words = [
            f"token 0 has {drawing.first_ratio:,.0f} × the median" if drawing.first_ratio >= _MUCH else "",
            not_finite_words(drawing.nan - blank_rows(self._drawing), drawing.infinite),
            dropped_words(self._drawing.frame),
            f"{drawing.title} of {plural(rows.count, rows.row)}",
            drawing.frame.dtype,
        ]
        return " · ".join(word for word in words if word)

    def _mark_pointed(self, position: int | None) -> None:
        self._place_line(self._pointer, position)

    def _mark_token(self, position: int | None) -> None:
        self._place_line(self._cursor, position)

    def _place_line(self, line: pg.InfiniteLine, position: int | None) -> None:
        rows = self._drawing.rows
        shown = position is not None and rows.first <= position < rows.first + rows.count
        line.setVisible(shown)
        if shown:
            line.setValue(position)

    def _recolour(self, colours: PlotColours) -> None:
        self._canvas.recolour(colours)
        self._cursor.setPen(pg.mkPen(colours.accent))
        self._pointer.setPen(light_pen(colours.accent))
        self._other.setPen(pg.mkPen(colours.text, width=1, style=Qt.PenStyle.DashLine))
        if self._drawing is not None:
            self._colour_line(self._drawing)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Show", _MEASURES, "measure")
        channel = menu.addAction("One channel…", self._ask_channel)
        channel.setCheckable(True)
        channel.setChecked(self._settings.measure == CHANNEL)
        self._add_switch(menu, "Hide the first token", "hide_first")
        menu.addAction("Show everything", self.fit)

    def _ask_channel(self) -> None:
        last = self._drawing.rows.columns - 1 if self._drawing is not None else 1_000_000
        channel, chosen = QInputDialog.getInt(
            self, "Trace of one channel", f"Channel (0 to {last:,})", min(self._settings.channel, last), 0, last
        )
        if chosen:
            self.change_settings(measure=CHANNEL, channel=channel)

    def _area(self, drawing: TraceDrawing) -> QRectF:
        first, count = drawing.rows.first, drawing.rows.count
        low, high = drawing.low, drawing.high
        # What is not far from zero is read against it.
        if 0 < low < 0.5 * high:
            low = 0.0
        room = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
        return QRectF(first - 0.5, low - room, count, high - low + 2 * room)

    def _colour_line(self, drawing: TraceDrawing) -> None:
        colour = site_colour(drawing.site, self.palette())
        if colour == self._ink:
            return
        self._ink = colour
        self._line.setPen(pg.mkPen(colour, width=1))
        self._dots.setPen(None)
        self._dots.setBrush(pg.mkBrush(colour))

    def _draw_line(self) -> None:
        drawing: TraceDrawing = self._drawing
        left, right = self._canvas.view.viewRange()[0]
        width = max(1, int(self._canvas.view.width() * self._canvas.devicePixelRatioF()))
        x, y = thinned(drawing.drawn, drawing.rows.first, left, right, width)
        self._line.setData(x, y)
        if drawing.other is not None:
            self._other.setData(*thinned(drawing.other, drawing.rows.first, left, right, width))
        elif self._other.xData is not None and len(self._other.xData):
            self._other.setData([], [])
        self._outdated = False
        # Dots cost as much as all the rest, and come when the run rests.
        dots = len(x) <= _DOTS and not drawing.frame.live
        if dots or len(self._dots.data):
            keep = np.isfinite(y) if dots else slice(0, 0)
            self._dots.setData(x[keep], y[keep])

    def _on_canvas_view_changed(self) -> None:
        if self._drawing is not None and self._drawing.rows.count:
            self._draw_line()

    def _position(self, at: QPointF | None) -> int | None:
        if at is None or self._drawing is None:
            return None
        position = round(at.x())
        rows = self._drawing.rows
        return position if rows.first <= position < rows.first + rows.count else None

    def _on_canvas_hovered(self, at: QPointF | None) -> None:
        position = self._position(at)
        if position is None:
            self._point_at("")
            return
        drawing = self._drawing
        value = drawing.measured[position - drawing.rows.first]
        text = f"{self._token_words(position)} · {drawing.title} {value}"
        place = position - drawing.rows.first
        if drawing.other is not None and place < len(drawing.other):
            text += f" (dashed {drawing.other[place]})"
        self._point_at(text, position if drawing.rows.row == "token" else NO_TOKEN)

    def _on_canvas_clicked(self, at: QPointF) -> None:
        position = self._position(at)
        if position is not None and self._drawing.rows.row == "token":
            self.tokenSelected.emit(position)

    def _on_canvas_token_moved(self, by: int) -> None:
        self._move_token(by)


KIND = PlotKind("trace", "Trace", prepare_trace, TracePanel, order=20, overlay=prepare_trace_pair)
