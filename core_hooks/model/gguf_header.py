"""The header of a GGUF file, walked through and checked without reading a weight.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

# Sizes in bytes of the value types with a fixed one; 8 is a string and 9 an array.
_FIXED = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_DEEPEST = 4  # arrays of arrays are allowed; no writer nests them


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header of a GGUF file says.

    Attributes
    ----------
    architecture
        ``general.architecture``, e.g. ``"llama"``.
    tensors
        Shape by tensor name, the slowest dimension first as in torch.
    nbytes
        Size of the stored weights.
    """

    architecture: str
    tensors: dict[str, tuple[int, ...]]
    nbytes: int


def read_gguf_header(path: Path) -> GgufHeader:
    """Return what the header of the GGUF file at `path` says, checked against the size of the file.

    Raises
    ------
    ModelError
        The file can't be read, is no GGUF, or is truncated or damaged.
    """
    from gguf.constants import GGML_QUANT_SIZES

    try:
        with path.open("rb") as file:
            reader = _Reader(file, path.stat().st_size)
            if file.read(4) != b"GGUF":
                raise ModelError(f"{path} is not a GGUF file; check that it was downloaded whole.")
            version, tensor_count, value_count = reader.unpack("<IQQ")
            if version not in (2, 3):
                raise ModelError(f"{path} is of GGUF version {version}; convert it to version 3.")
            architecture, alignment = "", 32
            for _ in range(value_count):
                key = reader.text()
                (kind,) = reader.unpack("<I")
                if key == b"general.architecture" and kind == _STRING:
                    architecture = reader.text().decode("utf-8", "replace")
                elif key == b"general.alignment" and kind == _UINT32:
                    (alignment,) = reader.unpack("<I")
                else:
                    reader.skip_value(kind)
            tensors: dict[str, tuple[int, ...]] = {}
            total = end = 0
            for _ in range(tensor_count):
                name = reader.text().decode("utf-8")
                (dimensions,) = reader.unpack("<I")
                if dimensions > 8:
                    raise ValueError(f"tensor {name!r} has {dimensions} dimensions")
                shape = reader.unpack(f"<{dimensions}Q")
                kind, offset = reader.unpack("<IQ")
                block, block_bytes = GGML_QUANT_SIZES[kind]  # type: ignore[index]
                nbytes = math.prod(shape) // block * block_bytes
                total += nbytes
                end = max(end, offset + nbytes)
                tensors[name] = tuple(reversed(shape))
            start = math.ceil(file.tell() / alignment) * alignment
    except OSError as error:
        raise ModelError(f"{path} can't be read ({error.strerror or error}); check its permissions.") from error
    except (ValueError, KeyError, struct.error, ZeroDivisionError, OverflowError, MemoryError) as error:
        raise ModelError(
            f"{path} is truncated or damaged (its header can't be understood); download or copy it again."
        ) from error
    if start + end > reader.size or not tensors:
        raise ModelError(
            f"{path} is truncated or damaged (it should have {start + end:,} bytes and has {reader.size:,}); "
            "download or copy it again."
        )
    if not architecture:
        raise ModelError(f"{path} does not name its architecture; download or convert it again.")
    return GgufHeader(architecture, tensors, total)


class _Reader:
    """Reads the values of a header and never past the end of the file, however long a value claims to be."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))

    def text(self) -> bytes:
        (length,) = self.unpack("<Q")
        self._check(length)
        return self._file.read(length)

    def skip_value(self, kind: int, depth: int = 0) -> None:
        if kind == _STRING:
            (length,) = self.unpack("<Q")
            self._skip(length)
        elif kind == _ARRAY and depth < _DEEPEST:
            inner, count = self.unpack("<IQ")
            if inner in _FIXED:
                self._skip(count * _FIXED[inner])
            else:
                for _ in range(count):
                    self.skip_value(inner, depth + 1)
        else:
            self._skip(_FIXED[kind])

    def _skip(self, length: int) -> None:
        self._check(length)
        self._file.seek(length, 1)

    def _check(self, length: int) -> None:
        if length > self.size - self._file.tell():
            raise ValueError("a value reaches past the end of the file")
