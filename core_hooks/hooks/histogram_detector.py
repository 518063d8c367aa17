"""A histogram of a layer's activations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from core_hooks.hooks.tensor_detector import TensorDetector, real_blocks

if TYPE_CHECKING:
    from core_hooks.hooks.detector import DetectorState

_COUNTS, _EDGES, _BELOW, _ABOVE, _LEFT_OUT = (
    "histogram",
    "histogram_edges",
    "histogram_below",
    "histogram_above",
    "histogram_not_finite",
)


class HistogramDetector(TensorDetector):
    """Counts a layer's values in bins of equal width, on the tensor's device.

    ``tensor_metadata["histogram"]`` holds the counts, ``(bins,)`` int64, and ``["histogram_edges"]`` the limits,
    ``(bins + 1,)`` float64, both on the CPU. Values outside ``limits`` are counted in
    ``metadata["histogram_below"]`` and ``["histogram_above"]``, NaN and infinite ones in
    ``["histogram_not_finite"]``.

    Parameters
    ----------
    bins
        Number of bins.
    limits
        Lowest and highest value counted; default: those of the finite values of each call.
    **options
        Those of ``TensorDetector``.

    Raises
    ------
    ValueError
        For no bins, or limits that are not finite and in order.
    """

    captured_keys: ClassVar[tuple[str, ...]] = (_COUNTS, _EDGES, _BELOW, _ABOVE, _LEFT_OUT)

    def __init__(
        self,
        layer_signature: str | int | None = None,
        bins: int = 64,
        limits: tuple[float, float] | None = None,
        **options: Any,
    ) -> None:
        if bins < 1:
            raise ValueError(f"bins must be at least 1, got: {bins}")
        if limits is not None and not (all(map(math.isfinite, limits)) and limits[0] < limits[1]):
            raise ValueError(f"limits must be finite and in order, got: {limits}")
        super().__init__(layer_signature, **options)
        self.bins = bins
        self.limits = limits

    def observe(self, tensor: torch.Tensor, state: DetectorState) -> None:
        """Count the values of one tensor."""
        if tensor.is_meta:
            raise ValueError("a tensor on the meta device has no values")
        low, high = self.limits if self.limits is not None else _finite_range(tensor)
        counts = torch.zeros(self.bins, dtype=torch.int64)
        below = above = left_out = 0
        for block in real_blocks(tensor):
            values = block[torch.isfinite(block)]
            left_out += block.numel() - values.numel()
            below += int((values < low).sum())
            above += int((values > high).sum())
            inside = values[(values >= low) & (values <= high)]
            place = ((inside - low) * (self.bins / (high - low))).long().clamp_(0, self.bins - 1)
            counts += torch.bincount(place, minlength=self.bins).cpu()
        state.tensor_metadata[_COUNTS] = counts
        state.tensor_metadata[_EDGES] = torch.linspace(low, high, self.bins + 1, dtype=torch.float64)
        state.metadata.update({_BELOW: below, _ABOVE: above, _LEFT_OUT: left_out})

    @property
    def counts(self) -> torch.Tensor | None:
        """Counts of the newest call, ``None`` if there are none."""
        return self.tensor_metadata.get(_COUNTS)

    @property
    def edges(self) -> torch.Tensor | None:
        """Limits of the bins of the newest call, ``None`` if there are none."""
        return self.tensor_metadata.get(_EDGES)


def _finite_range(tensor: torch.Tensor) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for block in real_blocks(tensor):
        values = block[torch.isfinite(block)]
        if values.numel():
            least, most = values.aminmax()
            low, high = min(low, float(least)), max(high, float(most))
    if low > high:
        return 0.0, 1.0  # nothing finite: empty bins
    if low == high:
        margin = max(abs(low) * 1e-6, 0.5)
        return low - margin, high + margin
    return low, high
