"""The numbers of a site: extremes, mean, spread, percentiles, and how many values are zero or not finite."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.blocks import flat_blocks
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.quantiles import quantiles
from mi_crow_gui.plotdata.rows import rows_of
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame


@dataclass(frozen=True, slots=True)
class StatisticsSettings:
    """Which part of the frame is counted."""

    hide_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class StatisticsDrawing(Drawing):
    """Statistics of all finite values; NaN everywhere if there is none.

    `count` is of all values, `nan` and `infinite` those that were left out. `std` divides by the number of values.
    """

    count: int
    zeros: int
    nan: int
    infinite: int
    minimum: float
    maximum: float
    mean: float
    std: float
    p1: float
    median: float
    p99: float

    def table(self) -> Table:
        """One row of numbers."""
        names = ("min", "max", "mean", "std", "p1", "median", "p99", "zeros", "nan", "infinite", "count")
        numbers = (self.minimum, self.maximum, self.mean, self.std, self.p1, self.median, self.p99)
        counts = (self.zeros, self.nan, self.infinite, self.count)
        return Table(np.array([[*numbers, *counts]], np.float64), names, lambda row: ())


def prepare_statistics(frame: Frame, settings: StatisticsSettings) -> StatisticsDrawing:
    """Reduce a frame to its numbers, in float64, without copying it."""
    rows = rows_of(frame, hide_first=settings.hide_first)
    kept = zeros = nan = 0
    low, high, mean, squares = math.inf, -math.inf, 0.0, 0.0
    for raw in flat_blocks(rows.values):
        block = raw.astype(np.float64)
        zeros += block.size - int(np.count_nonzero(block))
        with np.errstate(invalid="ignore", over="ignore"):
            total = float(block.sum())
        if not math.isfinite(total):
            nan += int(np.isnan(block).sum())
            block = block[np.isfinite(block)]
            if not block.size:
                continue
            total = float(block.sum())
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        block_mean = total / block.size
        block -= block_mean
        # Means and squared deviations of two parts join exactly (Chan, Golub and LeVeque 1979).
        change, joined = block_mean - mean, kept + block.size
        # Not the block's product with itself: for that, BLAS would wake threads that the model needs.
        np.square(block, out=block)
        squares += float(block.sum()) + change * change * kept * block.size / joined
        mean += change * block.size / joined
        kept = joined
    p1, median, p99 = quantiles(rows.values, (0.01, 0.5, 0.99))
    nothing = math.nan
    return StatisticsDrawing(
        frame,
        settings,
        rows,
        count=rows.values.size,
        zeros=zeros,
        nan=nan,
        infinite=rows.values.size - kept - nan,
        minimum=low if kept else nothing,
        maximum=high if kept else nothing,
        mean=mean if kept else nothing,
        std=math.sqrt(squares / kept) if kept else nothing,
        p1=p1,
        median=median,
        p99=p99,
    )
