"""Reading one safetensors file in place: opened by its header, its tensors views of the mapped file."""

from __future__ import annotations

import json
import math
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.halves import widened_halves
from core_hooks.capture.index import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

# bfloat16 is read as its bits, for numpy has no such dtype.
_NUMPY = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I64": np.int64, "I32": np.int32,
    "I16": np.int16, "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
    "BOOL": np.bool_,
}  # fmt: skip
_LONGEST_HEADER = 100_000_000  # the limit that the safetensors library sets


class MappedShard:
    """The tensors of one file by name, as read-only views that read from the disk when they are looked at.

    Raises
    ------
    CaptureError
        When the file is missing, cut short, or its header is damaged. Every length is checked against the size of
        the file first, for reading behind the end of a mapped file would end the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(0)
                length = int.from_bytes(file.read(8), "little")
                if size < 8 or length > min(size - 8, _LONGEST_HEADER):
                    raise self._damaged(f"its header should take {length:,} bytes and the file has {size:,}")
                header = file.read(length)
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise CaptureError(f"'{path}' is missing; the capture is incomplete.") from error
        except OSError as error:
            raise CaptureError(f"'{path}' can't be read: {error.strerror or error}.") from error
        self.metadata: dict[str, str] = {}
        self._entries = self._parse(header, 8 + length, size)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Any:
        return iter(self._entries)

    def dtype(self, name: str) -> str:
        """The dtype of a tensor as the format names it, such as ``"BF16"``."""
        return self._entry(name)[0]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, nothing read."""
        return self._entry(name)[1]

    def tensor(self, name: str) -> np.ndarray:
        """Read-only view of a tensor; bfloat16 as its bits in uint16.

        Raises
        ------
        CaptureError
            When the file holds no such tensor, or one of a dtype that numpy lacks.
        """
        kind, shape, begin = self._entry(name)
        dtype = _NUMPY.get(kind)
        if dtype is None:
            raise self._damaged(f"'{name}' has the dtype {kind!r}, which no capture has")
        flat: np.ndarray = np.frombuffer(self._map, dtype, math.prod(shape), begin)
        return flat.reshape(shape)

    def _entry(self, name: str) -> tuple[str, tuple[int, ...], int]:
        try:
            return self._entries[name]
        except KeyError as error:
            raise self._damaged(f"it lacks the tensor '{name}'") from error

    def _parse(self, text: bytes, start: int, size: int) -> dict[str, tuple[str, tuple[int, ...], int]]:
        found, spans = {}, []
        try:
            entries = json.loads(text)
            metadata = entries.pop("__metadata__", None)
            self.metadata = dict(metadata) if isinstance(metadata, dict) else {}
            for name, entry in entries.items():
                shape = tuple(int(extent) for extent in entry["shape"])
                begin, end = (int(offset) for offset in entry["data_offsets"])
                bits = np.dtype(_NUMPY.get(entry["dtype"], np.uint8)).itemsize
                if min((0, begin, *shape)) < 0 or end - begin != math.prod(shape) * bits:
                    raise ValueError(f"the entry {name!r} contradicts itself")
                found[name] = (entry["dtype"], shape, start + begin)
                spans.append((begin, end))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise self._damaged("its header can't be understood") from error
        expected = 0
        for begin, end in sorted(spans):
            if begin != expected:
                raise self._damaged("its tensors overlap or leave gaps")
            expected = end
        if start + expected != size:
            raise self._damaged(f"it should have {start + expected:,} bytes and has {size:,}")
        return found

    def _damaged(self, how: str) -> CaptureError:
        return CaptureError(
            f"'{self.path}' is cut short or damaged ({how}); copy the capture again, or resume the job that wrote it."
        )


def widened(bits: np.ndarray) -> np.ndarray:
    """The float32 values of bfloat16 bits (uint16), exact and of the same shape."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def as_float32(values: np.ndarray, stored_dtype: str, out: np.ndarray | None = None) -> np.ndarray:
    """Stored values as float32, exact and of the same shape; those of bfloat16 are given as their bits (uint16).

    `out`, C-contiguous float32 of that shape, may be where they are put.
    """
    if stored_dtype == "bfloat16":
        return widened(values)
    if stored_dtype == "float16":
        return widened_halves(values, out)
    return values.astype(np.float32, copy=False)
