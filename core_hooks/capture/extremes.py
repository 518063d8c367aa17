"""The rows with the largest or the smallest values of every channel, kept while rows go by."""

from __future__ import annotations

import numpy as np


class Extremes:
    """The `keep` most extreme values of each channel and their rows, best first; equal values: the row seen first.

    Most rows hold no new extreme: only those groups of rows are looked at that have the best extremes themselves.
    """

    def __init__(self, channels: int, keep: int, *, largest: bool) -> None:
        self._sign = np.float32(1 if largest else -1)
        self._values = np.full((channels, keep), -np.inf, np.float32)  # times the sign: larger is better
        self._rows = np.full((channels, keep), -1, np.int64)

    @property
    def values(self) -> np.ndarray:
        """float32 [channels, keep]; an infinity where nothing was seen yet."""
        return self._sign * self._values

    @property
    def rows(self) -> np.ndarray:
        """int64 [channels, keep]; -1 where nothing was seen yet."""
        return self._rows.copy()

    def add(self, values: np.ndarray, best: np.ndarray, group: int, rows: np.ndarray) -> None:
        """Look through rows.

        Parameters
        ----------
        values
            float32 [rows, channels], C-contiguous, without NaN; infinite of the wrong sign what is not to count.
        best
            float32 [groups, channels], the extremes of each `group` rows that follow on each other.
        rows
            int64 [rows], their numbers in the capture.
        """
        channels, keep = self._values.shape
        signed = best if self._sign > 0 else -best
        floor = self._values[:, -1]
        if len(signed) >= keep and np.isneginf(floor).any():
            # In the beginning everything would count; but as many groups hold a value as good as this.
            own = np.partition(signed, len(signed) - keep, axis=0)[len(signed) - keep]
            floor = np.maximum(floor, np.nextafter(own, -np.float32(np.inf)))
        groups, which = np.divmod(np.flatnonzero(signed > floor), channels)
        if not len(groups):
            return
        at = groups[:, None] * group + np.arange(group)
        inside = at < len(values)
        at = np.minimum(at, len(values) - 1)
        found = self._sign * np.take(values, at * channels + which[:, None])
        hits = np.flatnonzero((found > floor[which][:, None]) & inside)
        self._sort_in(which[hits // group], found.reshape(-1)[hits], rows[at.reshape(-1)[hits]])

    def _sort_in(self, channel: np.ndarray, value: np.ndarray, row: np.ndarray) -> None:
        """Take in values of some channels, of equal ones those that come first."""
        if not len(channel):
            return
        keep = self._values.shape[1]
        touched = np.flatnonzero(np.bincount(channel, minlength=len(self._values)))
        channel = np.concatenate([np.repeat(touched, keep), channel])
        value = np.concatenate([self._values[touched].ravel(), value])
        row = np.concatenate([self._rows[touched].ravel(), row])
        order = _best_first(value)
        # Numbers of two bytes are sorted by counting, several times faster.
        narrow = channel.astype(np.uint16) if len(self._values) <= 1 << 16 else channel
        order = order[np.argsort(narrow[order], kind="stable")]
        first = np.searchsorted(channel[order], touched)
        chosen = order[first[:, None] + np.arange(keep)]
        self._values[touched], self._rows[touched] = value[chosen], row[chosen]


def _best_first(values: np.ndarray) -> np.ndarray:
    """The order of float32 values from the largest on, equal ones as they stand; whole numbers are sorted faster."""
    bits = (values + np.float32(0)).view(np.int32)  # there is one zero only
    ordered = ~(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF)))
    keys = (ordered.astype(np.int64) << 32) | np.arange(len(values))
    keys.sort()
    return keys & np.int64(0xFFFFFFFF)


def merge_extremes(
    values: tuple[np.ndarray, np.ndarray], rows: tuple[np.ndarray, np.ndarray], *, largest: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The most extreme of two sets, both [channels, keep]; equal values: those of the first set."""
    joined, numbers = np.concatenate(values, axis=1), np.concatenate(rows, axis=1)
    order = np.argsort(-joined if largest else joined, axis=1, kind="stable")[:, : values[0].shape[1]]
    return np.take_along_axis(joined, order, axis=1), np.take_along_axis(numbers, order, axis=1)
