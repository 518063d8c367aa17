"""Which model a capture was made with: what people call it, and what tells it from another."""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

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
        for tensor in inner_tensors(parameter.detach()):
            head = tensor.flatten()[:_VALUES]
            values = head.to("cpu", torch.float32).numpy() if head.is_floating_point() else head.cpu().numpy()
            crc = zlib.crc32(values.tobytes(), crc)
    return {**summary, "fingerprint": f"{crc:08x}"}
