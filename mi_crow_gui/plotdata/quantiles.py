"""Exact quantiles of arrays too large to sort or copy: counted by the bits of their values, in two passes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.blocks import flat_blocks, real

if TYPE_CHECKING:
    from collections.abc import Sequence

# Up to here a copy is small, and sorting it as fast.
_SMALL = 1 << 18
_BLOCK = 1 << 18
# The upper halves of the keys of finite numbers; infinities and NaN lie outside.
_FIRST_FINITE, _END_FINITE = 0x0080, 0xFF80


def quantiles(values: np.ndarray, fractions: Sequence[float]) -> tuple[float, ...]:
    """Quantiles of the finite values by linear interpolation, as `numpy.quantile` gives them; NaN if there is none.

    Large arrays of a type wider than float32 are read to float32's precision.
    """
    if values.size <= _SMALL:
        kept = real(values.reshape(-1))
        # Sorting takes half the time of numpy's own selection, and a thirtieth of numpy.quantile's.
        kept = np.sort(kept[np.isfinite(kept)])
        if not kept.size:
            return (math.nan,) * len(fractions)
        places = [fraction * (kept.size - 1) for fraction in fractions]
        return tuple(_between(kept[math.floor(place)], kept[math.ceil(place)], place) for place in places)
    counts = np.zeros(1 << 16, np.int64)
    for block in flat_blocks(values, _BLOCK):
        counts += np.bincount(_keys(block) >> 16, minlength=1 << 16)
    counts[:_FIRST_FINITE] = 0
    counts[_END_FINITE:] = 0
    ends = np.cumsum(counts)
    finite = int(ends[-1])
    if not finite:
        return (math.nan,) * len(fractions)
    places = [fraction * (finite - 1) for fraction in fractions]
    ranks = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    found = dict(zip(ranks, _values_at(values, ranks, counts, ends), strict=True))
    return tuple(_between(found[math.floor(place)], found[math.ceil(place)], place) for place in places)


def _between(low: float, high: float, place: float) -> float:
    # Weighted, not added to, so that two huge values of opposite signs do not overflow.
    share = place - math.floor(place)
    return float(low) * (1 - share) + float(high) * share


def _keys(block: np.ndarray) -> np.ndarray:
    """Unsigned numbers in the order of the values: the sign bit flipped, and the others too where it was set."""
    with np.errstate(over="ignore"):
        bits = np.ascontiguousarray(block, np.float32).view(np.int32)
    return (bits ^ ((bits >> 31) | np.int32(-(1 << 31)))).view(np.uint32)


def _values_at(values: np.ndarray, ranks: list[int], counts: np.ndarray, ends: np.ndarray) -> list[float]:
    halves = [int(np.searchsorted(ends, rank, side="right")) for rank in ranks]
    wanted = np.zeros(1 << 16, bool)
    wanted[halves] = True
    lower = {half: np.zeros(1 << 16, np.int64) for half in set(halves)}
    for block in flat_blocks(values, _BLOCK):
        keys = _keys(block)
        keys = keys[wanted[keys >> 16]]
        for half, tally in lower.items():
            tally += np.bincount(keys[keys >> 16 == half] & 0xFFFF, minlength=1 << 16)
    found = []
    for rank, half in zip(ranks, halves, strict=True):
        within = rank - int(ends[half] - counts[half])
        low = int(np.searchsorted(np.cumsum(lower[half]), within, side="right"))
        found.append(_value_of(half << 16 | low))
    return found


def _value_of(key: int) -> float:
    bits = key ^ (1 << 31) if key >> 31 else key ^ 0xFFFFFFFF
    # Adding zero turns -0.0 into 0.0.
    return float(np.array([bits], np.uint32).view(np.float32)[0]) + 0.0
