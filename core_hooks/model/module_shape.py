"""What kind of module a module is, told from its shape rather than from its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


def is_list(module: nn.Module) -> bool:
    """Whether a module only holds others under the numbers 0, 1, 2, ..."""
    return bool(module._modules) and all(name.isdigit() for name in module._modules)


def linears(module: nn.Module) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the linear layers in a module: path and channels in and out."""
    for name, inner in module.named_modules():
        size = linear_size(inner)
        if size is not None:
            yield name, size


def linear_size(module: nn.Module) -> tuple[int, int] | None:
    """Return the channels in and out of a linear layer of any make, None for other modules."""
    into, out = getattr(module, "in_features", None), getattr(module, "out_features", None)
    if isinstance(into, int) and isinstance(out, int):
        return into, out
    weight, out = module._parameters.get("weight"), getattr(module, "nf", None)
    if isinstance(out, int) and weight is not None and weight.dim() == 2:
        return int(weight.shape[0]), out  # the transposed layer that the oldest models are made of
    return None


def is_norm(module: nn.Module, width: int) -> bool:
    """Whether a module normalises vectors of `width` channels."""
    weight = module._parameters.get("weight")
    named = "norm" in type(module).__name__.lower()
    return named and not module._modules and (weight is None or weight.numel() == width)


def parameter_count(module: nn.Module) -> int:
    """Return the number of parameter elements in a module."""
    return sum(parameter.numel() for parameter in module.parameters())
