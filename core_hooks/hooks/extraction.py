"""Take the tensor out of what a module was given or returned, and write one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.nested import find_input, find_output, follow

if TYPE_CHECKING:
    from collections.abc import Sequence


def extract_tensor_from_input(input: Sequence[Any] | None) -> torch.Tensor | None:
    """Return the first tensor among a call's arguments.

    Parameters
    ----------
    input
        The positional arguments as torch hands them to a hook; tensors may lie in nested sequences,
        mappings and dataclasses.

    Returns
    -------
    torch.Tensor or None
        The same object, not a copy, of any shape, dtype and device; ``None`` if there is no tensor.
    """
    path = find_input(input)
    return None if path is None else follow(input, path)


def extract_tensor_from_output(output: Any) -> torch.Tensor | None:
    """Return the tensor a module's output stands for.

    Parameters
    ----------
    output
        A tensor; a sequence, of which the first tensor is meant; a mapping, dataclass or object, of which
        ``last_hidden_state``, then ``logits``, then the first tensor is meant. Nested containers are searched
        when a container holds no tensor of its own.

    Returns
    -------
    torch.Tensor or None
        The same object, not a copy, of any shape, dtype and device; ``None`` if there is no tensor.
    """
    path = find_output(output)
    return None if path is None else follow(output, path)


def apply_modification_to_output(
    output: Any, modified_tensor: torch.Tensor, target_device: torch.device | str | None = None
) -> None:
    """Write a tensor into a module's output, in place.

    Controllers do not use this: they return a replacement. It is for callers who hold an output and want it
    changed where it is.

    Parameters
    ----------
    output
        A tensor is overwritten; a tuple has its first tensor overwritten; a list has its first tensor element
        replaced; an object has its ``last_hidden_state`` set. Anything else is left alone.
    modified_tensor
        The new values, of a shape that can be copied into the old one. It is moved to the device of what it
        replaces and cast to its dtype.
    target_device
        Accepted for programs that pass it; the output never moves, so the values go where the output is.

    Raises
    ------
    RuntimeError
        When a tensor to be overwritten has a shape the new values do not fit, or is expanded.
    """
    del target_device
    if isinstance(output, torch.Tensor):
        _overwrite(output, modified_tensor)
    elif isinstance(output, tuple):
        first = next((item for item in output if isinstance(item, torch.Tensor)), None)
        if first is not None:
            _overwrite(first, modified_tensor)
    elif isinstance(output, list):
        for index, item in enumerate(output):
            if isinstance(item, torch.Tensor):
                output[index] = modified_tensor.to(device=item.device, dtype=item.dtype)
                return
    elif output is not None and isinstance(current := getattr(output, "last_hidden_state", None), torch.Tensor):
        output.last_hidden_state = modified_tensor.to(device=current.device, dtype=current.dtype)


def _overwrite(tensor: torch.Tensor, values: torch.Tensor) -> None:
    if tensor.is_inference():
        with torch.inference_mode():
            tensor.copy_(values)
    elif tensor.requires_grad and tensor.is_leaf:
        with torch.no_grad():
            tensor.copy_(values)
    else:
        tensor.copy_(values)
