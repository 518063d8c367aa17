"""What opening a model will take, known before it is tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from core_hooks.model.reference import ModelReference

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class OpenEstimate:
    """Memory that an opening needs and that is free where the model goes, in bytes."""

    needed: int
    free: int
    device: str

    @property
    def fits(self) -> bool:
        """Whether the weights fit; a forward needs some more."""
        return self.needed <= self.free


def estimate(reference: ModelReference) -> OpenEstimate:
    """Return what opening `reference` needs, from the config and the headers alone.

    Raises
    ------
    ModelError
        As in `core_hooks.model.opening.open_model`; a factory can't be estimated without running it.
    """
    from core_hooks.model.opening import check_device, outline
    from core_hooks.model.quantisation import quantised_bytes

    skeleton = outline(reference).skeleton
    check_device(reference.device)
    needed = quantised_bytes(skeleton, reference.quantisation)
    return OpenEstimate(needed, free_memory(reference.device), reference.device)


def weight_bytes(model: nn.Module) -> int:
    """Return the size in bytes of all parameters and buffers of `model`, tied ones once; meta models count as real."""
    return sum(p.numel() * p.element_size() for p in model.parameters()) + sum(
        b.numel() * b.element_size() for b in model.buffers()
    )


def free_memory(device: str) -> int:
    """Return the bytes that are free on a device, ``"auto"`` meaning all of them together."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(torch.device(device))[0]
    free = _free_host_memory()
    if device == "auto":
        free += sum(torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count()))
    return free


def _free_host_memory() -> int:
    import psutil

    free = int(psutil.virtual_memory().available)
    try:  # a container may be allowed less than the machine has
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return max(0, min(free, limit - used + int(stat["inactive_file"])))
    except (OSError, ValueError, KeyError):
        return free
