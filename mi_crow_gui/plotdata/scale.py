"""Which values get the ends of a colour map or an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.blocks import real, sampled

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.pyramid import Extent, Pyramid

PERCENTILE, MIN_MAX, LOCKED = "percentile", "min-max", "locked"
# Percentiles of so many values take a millisecond.
_SAMPLE = 1 << 16
# A heatmap's percentiles are of so many cells each way: of what a screen can show of it at once.
_SIDE = 512


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of values with ``low < high``.

    `diverging`: the data has both signs, so it gets a map with a neutral middle, and the range is centred on zero.
    `note` says in words what the range is; `whole`: its values are whole numbers.
    """

    low: float
    high: float
    diverging: bool
    note: str
    whole: bool = False


def colour_scale(
    pyramid: Pyramid, mode: str, locked: tuple[float, float] = (0.0, 0.0), *, first_apart: bool = False
) -> Scale:
    """The range of a heatmap's colours: from the 1st to the 99th percentile, its extremes, or what it was locked to.

    Percentiles are of the peaks that are seen when all of the matrix is: those of all its elements would turn most
    pixels of a large one to the ends of the map. `first_apart`: the first row has no say in percentiles.
    """
    extent = pyramid.extent
    diverging = extent.low < 0 < extent.high
    if mode == LOCKED and locked[0] < locked[1]:
        return Scale(*locked, diverging=locked[0] == -locked[1], note="locked")
    low, high, note = extent.low, extent.high, "min to max"
    if mode != MIN_MAX:
        rows, columns = pyramid.shape
        # Among many rows, one has no say anyway.
        apart = first_apart and 1 < rows <= _SIDE
        low, high = _percentiles(sampled(pyramid.overview(_SIDE, int(apart)), _SAMPLE), extent)
        note = "1st to 99th percentile"
        if max(rows, columns) > _SIDE:
            note += " of the peaks seen at once"
        if apart:
            note += ", token 0 left out"
    if diverging:
        reach = max(-low, high)
        return Scale(-reach, reach, True, f"{note}, centred on 0")
    # One value only: give it a range it can lie in
    return Scale(low, high, False, note) if low < high else Scale(min(low, 0.0), max(high, 0.0) or 1.0, False, note)


def centred(scale: Scale) -> Scale:
    """The same range around zero, for differences: the neutral middle of their colours means none."""
    if scale.diverging:
        return scale
    reach = max(abs(scale.low), abs(scale.high))
    return Scale(-reach, reach, True, f"{scale.note}, centred on 0")


def axis_scale(values: np.ndarray, extent: Extent, mode: str) -> Scale:
    """The range of an axis along which values lie: their extremes, or their 1st to 99th percentile."""
    low, high, note = extent.low, extent.high, "min to max"
    if mode == PERCENTILE:
        low, high = _percentiles(sampled(values, _SAMPLE), extent)
        note = "1st to 99th percentile"
    if low == high:
        room = abs(low) / 2 or 0.5
        low, high = low - room, high + room
    return Scale(low, high, low < 0 < high, note)


def _percentiles(values: np.ndarray, extent: Extent) -> tuple[float, float]:
    some = real(values.reshape(-1))
    if extent.nan or extent.infinite:
        some = some[np.isfinite(some)]
    if not some.size:
        return extent.low, extent.high
    places = (int(0.01 * (some.size - 1)), int(np.ceil(0.99 * (some.size - 1))))
    ordered = np.partition(some, places)
    low, high = float(ordered[places[0]]), float(ordered[places[1]])
    # Mostly one value: the percentiles say nothing, so the rare ones get the range
    return (low, high) if low < high else (extent.low, extent.high)
