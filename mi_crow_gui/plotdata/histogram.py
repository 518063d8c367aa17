"""The histogram of a site's values, counted in blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.blocks import flat_blocks
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.pyramid import Extent, extent_of
from mi_crow_gui.plotdata.rows import rows_of
from mi_crow_gui.plotdata.scale import MIN_MAX, Scale, axis_scale
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame


@dataclass(frozen=True, slots=True)
class HistogramSettings:
    """`scale` is the range of values; `log_counts` only matters to the widget; `bins` is at least 1."""

    scale: str = MIN_MAX
    log_counts: bool = True
    bins: int = 128
    hide_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class HistogramDrawing(Drawing):
    """A histogram, ready to be shown.

    `counts` has one number a bin of `edges`; the last bin includes its upper edge. So many finite values lie
    `outside` the range; `zeros` are all that are exactly zero. `other` counts what is drawn as a second outline.
    """

    counts: np.ndarray
    edges: np.ndarray
    scale: Scale
    extent: Extent
    outside: int
    zeros: int
    other: np.ndarray | None = None

    def table(self) -> Table:
        """Lower edge, upper edge and count of each bin; two counts where two outlines are shown."""
        table = Table.of_bins(self.edges, self.counts)
        if self.other is None:
            return table
        return Table(
            np.column_stack([table.values, self.other]), ("from", "to", "count (solid)", "count (dashed)"), table.lead
        )


def prepare_histogram(frame: Frame, settings: HistogramSettings) -> HistogramDrawing:
    """Count every value of a frame."""
    return _counted(frame, settings, None)


def prepare_histogram_pair(first: Frame, second: Frame, settings: HistogramSettings) -> HistogramDrawing:
    """Count every value of two frames in the same bins; the first becomes the second outline."""
    scales = []
    for frame in (first, second):
        values = rows_of(frame, hide_first=settings.hide_first).values
        scales.append(axis_scale(values, extent_of(values), settings.scale))
    low, high = min(scale.low for scale in scales), max(scale.high for scale in scales)
    scale = Scale(low, high, low < 0 < high, scales[0].note)
    return replace(_counted(second, settings, scale), other=_counted(first, settings, scale).counts)


def _counted(frame: Frame, settings: HistogramSettings, scale: Scale | None) -> HistogramDrawing:
    rows = rows_of(frame, hide_first=settings.hide_first)
    extent = extent_of(rows.values)
    scale = axis_scale(rows.values, extent, settings.scale) if scale is None else scale
    bins = max(1, settings.bins)
    counts, zeros = _count(rows.values, scale.low, scale.high, bins)
    outside = rows.values.size - int(counts.sum()) - extent.nan - extent.infinite
    edges = np.linspace(scale.low, scale.high, bins + 1)
    return HistogramDrawing(frame, settings, rows, counts, edges, scale, extent, outside, zeros)


def _count(values: np.ndarray, low: float, high: float, bins: int) -> tuple[np.ndarray, int]:
    # One bin more on each side takes what lies outside, and another one NaN.
    counts = np.zeros(bins + 3, np.int64)
    zeros = 0
    norm = bins / (high - low)
    for block in flat_blocks(values):
        zeros += block.size - int(np.count_nonzero(block))
        exact = block.astype(np.float64)
        place = exact - low
        place *= norm
        np.floor(place, out=place)
        # The upper edge belongs to the last bin.
        place[exact == high] = bins - 1
        np.clip(place, -1, bins, out=place)
        place += 1
        np.nan_to_num(place, copy=False, nan=bins + 2)
        counts += np.bincount(place.astype(np.intp), minlength=bins + 3)
    return counts[1 : bins + 1], zeros
