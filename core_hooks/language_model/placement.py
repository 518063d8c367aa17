"""Where a model lives, and whether it may be moved."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import torch

from core_hooks.hooks.compiled import unwrap

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)


def place(model: nn.Module, device: str | torch.device | None) -> str:
    """Move `model` to `device` if it may be moved, and return the device that its inputs belong on.

    None leaves the model where it is. A model that is spread over devices, has no weights yet (meta device) or is
    quantised is never moved; asked to, it stays and a warning is logged.

    Raises
    ------
    ValueError
        `device` is no device.
    """
    if device is not None:
        try:
            wanted = torch.device(device)
        except RuntimeError as error:
            raise ValueError(f"'{device}' is no device; use for example 'cpu', 'cuda:0' or 'mps'") from error
        fixed = _why_fixed(model)
        if fixed:
            logger.warning("The model is not moved to %s: it is %s.", wanted, fixed)
        else:
            model.to(wanted)
            return str(wanted)
    return input_device(model)


def input_device(model: nn.Module) -> str:
    """Return the device on which `model` expects its inputs, e.g. ``"cuda:0"``; ``"cpu"`` without parameters."""
    inner = unwrap(model)
    devices = [tensor.device for tensor in itertools.chain(inner.parameters(), inner.buffers())]
    if getattr(inner, "hf_device_map", None):
        # Parts kept in memory or on disk are brought to an accelerator for their turn, so inputs begin on one.
        return next((str(device) for device in devices if device.type not in ("cpu", "meta")), "cpu")
    return str(devices[0]) if devices else "cpu"


def _why_fixed(model: nn.Module) -> str:
    inner = unwrap(model)
    tensors = list(itertools.chain(inner.parameters(), inner.buffers()))
    if any(tensor.is_meta for tensor in tensors):
        return "without weights (on the meta device)"
    if getattr(inner, "is_quantized", False) is True:
        return "quantised"
    placed = getattr(inner, "hf_device_map", None)
    if (isinstance(placed, dict) and len(set(placed.values())) > 1) or len({t.device for t in tensors}) > 1:
        return "spread over several devices"
    return ""
