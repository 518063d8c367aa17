"""Which values get the ends of a colour map or an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.blocks import real, sampled

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.pyramid import Extent

PERCENTILE, MIN_MAX, LOCKED = "percentile", "min-max", "locked"
# Percentiles of 262,144 values take 5 ms, and miss those of all values by less than a step of the colour map.
SAMPLE = 1 << 18


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of values.

    `diverging`: the data has both signs, so the range is centred on zero and gets a map with a neutral middle.
    `note` says in words what the range is.
    """

    low: float
    high: float
    diverging: bool
    note: str


def scale_of(
    values: np.ndarray,
    extent: Extent,
    mode: str,
    locked: tuple[float, float] = (0.0, 0.0),
    *,
    centred: bool = True,
    leave_out: int = 0,
) -> Scale:
    """The range for a matrix: from the 1st to the 99th percentile, its extremes, or what it was locked to.

    `centred`: data of both signs gets a range that reaches equally far on both sides of zero. `leave_out`: so many
    rows at the beginning have no say in percentiles, if others are left; their own values may lie beyond the range.
    """
    diverging = extent.low < 0 < extent.high
    if mode == LOCKED and locked[0] < locked[1]:
        return Scale(*locked, diverging or locked[0] < 0 < locked[1], "locked")
    if mode == MIN_MAX:
        low, high, note = extent.low, extent.high, "min to max"
    else:
        few = values[leave_out:] if leave_out < len(values) else values
        low, high = _percentiles(few, extent)
        note = "1st to 99th percentile"
        if len(few) < len(values):
            note += " of all rows but the first"
        if few.size > SAMPLE:
            note += f", of {SAMPLE:,} values taken evenly"
    if diverging and centred:
        reach = max(-low, high)
        return Scale(-reach, reach, True, f"{note}, centred on 0")
    if low == high:
        # One value only: give it a range it can lie in
        low, high = min(low, 0.0), max(high, 0.0) or 1.0
    return Scale(low, high, diverging, note)


def _percentiles(values: np.ndarray, extent: Extent) -> tuple[float, float]:
    some = real(sampled(values, SAMPLE))
    if extent.nan or extent.infinite:
        some = some[np.isfinite(some)]
    if not some.size:
        return extent.low, extent.high
    places = (int(0.01 * (some.size - 1)), int(np.ceil(0.99 * (some.size - 1))))
    ordered = np.partition(some, places)
    low, high = float(ordered[places[0]]), float(ordered[places[1]])
    # Mostly zeros: the percentiles say nothing, so the rare values get the map
    return (low, high) if low < high else (extent.low, extent.high)
