"""Many strings in two tensors: their UTF-8 bytes one behind the other, and where each begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def pack(strings: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The bytes, uint8 [bytes], and the offsets, int64 [strings + 1]; string i lies between offsets i and i + 1."""
    encoded = [string.encode("utf-8", "replace") for string in strings]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(piece) for piece in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


def unpack(data: np.ndarray, offsets: np.ndarray, index: int) -> str:
    """String `index`; offsets that a damaged file holds give what text there is, never anything outside `data`."""
    begin, end = int(offsets[index]), int(offsets[index + 1])
    return data[max(0, begin) : max(0, end)].tobytes().decode("utf-8", "replace")
