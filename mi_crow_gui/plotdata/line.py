"""Reduces a line to what a screen can show: the smallest and the largest value of each pixel column."""

from __future__ import annotations

import numpy as np


def thinned(values: np.ndarray, first: int, start: float, stop: float, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Points to draw of a line whose i-th value lies at ``first + i``, between `start` and `stop`.

    Where a pixel column of `width` holds more than two values it gets its smallest and its largest, in the order
    in which they come; else every value is there. One neighbour on each side is included, so the line leaves the
    screen at the right slope. NaN is kept only where a column holds nothing else.
    """
    begin = max(0, int(np.floor(start)) - first - 1)
    end = min(len(values), int(np.ceil(stop)) - first + 2)
    if begin >= end or width < 1:
        return np.empty(0), np.empty(0)
    part = values[begin:end]
    if len(part) <= 4 * width:
        return np.arange(first + begin, first + end, dtype=np.float64), part
    # Columns lie on a grid that moves with the data: a line that is panned does not shimmer.
    step = -(-len(part) // width)
    origin = -(begin % step)
    edges = np.arange(origin, len(part), step)
    edges[0] = 0
    low, high = np.fmin.reduceat(part, edges), np.fmax.reduceat(part, edges)
    # Whether a column rises or falls decides which of its two ends comes first.
    ends = np.append(edges[1:], len(part)) - 1
    falls = part[edges] > part[ends]
    places = first + begin + (edges + ends) / 2
    x = np.repeat(places, 2)
    y = np.empty(2 * len(edges))
    y[0::2] = np.where(falls, high, low)
    y[1::2] = np.where(falls, low, high)
    return x, y
