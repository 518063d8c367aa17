"""Writing one safetensors file: the header first, then each tensor's bytes streamed to their place."""

from __future__ import annotations

import errno
import json
import math
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.durable import TEMPORARY, joined_crc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import FileIO
    from pathlib import Path

    from numpy.typing import DTypeLike

_PIECE = 1 << 22  # bytes read at a time

# What the format calls a dtype, and the bytes of one element. numpy has no bfloat16: its bits travel as uint16.
DTYPES = {
    "float64": ("F64", 8),
    "float32": ("F32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "int64": ("I64", 8),
    "int32": ("I32", 4),
    "int16": ("I16", 2),
    "int8": ("I8", 1),
    "uint64": ("U64", 8),
    "uint32": ("U32", 4),
    "uint16": ("U16", 2),
    "uint8": ("U8", 1),
    "bool": ("BOOL", 1),
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that a shard is to hold: its name, dtype (a key of `DTYPES`) and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype][1]


class ShardFile:
    """An open file whose tensors have their places, filled in any order; in whatever process has it open.

    Parameters
    ----------
    file
        Unbuffered, to read and to write; closed with this.
    begins, sizes
        Where each tensor begins in the file, in the order of the file, and its bytes.
    nbytes
        Of the whole file.
    """

    def __init__(self, file: FileIO, begins: Mapping[str, int], sizes: Mapping[str, int], nbytes: int) -> None:
        self._file = file
        self._begins = dict(begins)
        self._sizes = dict(sizes)
        self.nbytes = nbytes

    @property
    def descriptor(self) -> int:
        """Of the open file."""
        return self._file.fileno()

    def places(self) -> dict[str, Any]:
        """What `ShardFile` needs besides the file, as plain data."""
        return {"begins": self._begins, "sizes": self._sizes, "nbytes": self.nbytes}

    def write(self, name: str, values: np.ndarray, offset: int = 0) -> None:
        """Put the bytes of a C-contiguous array into tensor `name`, `offset` bytes behind its beginning.

        Raises
        ------
        ValueError
            When they don't fit into the tensor.
        OSError
            When the disk refuses.
        """
        if offset < 0 or offset + values.nbytes > self._sizes[name]:
            raise ValueError(f"{values.nbytes} bytes at {offset} don't fit into tensor '{name}'.")
        if values.size:
            # A view as bytes: the file takes it without a copy in between.
            self._write(values.reshape(-1).view(np.uint8).data, self._begins[name] + offset)

    def mapped(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """What was written of a tensor so far, straight from the system's cache; what is changed stays in memory."""
        return np.memmap(self._file, dtype, "c", self._begins[name], shape)

    def checksum(self, known: Mapping[str, int]) -> str:
        """CRC-32 of the file, as `core_hooks.capture.durable.checksum` gives it; `known` are those of some tensors."""
        crc, read_to = 0, 0
        for name, begin in self._begins.items():
            if name in known:
                crc = self._read_crc(read_to, begin, crc)
                crc = joined_crc(crc, known[name], self._sizes[name])
                read_to = begin + self._sizes[name]
        return f"{self._read_crc(read_to, self.nbytes, crc):08x}"

    def sync(self) -> None:
        """Make what was written survive power loss."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        self._file.close()

    def _write(self, data: bytes | memoryview, position: int) -> None:
        view = memoryview(data)
        while view:
            if hasattr(os, "pwrite"):
                count = os.pwrite(self._file.fileno(), view, position)
            else:
                self._file.seek(position)
                count = self._file.write(view) or 0
            view, position = view[count:], position + count

    def _read_crc(self, begin: int, end: int, crc: int) -> int:
        self._file.seek(begin)
        while begin < end:
            piece = self._file.read(min(_PIECE, end - begin))
            if not piece:
                raise OSError(errno.EIO, "the file was cut short meanwhile")
            crc, begin = zlib.crc32(piece, crc), begin + len(piece)
        return crc


class ShardWriter(ShardFile):
    """A safetensors file in the making: every tensor has its place from the start and is filled in any order.

    The bytes go to ``<path>.tmp``; `finish` syncs and renames it, so that `path` exists only once it is whole.

    Parameters
    ----------
    specs
        What the file will hold. The widest elements come first, so that each tensor is aligned.
    metadata
        Text pairs for the header.

    Raises
    ------
    OSError
        When the disk refuses, also for want of room for the whole file where the system can promise it.
    """

    def __init__(self, path: Path, specs: Sequence[TensorSpec], metadata: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._temporary = path.with_name(path.name + TEMPORARY)
        header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
        ordered = sorted(specs, key=lambda spec: -DTYPES[spec.dtype][1])
        begins, offset = {}, 0
        for spec in ordered:
            end = offset + spec.nbytes
            header[spec.name] = {
                "dtype": DTYPES[spec.dtype][0],
                "shape": list(spec.shape),
                "data_offsets": [offset, end],
            }
            begins[spec.name] = offset
            offset = end
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        start = 8 + len(text)
        self._temporary.unlink(missing_ok=True)
        super().__init__(
            self._temporary.open("x+b", buffering=0),
            {name: start + begin for name, begin in begins.items()},
            {spec.name: spec.nbytes for spec in specs},
            start + offset,
        )
        try:
            if hasattr(os, "posix_fallocate") and offset:
                os.posix_fallocate(self._file.fileno(), 0, self.nbytes)
            self._write(struct.pack("<Q", len(text)) + text, 0)
        except BaseException:
            self.discard()
            raise

    def finish(self) -> None:
        """Sync the file and give it its name; OSError leaves nothing under that name."""
        try:
            self.sync()
            self.close()
            self._temporary.replace(self.path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Close and remove what was not finished; calling it again does nothing."""
        self.close()
        self._temporary.unlink(missing_ok=True)


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
    for name, array in tensors.items():
        if array.dtype.name not in DTYPES:
            raise TypeError(f"Tensor '{name}' has dtype {array.dtype}, which a safetensors file can't hold.")
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in tensors.items()]
    writer = ShardWriter(path, specs, metadata)
    try:
        for name, array in tensors.items():
            writer.write(name, np.ascontiguousarray(array))
        writer.finish()
    finally:
        writer.discard()
    return writer.nbytes
