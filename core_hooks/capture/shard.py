"""Writing one safetensors file by streaming each tensor behind a header written first."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def write_shard(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> int:
    """Write `tensors` to a safetensors file that exists under `path` only once it is whole.

    The bytes go to ``<path>.tmp``, are synced, and the file is renamed; no copy of the data is made.

    Parameters
    ----------
    tensors
        Arrays of any shape with a dtype that safetensors has; a non-contiguous one is copied, one at a time.
    metadata
        Text pairs for the header.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    TypeError
        For a dtype that safetensors lacks.
    OSError
        When the disk refuses; nothing is left under `path` then.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, array in tensors.items():
        kind = _DTYPES.get(array.dtype.name)
        if kind is None:
            raise TypeError(f"Tensor '{name}' has dtype {array.dtype}, which a safetensors file can't hold.")
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(struct.pack("<Q", len(text)))
            file.write(text)
            for array in tensors.values():
                # A view as bytes: the file takes it without a copy in between; 0-d and empty arrays have no such view.
                contiguous = np.ascontiguousarray(array)
                file.write(contiguous.reshape(-1).view(np.uint8).data if contiguous.size else b"")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return 8 + len(text) + offset
