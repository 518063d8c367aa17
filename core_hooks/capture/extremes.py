"""The rows with the largest or the smallest values of every channel, kept while rows go by."""

from __future__ import annotations

import numpy as np


class Extremes:
    """The `keep` most extreme values of each channel and their rows, best first; equal values: the row seen first.

    Most blocks hold no new extreme for most channels, and one comparison with the block's own extreme says so.
    What may count is put aside and sorted in when enough of it has come together.
    """

    def __init__(self, channels: int, keep: int, *, largest: bool) -> None:
        self._sign = np.float32(1 if largest else -1)
        self._values = np.full((channels, keep), -np.inf, np.float32)  # times the sign: larger is better
        self._rows = np.full((channels, keep), -1, np.int64)
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._waiting_count = 0

    @property
    def values(self) -> np.ndarray:
        """float32 [channels, keep]; an infinity where nothing was seen yet."""
        self._settle()
        return self._sign * self._values

    @property
    def rows(self) -> np.ndarray:
        """int64 [channels, keep]; -1 where nothing was seen yet."""
        self._settle()
        return self._rows.copy()

    def add(self, values: np.ndarray, best: np.ndarray, rows: np.ndarray) -> None:
        """Look through float32 [rows, channels], of which `best` [channels] is the extreme of each channel."""
        worst = self._values[:, -1]
        channels = np.flatnonzero(self._sign * best > worst)
        if not len(channels):
            return
        signed = values if len(channels) == len(worst) else values[:, channels]
        if self._sign < 0:
            signed = -signed
        floor, keep = worst[channels], self._values.shape[1]
        if len(signed) > 2 * keep and np.isneginf(floor).any():
            # In the beginning everything would count; of one block no more than its own best can.
            own = np.partition(signed, len(signed) - keep, axis=0)[len(signed) - keep]
            floor = np.maximum(floor, np.nextafter(own, -np.float32(np.inf)))
        at, which = np.divmod(np.flatnonzero(signed > floor), len(channels))
        self._waiting.append((channels[which], signed[at, which], rows[at]))
        self._waiting_count += len(at)
        if self._waiting_count > max(4096, self._values.size):
            self._settle()

    def _settle(self) -> None:
        if not self._waiting:
            return
        channel, value, row = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._waiting_count = [], 0
        touched = np.unique(channel)
        keep = self._values.shape[1]
        channel = np.concatenate([np.repeat(touched, keep), channel])
        value = np.concatenate([self._values[touched].ravel(), value])
        row = np.concatenate([self._rows[touched].ravel(), row])
        # Stable: of equal values, those held come before those that wait, and these in the order they came.
        order = np.argsort(-value, kind="stable")
        # Numbers of two bytes are sorted by counting, several times faster.
        narrow = channel.astype(np.uint16) if len(self._values) <= 1 << 16 else channel
        order = order[np.argsort(narrow[order], kind="stable")]
        first = np.searchsorted(channel[order], touched)
        chosen = order[first[:, None] + np.arange(keep)]
        self._values[touched], self._rows[touched] = value[chosen], row[chosen]


def merge_extremes(
    values: tuple[np.ndarray, np.ndarray], rows: tuple[np.ndarray, np.ndarray], *, largest: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The most extreme of two sets, both [channels, keep]; equal values: those of the first set."""
    joined, numbers = np.concatenate(values, axis=1), np.concatenate(rows, axis=1)
    order = np.argsort(-joined if largest else joined, axis=1, kind="stable")[:, : values[0].shape[1]]
    return np.take_along_axis(joined, order, axis=1), np.take_along_axis(numbers, order, axis=1)
