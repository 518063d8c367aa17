"""Walks through big arrays in pieces that stay in the processor's cache, so that none is ever copied whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

# 65,536 values are 256 KiB as float32 and 512 KiB as float64: they fit in the second-level cache.
BLOCK = 1 << 16


def flat_blocks(values: np.ndarray, size: int = BLOCK) -> Iterator[np.ndarray]:
    """The values of a two-dimensional array as one-dimensional pieces of at most `size`, without copying it whole."""
    if values.flags.c_contiguous:
        flat = values.reshape(-1)
        for start in range(0, flat.size, size):
            yield flat[start : start + size]
        return
    for block in row_blocks(values, size):
        yield from flat_blocks(np.ascontiguousarray(block), size)


def row_blocks(values: np.ndarray, size: int = BLOCK, multiple: int = 1) -> Iterator[np.ndarray]:
    """Whole rows in pieces of about `size` values, the number of rows a multiple of `multiple` but at the end."""
    step = max(1, size // max(1, values.shape[1]) // multiple) * multiple
    for start in range(0, values.shape[0], step):
        yield values[start : start + step]


def sampled(values: np.ndarray, at_most: int) -> np.ndarray:
    """Every n-th value in reading order, `at_most` of them, as a one-dimensional array."""
    if values.size <= at_most:
        return values.reshape(-1)
    step = -(-values.size // at_most)
    # A step that shares a factor with the row length would visit the same few columns again and again.
    while np.gcd(step, values.shape[-1]) != 1:
        step += 1
    if values.flags.c_contiguous:
        return values.reshape(-1)[::step]
    places = np.arange(0, values.size, step)
    return np.asarray(values[places // values.shape[1], places % values.shape[1]])


def real(block: np.ndarray) -> np.ndarray:
    """A piece in the narrowest type of full speed that holds its values: float64 for wide types, else float32."""
    wide = block.dtype.kind in "iu" and block.dtype.itemsize > 2
    return block.astype(np.float64 if wide or block.dtype.itemsize == 8 else np.float32, copy=False)
