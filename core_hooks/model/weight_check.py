"""Whether the weights of a model are what they were when somebody wrote them, as far as that can be known.

A safetensors file has no checksum, nor has a GGUF file. What can be checked: that a header and the size of its file
agree; that a file from the hub has the sha256 it is named by; that an unpacked GGUF has the checksum kept with it;
and, for every format, that no weight is NaN or infinite.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core_hooks.model.checkpoint import is_factory
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.reference import OpenProgress

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import torch
    from torch import nn

    Report = Callable[[OpenProgress], None]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 8 << 20
_BLOCK = 1 << 22  # elements looked at together
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class WeightCheck:
    """What was found out about one file.

    Attributes
    ----------
    file
        Its path.
    nbytes
        Its size.
    problem
        What is wrong with it, as a sentence; ``""`` when nothing was found.
    how
        What the finding rests on, as a sentence: a checksum, or that there is none.
    """

    file: str
    nbytes: int
    problem: str
    how: str


def verify_weights(
    source: str, on_progress: Report | None = None, cancel: threading.Event | None = None
) -> tuple[WeightCheck, ...]:
    """Check the files of the weights that `source` names, reading each of them whole.

    Raises
    ------
    ModelError
        There is no model there, it has no weights, or it is a factory, which has no files.
    OpeningCancelled
        `cancel` was set.
    """
    from core_hooks.model.opening import find

    if is_factory(source):
        raise ModelError(f"{source} is a function that makes its model: there are no files of weights to verify.")
    report = on_progress or (lambda progress: None)
    checkpoint = find(source)
    if not checkpoint.weights:
        raise ModelError(checkpoint.missing)
    total, done = sum(path.stat().st_size for path in checkpoint.weights), 0

    def read(nbytes: int) -> None:
        nonlocal done
        if cancel is not None and cancel.is_set():
            raise OpeningCancelled
        done += nbytes
        report(OpenProgress(f"Verifying {checkpoint.name}", min(done, total), total, "bytes"))

    return tuple(_check(path, read) for path in checkpoint.weights)


def _check(path: Path, read: Callable[[int], None]) -> WeightCheck:
    nbytes = path.stat().st_size
    blob = path.resolve()
    if _SHA256.fullmatch(blob.name):
        how = "The hub names the file by its sha256."
        found = _sha256(blob, read)
        if found != blob.name:
            differs = f"its sha256 begins with {found[:12]} and should with {blob.name[:12]}"
            problem = f"{path} is damaged: {differs}; remove it and download it again."
            return WeightCheck(str(path), nbytes, problem, how)
        return WeightCheck(str(path), nbytes, _unusual(path, lambda nbytes: None), how)
    if path.suffix == ".gguf":
        how = "GGUF keeps no checksum: header and size agree, and no scale or plain weight is NaN or infinite."
    else:
        how = "Safetensors keeps no checksum: header and size agree, and no weight is NaN or infinite."
    return WeightCheck(str(path), nbytes, _unusual(path, read), how)


def _sha256(path: Path, read: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            read(len(chunk))
    return digest.hexdigest()


def _unusual(path: Path, read: Callable[[int], None]) -> str:
    """The sentence about weights in a file that are no numbers; ``""`` when there are none."""
    return non_finite_sentence(_counted(_tensors(path, read)), str(path))


def _tensors(path: Path, read: Callable[[int], None]) -> Iterable[tuple[str, torch.Tensor]]:
    import torch

    if path.suffix == ".gguf":
        import numpy as np
        from gguf import GGUFReader, quants

        for entry in GGUFReader(path).tensors:
            read(int(entry.n_bytes))
            if entry.data.dtype in (np.float16, np.float32, np.float64):
                yield entry.name, torch.from_numpy(np.array(entry.data))
                continue
            try:
                # Of weights in blocks it is the scales that may be no numbers.
                values = quants.dequantize(entry.data, entry.tensor_type)
            except NotImplementedError:
                continue
            yield entry.name, torch.from_numpy(values)
        return
    from safetensors import safe_open

    with safe_open(str(path), framework="pt", device="cpu") as file:
        for name in file.keys():  # noqa: SIM118 - the file is no mapping
            tensor = file.get_tensor(name)
            read(tensor.numel() * tensor.element_size())
            yield name, tensor


def non_finite(model: nn.Module, cancel: threading.Event | None = None) -> dict[str, tuple[int, int]]:
    """Return, by parameter, how many of its numbers are NaN or infinite, and of how many; finite ones are left out.

    Costs one pass over the memory of the weights.

    Raises
    ------
    OpeningCancelled
        When `cancel` is set meanwhile.
    """
    from core_hooks.model.stored_tensor import inner_tensors

    def every() -> Iterable[tuple[str, torch.Tensor]]:
        for name, parameter in model.named_parameters():
            if cancel is not None and cancel.is_set():
                raise OpeningCancelled
            for tensor in inner_tensors(parameter.detach()):
                yield name, tensor

    return _counted(every())


def _counted(tensors: Iterable[tuple[str, torch.Tensor]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, tensor in tensors:
        bad = _count(tensor)
        if bad:
            before, elements = found.get(name, (0, 0))
            found[name] = (before + bad, elements + tensor.numel())
    return found


def _count(tensor: torch.Tensor) -> int:
    import torch

    if not tensor.is_floating_point() or tensor.element_size() < 2 or tensor.is_meta:
        return 0
    bad = 0
    for block in tensor.reshape(-1).split(_BLOCK):
        # A sum is not finite when one of its terms is not, and is far cheaper than to look at each.
        if not torch.isfinite(block.sum(dtype=torch.float32 if block.element_size() < 8 else None)):
            bad += int((~torch.isfinite(block)).sum())
    return bad


def non_finite_sentence(found: dict[str, tuple[int, int]], where: str) -> str:
    """Say which weights are NaN or infinite, and of which file; ``""`` when none is."""
    if not found:
        return ""
    named = [f"{name} ({bad:,} of {elements:,})" for name, (bad, elements) in list(found.items())[:_MOST_NAMED]]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    holds = "tensor holds" if len(found) == 1 else "tensors hold"
    return (
        f"{len(found)} {holds} NaN or infinite numbers in {where}: {', '.join(named)}{more}; "
        "the file is damaged, or was written so: download or copy it again."
    )
