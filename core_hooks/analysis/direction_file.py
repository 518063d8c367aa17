"""Directions in the space of a site's channels as safetensors files: steering vectors, probes. Without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.index import CaptureError
from core_hooks.capture.mapped_shard import MappedShard, widened
from core_hooks.capture.shard import write_shard

if TYPE_CHECKING:
    from collections.abc import Mapping

VECTOR = "vector"  # the name under which controllers look for it
_MOST = 4096


def read_directions(path: Path) -> dict[str, np.ndarray]:
    """Return the vectors that a file holds, float32 ``[channels]`` by name; the rows of a matrix one by one.

    Raises
    ------
    CaptureError
        The file can't be read, or holds no vector of finite numbers.
    """
    path = Path(path)
    try:
        shard = MappedShard(path)
    except CaptureError as error:
        if not path.exists():
            raise CaptureError(f"There is no file '{path}'.") from error
        raise CaptureError(f"'{path}' is no safetensors file, or not a whole one; choose another.") from error
    found: dict[str, np.ndarray] = {}
    for name in shard:
        kind, shape = shard.dtype(name), shard.shape(name)
        if kind not in ("F64", "F32", "F16", "BF16") or len(shape) not in (1, 2) or 0 in shape or len(found) >= _MOST:
            continue
        values = shard.tensor(name)
        values = widened(values) if kind == "BF16" else values.astype(np.float32)
        if len(shape) == 1:
            found[name] = values
        else:
            found.update({f"{name}[{row}]": values[row] for row in range(min(shape[0], _MOST - len(found)))})
    found = {name: values for name, values in found.items() if np.isfinite(values).all() and values.any()}
    if not found:
        raise CaptureError(f"'{path}' holds no direction: it needs a tensor of one dimension with finite numbers.")
    return found


def write_direction(path: Path, vector: np.ndarray, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a direction so that controllers (`ctx.vector`) and searches find it; a file that exists is replaced whole.

    Raises
    ------
    CaptureError
        The vector is no line of finite numbers, or the disk refuses.
    """
    path = Path(path)
    if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
        raise CaptureError(f"A direction of shape {list(vector.shape)} can't be saved: it must be a line of numbers.")
    try:
        write_shard(path, {VECTOR: np.ascontiguousarray(vector, np.float32)}, metadata)
    except OSError as error:
        raise CaptureError(f"'{path}' can't be written: {error.strerror or error}.") from error
    return path
