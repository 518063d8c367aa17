"""What is known of every channel of a site: moments, extremes and the rows that had them, added up as rows come."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.extremes import Extremes, merge_extremes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KEPT = 10  # rows with the largest and with the smallest values, a channel
_WIDE = 512  # values in a row from which numpy works at full speed
_BLOCK = 1 << 17  # values worked on at a time, so that they stay in the cache
_PIECE = 1 << 22  # values among which the extremes are looked for at a time
_GROUP = 32  # rows whose extremes say whether they are worth a look; more of narrow layers


@dataclass(frozen=True, slots=True, eq=False)
class ChannelStatistics:
    """Statistics of each channel of one site over all rows.

    Attributes
    ----------
    count
        int64 [channels], finite values; the moments are over these.
    mean, m2, m3, m4
        float64 [channels]; sums of the powers of the deviation from the mean.
    minimum, maximum
        float64 [channels], in the site's units; ``inf`` and ``-inf`` without finite values.
    zeros, nonfinite
        int64 [channels], values that are exactly 0, and that are NaN or infinite.
    top_values, top_rows
        float32 and int64 [channels, KEPT], largest first; row -1 where there were fewer.
    bottom_values, bottom_rows
        The same for the smallest values, smallest first.
    """

    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    m3: np.ndarray
    m4: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    zeros: np.ndarray
    nonfinite: np.ndarray
    top_values: np.ndarray
    top_rows: np.ndarray
    bottom_values: np.ndarray
    bottom_rows: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Population variance, float64 [channels]; NaN without finite values."""
        return _ratio(self.m2, self.count)

    @property
    def skewness(self) -> np.ndarray:
        """Third standardised moment, float64 [channels]; NaN for a constant channel."""
        return _ratio(self.m3 * np.sqrt(self.count), self.m2**1.5)

    @property
    def kurtosis(self) -> np.ndarray:
        """Fourth standardised moment less 3 (0 for a normal distribution), float64; NaN for a constant channel."""
        return _ratio(self.m4 * self.count, self.m2**2) - 3.0

    @property
    def sparsity(self) -> np.ndarray:
        """Share of finite values that are exactly 0, float64 [channels]; NaN without finite values."""
        return _ratio(self.zeros, self.count)

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays by name, as a shard holds them."""
        return {f"{prefix}.{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_tensors(cls, prefix: str, read: Callable[[str], np.ndarray]) -> ChannelStatistics:
        """The statistics that `tensors` named, read by name."""
        return cls(**{field.name: read(f"{prefix}.{field.name}") for field in fields(cls)})

    @classmethod
    def of_nothing(cls, channels: int) -> ChannelStatistics:
        """The statistics of no row."""
        return ChannelAccumulator(channels).result()

    @classmethod
    def merged(cls, parts: Iterable[ChannelStatistics]) -> ChannelStatistics:
        """The statistics of all rows of several parts, by the pairwise formulas of Pébay (2008, SAND2008-6212)."""
        merged = None
        for part in parts:
            merged = part if merged is None else _merge(merged, part)
        if merged is None:
            raise ValueError("There is nothing to merge.")
        return merged


class ChannelAccumulator:
    """Adds up the statistics of `channels` channels, block by block; the order of the rows only affects rounding."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._count = np.zeros(channels, np.int64)
        self._zeros = np.zeros(channels, np.int64)
        self._nonfinite = np.zeros(channels, np.int64)
        self._minimum = np.full(channels, np.inf)
        self._maximum = np.full(channels, -np.inf)
        # Sums of powers of the deviation from `_shift`, which is near the mean: little cancels at the end.
        self._shift = np.zeros(channels, np.float32)
        self._unset = np.ones(channels, bool)
        self._shifted = False
        self._sums = np.zeros((4, channels))
        self._top = Extremes(channels, KEPT, largest=True)
        self._bottom = Extremes(channels, KEPT, largest=False)
        self._fold = max(1, _power_of_two(_WIDE / max(1, channels)))  # rows of a narrow layer taken as one wide one
        self._group = max(_GROUP, 2 * self._fold)
        self._step = max(1, _BLOCK // max(1, channels * self._group)) * self._group
        self._deviation = np.empty(self._step * channels, np.float32)
        self._square = np.empty(self._step * channels, np.float32)
        self._zero = np.empty((self._step, channels), bool)

    def add(self, values: np.ndarray, rows: np.ndarray) -> None:
        """Add float32 [rows, channels] whose numbers in the capture are int64 `rows`."""
        if not self._channels:
            return
        step = max(1, _PIECE // (self._step * self._channels)) * self._step
        # What a float32 can't hold is seen by its result and worked out in float64.
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(values), step):
                self._add_piece(np.ascontiguousarray(values[start : start + step]), rows[start : start + step])

    def result(self) -> ChannelStatistics:
        """The statistics of everything added so far."""
        count = np.maximum(self._count, 1)
        shift = self._shift.astype(np.float64)
        s1, s2, s3, s4 = self._sums
        delta = s1 / count
        with np.errstate(over="ignore", invalid="ignore"):
            m2 = np.maximum(s2 - count * delta**2, 0.0)
            m3 = s3 - 3 * delta * s2 + 2 * count * delta**3
            m4 = np.maximum(s4 - 4 * delta * s3 + 6 * delta**2 * s2 - 3 * count * delta**4, 0.0)
        return ChannelStatistics(
            count=self._count.copy(),
            mean=np.where(self._count > 0, shift + delta, np.nan),
            m2=m2,
            m3=m3,
            m4=m4,
            minimum=self._minimum.copy(),
            maximum=self._maximum.copy(),
            zeros=self._zeros.copy(),
            nonfinite=self._nonfinite.copy(),
            top_values=self._top.values.copy(),
            top_rows=self._top.rows.copy(),
            bottom_values=self._bottom.values.copy(),
            bottom_rows=self._bottom.rows.copy(),
        )

    def _add_piece(self, values: np.ndarray, rows: np.ndarray) -> None:
        found = [self._add_block(values[start : start + self._step]) for start in range(0, len(values), self._step)]
        highs, lows, whole = zip(*found, strict=True)
        above = below = values
        if not all(whole):
            finite = np.isfinite(values)
            above, below = np.where(finite, values, -np.inf), np.where(finite, values, np.inf)
        self._top.add(above, np.concatenate(highs), self._group, rows)
        self._bottom.add(below, np.concatenate(lows), self._group, rows)

    def _add_block(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Add up a block; the extremes of its groups of rows, and whether all of its values are finite."""
        highs, lows = (
            _grouped(np.maximum, values, self._group, self._square),
            _grouped(np.minimum, values, self._group, self._square),
        )
        whole = bool(np.isfinite(highs).all() and np.isfinite(lows).all())
        self._count += len(values)
        if not whole:
            finite = np.isfinite(values)
            missing = len(values) - finite.sum(axis=0)
            self._nonfinite += missing
            self._count -= missing
            highs = _grouped(np.maximum, np.where(finite, values, -np.inf), self._group, self._square)
            lows = _grouped(np.minimum, np.where(finite, values, np.inf), self._group, self._square)
            count = len(values) - missing
            mean = np.where(finite, values, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
            self._zeros += (finite & (values == 0)).sum(axis=0)
            self._begin_shift(mean, count > 0)
            values = np.where(finite, values, self._shift)
        else:
            if not self._shifted:
                self._begin_shift(values.mean(axis=0, dtype=np.float64), np.ones(self._channels, bool))
            zero = np.equal(values, 0, out=self._zero[: len(values)])
            if zero.any():
                self._zeros += zero.sum(axis=0)
        np.maximum(self._maximum, highs.max(axis=0), out=self._maximum)
        np.minimum(self._minimum, lows.min(axis=0), out=self._minimum)
        self._add_powers(values)
        return highs, lows, whole

    def _begin_shift(self, mean: np.ndarray, known: np.ndarray) -> None:
        """Take `mean` for the channels that are `known` and had no finite value before."""
        np.copyto(self._shift, mean.astype(np.float32), where=self._unset & known)
        self._unset &= ~known
        self._shifted = not self._unset.any()

    def _add_powers(self, values: np.ndarray) -> None:
        fold = self._fold if len(values) % self._fold == 0 else 1
        shape = (len(values) // fold, fold * self._channels)
        deviation = self._deviation[: values.size].reshape(shape)
        square = self._square[: values.size].reshape(shape)
        np.subtract(values.reshape(shape), np.tile(self._shift, fold), out=deviation)
        np.multiply(deviation, deviation, out=square)
        sums = np.stack(
            [
                np.add.reduce(deviation, axis=0),
                np.add.reduce(square, axis=0),
                np.einsum("ij,ij->j", square, deviation),
                np.einsum("ij,ij->j", square, square),
            ]
        )
        sums = sums.reshape(4, fold, self._channels).sum(axis=1)
        if not np.isfinite(sums).all():
            wide = values.astype(np.float64) - self._shift
            sums = np.stack([(wide**power).sum(axis=0) for power in (1, 2, 3, 4)])
        self._sums += sums


def _grouped(operation: np.ufunc, values: np.ndarray, group: int, room: np.ndarray) -> np.ndarray:
    """`operation` over each `group` rows that follow on each other, a power of two; the last may be fewer.

    `room`, float32 for half as many values at least, is overwritten: fresh memory costs more than the work.
    """
    rows, channels = values.shape
    whole = rows // group
    parts = []
    if whole:
        # By halves: the numbers that meet lie far apart, so many are worked on at once.
        wide, width = values[: whole * group].reshape(whole, -1), group * channels // 2
        halves = operation(wide[:, :width], wide[:, width:], out=room[: whole * width].reshape(whole, width))
        while width > channels:
            width //= 2
            operation(halves[:, :width], halves[:, width : 2 * width], out=halves[:, :width])
        parts.append(halves[:, :channels].copy())
    if whole * group < rows:
        parts.append(operation.reduce(values[whole * group :], axis=0, keepdims=True))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _power_of_two(least: float) -> int:
    found = 1
    while found < least:
        found *= 2
    return found


def _merge(a: ChannelStatistics, b: ChannelStatistics) -> ChannelStatistics:
    n, na, nb = a.count + b.count, a.count.astype(np.float64), b.count.astype(np.float64)
    total = np.maximum(n, 1)
    mean_a, mean_b = np.where(na > 0, a.mean, 0.0), np.where(nb > 0, b.mean, 0.0)
    delta = np.where((na > 0) & (nb > 0), mean_b - mean_a, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.where(na > 0, mean_a + delta * nb / total, mean_b)
        m2 = a.m2 + b.m2 + delta**2 * na * nb / total
        m3 = (
            a.m3 + b.m3
            + delta**3 * na * nb * (na - nb) / total**2.0
            + 3 * delta * (na * b.m2 - nb * a.m2) / total
        )  # fmt: skip
        m4 = (
            a.m4 + b.m4
            + delta**4 * na * nb * (na**2 - na * nb + nb**2) / total**3.0
            + 6 * delta**2 * (na**2 * b.m2 + nb**2 * a.m2) / total**2.0
            + 4 * delta * (na * b.m3 - nb * a.m3) / total
        )  # fmt: skip
    top_values, top_rows = merge_extremes((a.top_values, b.top_values), (a.top_rows, b.top_rows), largest=True)
    bottom_values, bottom_rows = merge_extremes(
        (a.bottom_values, b.bottom_values), (a.bottom_rows, b.bottom_rows), largest=False
    )
    return ChannelStatistics(
        count=n,
        mean=np.where(n > 0, mean, np.nan),
        m2=m2,
        m3=m3,
        m4=m4,
        minimum=np.minimum(a.minimum, b.minimum),
        maximum=np.maximum(a.maximum, b.maximum),
        zeros=a.zeros + b.zeros,
        nonfinite=a.nonfinite + b.nonfinite,
        top_values=top_values,
        top_rows=top_rows,
        bottom_values=bottom_values,
        bottom_rows=bottom_rows,
    )


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(under) > 0, over / under, np.nan)
