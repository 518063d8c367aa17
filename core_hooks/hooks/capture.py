"""A captured tensor that owns its data."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Capture:
    """One captured tensor and where it comes from, published as one object.

    Attributes
    ----------
    tensor
        The values, detached.
    call
        Which call of the module in its forward this was, from 0; outside of runs and of ``attach``, which
        call since the last ``clear_captured()``.
    step
        Step of the generation, 0 outside of runs.
    run
        Number of the run, ``None`` outside of runs.
    """

    tensor: torch.Tensor
    call: int = 0
    step: int = 0
    run: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(self.tensor.shape)


def own_copy(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return the values in fresh, contiguous storage on the CPU, detached from autograd.

    A tensor on the meta device has no values and stays there. In inference mode the copy is an inference
    tensor, because making a normal one costs three times as much; ``usable_anywhere`` makes it normal.

    Parameters
    ----------
    tensor
        Any shape, dtype and device.
    dtype
        Cast to this.
    """
    if tensor.requires_grad:
        tensor = tensor.detach()
    if not tensor.is_cpu and not tensor.is_meta:
        # A blocking copy: when it returns, the values are there.
        return tensor.to(device="cpu", dtype=dtype or tensor.dtype, memory_format=torch.contiguous_format)
    if dtype is not None and tensor.dtype is not dtype:
        return tensor.to(dtype, memory_format=torch.contiguous_format)
    if tensor.layout is not torch.strided or tensor.is_contiguous():
        return tensor.clone()
    return tensor.clone(memory_format=torch.contiguous_format)


def usable_anywhere(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor itself, or a normal copy of one that was made in inference mode."""
    if not tensor.is_inference():
        return tensor
    with torch.inference_mode(False):
        return tensor.clone()
