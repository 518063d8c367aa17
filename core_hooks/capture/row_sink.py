"""Rows that come in the order of the batches, put into the order of the shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core_hooks.capture.shard import ShardWriter

_NUMPY = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


class RowSink:
    """The rows of one tensor of a shard, in any order.

    Parameters
    ----------
    shape
        Rows and channels of the tensor.
    gather
        Put the rows in order in memory and write them with one call at the end, which short texts of narrow layers
        need to reach the disk's bandwidth; otherwise each run of rows is written to its place as it comes.
    """

    def __init__(
        self, shard: ShardWriter, tensor: str, shape: tuple[int, int], stored_dtype: str, *, gather: bool
    ) -> None:
        self._shard, self._tensor = shard, tensor
        self._shape, self._dtype = shape, _NUMPY[stored_dtype]
        self._gathered = np.empty(shape, self._dtype) if gather else None

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Take some rows, [rows, channels] in the stored dtype; OSError when the disk refuses."""
        if self._gathered is not None:
            self._gathered[rows] = values
            return
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        begin = 0
        for end in (*breaks.tolist(), len(rows)):
            run = values[begin:end]
            self._shard.write(self._tensor, run, int(rows[begin]) * values.itemsize * values.shape[1])
            begin = end

    def flush(self) -> None:
        """Write what was gathered; OSError when the disk refuses."""
        if self._gathered is not None:
            self._shard.write(self._tensor, self._gathered)

    @property
    def values(self) -> np.ndarray:
        """All rows, [rows, channels] in the order of the shard, after `flush`."""
        if self._gathered is not None:
            return self._gathered
        # Straight from the system's cache: who wrote runs of rows to their places holds none of them.
        return self._shard.mapped(self._tensor, self._shape, self._dtype)
