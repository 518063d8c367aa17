"""Principal components of many vectors: two or three axes to look at them along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_ROWS = 8192  # taken at a time, so that no copy of all values is made
_EXACT_WORK = 4e11  # multiplications up to which the spectrum is computed whole, some seconds on one core
_SPARE, _ROUNDS = 16, 6


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Vectors along their principal components.

    Attributes
    ----------
    points
        float32 ``[vectors, components]``, in the unit of the values; NaN for vectors that hold NaN or infinity.
    axes
        float32 ``[components, channels]``, of length 1 and at right angles; of each, the entry of largest magnitude
        is positive, so that the same values give the same picture.
    explained
        Share of the variance along each axis, float64 ``[components]``, 0 to 1.
    mean
        float32 ``[channels]``, subtracted before projecting.
    left_out
        Vectors that hold NaN or infinity.
    """

    points: np.ndarray
    axes: np.ndarray
    explained: np.ndarray
    mean: np.ndarray
    left_out: int


def principal_components(
    values: np.ndarray, components: int = 2, *, cancel: threading.Event | None = None
) -> Projection:
    """Project vectors on the axes along which they vary most (Pearson, 1901).

    The spectrum is computed whole where that takes seconds, from the smaller of the two products of the values with
    themselves; beyond that the leading axes are found by subspace iteration from a seeded random start (Halko et
    al., "Finding structure with randomness", 2011).

    Parameters
    ----------
    values
        ``[vectors, channels]``, any float dtype; read in blocks.
    components
        Number of axes; fewer come back when the values have fewer dimensions.
    cancel
        Checked between blocks.

    Raises
    ------
    ValueError
        When `values` is not two-dimensional, or fewer than two vectors are finite.
    RunCancelled
        `cancel` was set.
    """
    if values.ndim != 2 or components < 1:
        raise ValueError(f"Values of shape {values.shape} on {components} axes: [vectors, channels] is needed.")
    blocks = _Blocks(values, cancel)
    if blocks.count < 2:
        raise ValueError(f"{blocks.count} finite vectors can't be projected: give at least two.")
    wanted = min(components, blocks.count - 1, values.shape[1])
    small = min(blocks.count, values.shape[1])
    if 2.0 * blocks.count * values.shape[1] * small <= _EXACT_WORK:
        axes, variances = _exact(blocks, wanted)
    else:
        axes, variances = _iterated(blocks, wanted)
    largest = np.abs(axes).argmax(1)
    axes *= np.where(axes[np.arange(len(axes)), largest] < 0, -1, 1)[:, None].astype(axes.dtype)
    points = np.full((values.shape[0], len(axes)), np.nan, np.float32)
    for rows, block in blocks:
        points[rows] = block @ axes.T
    explained = variances / blocks.variance if blocks.variance else np.zeros(len(axes))
    return Projection(points, axes, explained, blocks.mean, values.shape[0] - blocks.count)


class _Blocks:
    """The finite vectors, some thousand at a time, less their mean, in float32."""

    def __init__(self, values: np.ndarray, cancel: threading.Event | None) -> None:
        self._values, self._cancel = values, cancel
        self._finite = np.empty(values.shape[0], bool)
        total = np.zeros(values.shape[1])
        for start in range(0, values.shape[0], _ROWS):
            self._check()
            block = values[start : start + _ROWS].astype(np.float32, copy=False)
            finite = np.isfinite(block).all(1)
            self._finite[start : start + _ROWS] = finite
            total += block[finite].sum(0, dtype=np.float64)
        self.count = int(self._finite.sum())
        self.mean = (total / max(1, self.count)).astype(np.float32)
        self.variance = sum(float(np.vdot(block, block)) for _, block in self)
        self.channels = values.shape[1]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, self._values.shape[0], _ROWS):
            self._check()
            rows = start + np.flatnonzero(self._finite[start : start + _ROWS])
            yield rows, self._values[rows].astype(np.float32) - self.mean

    def _check(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise RunCancelled("The projection was cancelled.")


def _exact(blocks: _Blocks, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the leading axes and the variance along each, from the whole spectrum."""
    if blocks.count >= blocks.channels:
        products = np.zeros((blocks.channels, blocks.channels))
        for _, block in blocks:
            products += block.T @ block
        variances, vectors = np.linalg.eigh(products)
        return vectors[:, ::-1][:, :wanted].T.astype(np.float32), variances[::-1][:wanted].clip(0)
    gathered = np.concatenate([block for _, block in blocks])
    variances, vectors = np.linalg.eigh(gathered.astype(np.float64) @ gathered.T.astype(np.float64))
    axes = vectors[:, ::-1][:, :wanted].T @ gathered
    return _orthonormal(axes.T).T.astype(np.float32), variances[::-1][:wanted].clip(0)


def _iterated(blocks: _Blocks, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the leading axes and the variance along each, by subspace iteration."""
    width = min(wanted + _SPARE, blocks.channels)
    basis = np.random.default_rng(0).standard_normal((blocks.channels, width)).astype(np.float32)
    for _ in range(_ROUNDS):
        basis = _orthonormal(_times_covariance(blocks, basis)).astype(np.float32)
    inner = basis.T.astype(np.float64) @ _times_covariance(blocks, basis)
    variances, turn = np.linalg.eigh((inner + inner.T) / 2)
    return (basis @ turn[:, ::-1][:, :wanted]).T.astype(np.float32), variances[::-1][:wanted].clip(0)


def _times_covariance(blocks: _Blocks, basis: np.ndarray) -> np.ndarray:
    product = np.zeros(basis.shape)
    for _, block in blocks:
        product += block.T @ (block @ basis)
    return product


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    return np.linalg.qr(columns)[0]
