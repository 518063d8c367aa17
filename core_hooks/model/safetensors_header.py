"""The header of a safetensors file, read and checked without torch and without touching the weights."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

# Bits per element, by the name that the format gives a dtype.
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
_TORCH_NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_LONGEST_HEADER = 100_000_000  # the limit that the safetensors library sets


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file: its shape, its dtype as the format names it (``"F32"``, ``"BF16"``), its bytes."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int

    @property
    def torch_dtype(self) -> str:
        """``"float32"`` and the like for a floating dtype that weights are computed in, else ``""``."""
        return _TORCH_NAMES.get(self.dtype, "")


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors that the safetensors file at `path` holds, by name.

    Every length is checked against the size of the file, so that a truncated or damaged file is found here
    and not as a bus error in the middle of a forward.

    Raises
    ------
    ModelError
        The file can't be read, is truncated, or its header is damaged.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _LONGEST_HEADER):
                raise _damaged(path, f"its header should take {length:,} bytes and the file has {size:,}")
            text = file.read(length)
    except OSError as error:
        raise ModelError(
            f"{path} can't be read ({error.strerror or error}); check its permissions and the disk."
        ) from error
    try:
        entries = json.loads(text)
        entries.pop("__metadata__", None)
        tensors, spans = {}, []
        for name, entry in entries.items():
            shape = tuple(int(extent) for extent in entry["shape"])
            begin, end = (int(offset) for offset in entry["data_offsets"])
            if end - begin != (math.prod(shape) * BITS[entry["dtype"]] + 7) // 8 or min((0, *shape)) < 0:
                raise ValueError(f"the entry {name!r} contradicts itself")
            tensors[name] = StoredTensor(name, shape, entry["dtype"], end - begin)
            spans.append((begin, end))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, "its header can't be understood") from error
    expected = 0
    for begin, end in sorted(spans):
        if begin != expected:
            raise _damaged(path, "its tensors overlap or leave gaps")
        expected = end
    if 8 + length + expected != size:
        raise _damaged(path, f"it should have {8 + length + expected:,} bytes and has {size:,}")
    return tensors


def _damaged(path: Path, how: str) -> ModelError:
    return ModelError(f"{path} is truncated or damaged ({how}); download or copy the file again.")
