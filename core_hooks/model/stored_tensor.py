"""What a parameter really is in memory: quantising libraries give out tensors that look larger than they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def inner_tensors(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return the plain tensors in memory that a tensor consists of: itself, or the parts of a wrapped one."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return [tensor]
    inner = (getattr(tensor, name) for name in flatten()[0])
    return [plain for part in inner if part is not None for plain in inner_tensors(part)]


def stored_bytes(tensor: torch.Tensor) -> int:
    """Return the bytes that a tensor takes, the scales that hang on it included."""
    scales = (getattr(getattr(tensor, "quant_state", None), "absmax", None), getattr(tensor, "SCB", None))
    parts = [*inner_tensors(tensor), *(scale for scale in scales if scale is not None)]
    return sum(part.numel() * part.element_size() for part in parts)


def stored_elements(tensor: torch.Tensor) -> int:
    """Return how many numbers a tensor stands for; two of them may share a byte."""
    shape = getattr(getattr(tensor, "quant_state", None), "shape", None)
    if shape is None:
        return tensor.numel()
    elements = 1
    for extent in shape:
        elements *= int(extent)
    return elements


def stored_dtype(tensor: torch.Tensor) -> torch.dtype:
    """Return the dtype of the numbers in memory."""
    return tensor.dtype if not hasattr(tensor, "__tensor_flatten__") else inner_tensors(tensor)[0].dtype
