"""Statistics of a layer's activations, worked out where they are."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from core_hooks.hooks.capture import usable_anywhere
from core_hooks.hooks.tensor_detector import TensorDetector, real_blocks

if TYPE_CHECKING:
    from core_hooks.hooks.detector import DetectorState

_KEY, _NORMS = "statistics", "token_norms"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of one tensor.

    Attributes
    ----------
    shape, dtype, device
        Of the tensor.
    count
        Number of values.
    minimum, maximum, mean, std
        Of the finite values, in the tensor's units; ``std`` divides by their number. NaN if there are none.
    zeros
        Share of values that are zero, 0 to 1.
    nan, infinite
        Numbers of NaN and of infinite values.
    """

    shape: tuple[int, ...]
    dtype: str
    device: str
    count: int
    minimum: float
    maximum: float
    mean: float
    std: float
    zeros: float
    nan: int
    infinite: int


class StatisticsDetector(TensorDetector):
    """Works out ``Statistics`` and each token's norm for every call, on the tensor's device.

    Only a handful of numbers a block, and one norm a token, reach the CPU. ``metadata["statistics"]`` is a
    ``dict`` of the numbers; ``tensor_metadata["token_norms"]`` has the tensor's shape without its last
    dimension, float32, on the CPU: the L2 norm over the channels.
    """

    captured_keys: ClassVar[tuple[str, ...]] = (_KEY, _NORMS)

    def observe(self, tensor: torch.Tensor, state: DetectorState) -> None:
        """Work out the statistics of one tensor."""
        if tensor.is_meta:
            raise ValueError("a tensor on the meta device has no values")
        parts: list[torch.Tensor] = []
        norms: list[torch.Tensor] = []
        for block in real_blocks(tensor):
            if block.numel():
                parts.append(_part(block))
            norms.append(torch.linalg.vector_norm(block, dim=-1).float())
        rows = torch.stack(parts).cpu().tolist() if parts else []
        state.metadata[_KEY] = asdict(_whole(tensor, rows))
        joined = torch.cat(norms) if norms else torch.zeros(0)
        state.tensor_metadata[_NORMS] = joined.reshape(tensor.shape[:-1]).cpu()

    @property
    def statistics(self) -> Statistics | None:
        """The statistics of the newest call, ``None`` if there are none."""
        found: dict[str, Any] | None = self.metadata.get(_KEY)
        return None if found is None else Statistics(**found)

    @property
    def token_norms(self) -> torch.Tensor | None:
        """The norms of the newest call, ``None`` if there are none."""
        found = self.tensor_metadata.get(_NORMS)
        return None if found is None else usable_anywhere(found)


def _part(block: torch.Tensor) -> torch.Tensor:
    """Return (finite, minimum, maximum, mean, sum of squared differences, zeros, nan) of a block."""
    finite = torch.isfinite(block)
    number = finite.sum()
    kept = torch.where(finite, block, 0.0)
    precise = torch.float64 if block.device.type != "mps" else torch.float32
    mean = kept.sum(dtype=precise) / number.clamp(min=1)
    squares = torch.where(finite, block - mean.to(block.dtype), 0.0).square().sum(dtype=precise)
    infinity = torch.tensor(math.inf, dtype=block.dtype, device=block.device)
    return torch.stack(
        [
            number.to(precise),
            torch.where(finite, block, infinity).amin().to(precise),
            torch.where(finite, block, -infinity).amax().to(precise),
            mean,
            squares,
            (block == 0).sum().to(precise),
            torch.isnan(block).sum().to(precise),
        ]
    )


def _whole(tensor: torch.Tensor, parts: list[list[float]]) -> Statistics:
    """Join the parts as T. Chan, G. Golub and R. LeVeque do, "Updating Formulae ... Sample Variances", 1979."""
    finite, mean, squares, zeros, nan = 0.0, 0.0, 0.0, 0.0, 0.0
    low, high = math.inf, -math.inf
    for number, minimum, maximum, part_mean, part_squares, part_zeros, part_nan in parts:
        zeros += part_zeros
        nan += part_nan
        if not number:
            continue
        total = finite + number
        difference = part_mean - mean
        mean += difference * number / total
        squares += part_squares + difference**2 * finite * number / total
        low, high, finite = min(low, minimum), max(high, maximum), total
    count = tensor.numel()
    return Statistics(
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        device=str(tensor.device),
        count=count,
        minimum=low if finite else math.nan,
        maximum=high if finite else math.nan,
        mean=mean if finite else math.nan,
        std=math.sqrt(squares / finite) if finite else math.nan,
        zeros=zeros / count if count else math.nan,
        nan=int(nan),
        infinite=int(count - finite - nan),
    )
