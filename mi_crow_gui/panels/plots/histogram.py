"""The histogram: how often which value occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt

from mi_crow_gui.document.formatting import count, number
from mi_crow_gui.panels.plots.axes import ValueAxis
from mi_crow_gui.panels.plots.base import PlotPanel
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.colours import site_colour
from mi_crow_gui.panels.plots.frame_words import dropped_words, not_finite_words
from mi_crow_gui.plotdata.histogram import (
    HistogramDrawing,
    HistogramSettings,
    prepare_histogram,
    prepare_histogram_pair,
)
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.scale import MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu, QWidget

    from mi_crow_gui.panels.plots.colours import PlotColours

_BINS = (32, 64, 128, 256, 512)
# Where a logarithmic axis begins: a bin of one value stands out from an empty one.
_HALF = 0.5


class HistogramPanel(PlotPanel):
    """Shows the distribution of all values of a site."""

    kind = "histogram"
    title = "Histogram"
    settings_type = HistogramSettings

    def _build(self) -> QWidget:
        self._counts = ValueAxis("left")
        value = ValueAxis("bottom")
        value.set_name("value")
        self._canvas = PlotCanvas(value, self._counts)
        self._steps = pg.PlotCurveItem(antialias=False)
        self._other = pg.PlotCurveItem(antialias=False)
        self._zero = pg.InfiniteLine(pos=0, angle=90, movable=False)
        self._canvas.addItem(self._zero)
        self._canvas.addItem(self._steps)
        self._canvas.addItem(self._other)
        self._canvas.hovered.connect(self._on_canvas_hovered)
        self._canvas.fitRequested.connect(self.fit)
        self._recolour(self._colours)
        return self._canvas

    def fit(self) -> None:
        """Show all bins."""
        if self._drawing is not None:
            self._canvas.fit(self._area(self._drawing))

    def _draw(self, drawing: HistogramDrawing) -> None:
        heights = self._heights(drawing.counts)
        self._other.setVisible(drawing.other is not None)
        if drawing.other is not None:
            self._other.setData(drawing.edges, self._heights(drawing.other), stepMode="center")
        self._steps.setData(drawing.edges, heights, stepMode="center", fillLevel=self._floor())
        self._colour_steps(drawing)
        log = self._settings.log_counts
        self._counts.set_name("count (log)" if log else "count")
        self._counts.setLogMode(log)
        self._canvas.show_all(self._area(drawing))

    def _heights(self, counts: np.ndarray) -> np.ndarray:
        if not self._settings.log_counts:
            return counts.astype(np.float64)
        return np.asarray(np.log10(np.maximum(counts, _HALF)))

    def _floor(self) -> float:
        return float(np.log10(_HALF)) if self._settings.log_counts else 0.0

    def _area(self, drawing: HistogramDrawing) -> QRectF:
        floor = self._floor()
        highest = max(int(counts.max()) for counts in (drawing.counts, drawing.other) if counts is not None)
        tall = 1.05 * (float(self._heights(np.array([highest]))[0]) - floor) or 1.0
        return QRectF(drawing.edges[0], floor, drawing.edges[-1] - drawing.edges[0], tall)

    def _note(self, drawing: HistogramDrawing) -> str:
        words = [f"{count(drawing.rows.values.size)} values"]
        words += [f"{count(drawing.zeros)} zeros"] if drawing.zeros else []
        words += [f"{count(drawing.outside)} outside the range"] if drawing.outside else []
        words += [not_finite_words(drawing.extent.nan, drawing.extent.infinite), dropped_words(self._drawing.frame)]
        return " · ".join(word for word in words if word)

    def _recolour(self, colours: PlotColours) -> None:
        self._canvas.recolour(colours)
        self._zero.setPen(pg.mkPen(colours.grid))
        self._other.setPen(pg.mkPen(colours.text, width=1, style=Qt.PenStyle.DashLine))
        if self._drawing is not None:
            self._colour_steps(self._drawing)

    def _colour_steps(self, drawing: HistogramDrawing) -> None:
        colour = site_colour(drawing.site, self.palette())
        self._steps.setPen(pg.mkPen(colour, width=1))
        colour.setAlphaF(0.35)
        self._steps.setBrush(pg.mkBrush(colour))

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Range", ((MIN_MAX, "Min to max"), (PERCENTILE, "Percentile (1 to 99)")), "scale")
        self._add_switch(menu, "Logarithmic counts", "log_counts")
        self._add_choice(menu, "Bins", tuple((bins, str(bins)) for bins in _BINS), "bins")
        self._add_switch(menu, "Hide the first token", "hide_first")
        menu.addAction("Show everything", self.fit)

    def _on_canvas_hovered(self, at: QPointF | None) -> None:
        drawing = self._drawing
        if at is None or drawing is None or not drawing.edges[0] <= at.x() <= drawing.edges[-1]:
            self._point_at("")
            return
        place = min(int(np.searchsorted(drawing.edges, at.x(), side="right")) - 1, len(drawing.counts) - 1)
        low, high = number(drawing.edges[place]), number(drawing.edges[place + 1])
        text = f"{low} to {high} · {count(drawing.counts[place])} values"
        if drawing.other is not None:
            text += f" (dashed {count(drawing.other[place])})"
        self._point_at(text)


KIND = PlotKind(
    "histogram",
    "Histogram",
    prepare_histogram,
    HistogramPanel,
    order=30,
    overlay=prepare_histogram_pair,
    compact=True,
)
