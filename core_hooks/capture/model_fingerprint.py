"""Which model a capture was made with: what people call it, and what tells it from another."""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.capture.index import CaptureError
from core_hooks.model.stored_tensor import inner_tensors

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel

_VALUES = 64  # of each parameter


def describe_model(opened: OpenedModel) -> dict[str, Any]:
    """The summary as plain data, and a checksum over the beginning of every parameter."""
    summary = {key: value for key, value in asdict(opened.summary).items() if key not in ("reference", "device")}
    crc = 0
    for name, parameter in opened.model.named_parameters():
        crc = zlib.crc32(name.encode(), crc)
        for tensor in inner_tensors(_at_hand(opened.model, name, parameter.detach())):
            head = tensor.flatten()[:_VALUES]
            values = head.to("cpu", torch.float32).numpy() if head.is_floating_point() else head.cpu().numpy()
            crc = zlib.crc32(values.tobytes(), crc)
    return {**summary, "fingerprint": f"{crc:08x}"}


def _at_hand(model: torch.nn.Module, name: str, parameter: torch.Tensor) -> torch.Tensor:
    """A parameter with its values, also where accelerate keeps them elsewhere until their module runs."""
    if not parameter.is_meta:
        return parameter
    module, _, own = name.rpartition(".")
    kept = getattr(getattr(model.get_submodule(module), "_hf_hook", None), "weights_map", None)
    if kept is None or own not in kept:
        raise CaptureError(
            f"The weights of '{name}' are not in memory, so nothing can be captured; open the model whole."
        )
    values: torch.Tensor = kept[own]
    return values
