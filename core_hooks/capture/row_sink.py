"""Rows that come in the order of the batches, written to their places in the shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core_hooks.capture.shard import ShardFile


class RowSink:
    """Writes rows of one tensor of a shard, in any order, a run of them that follow on each other at a time."""

    def __init__(self, shard: ShardFile, tensor: str) -> None:
        self._shard, self._tensor = shard, tensor

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Take some rows, [rows, channels] in the stored dtype; OSError when the disk refuses."""
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        begin = 0
        for end in (*breaks.tolist(), len(rows)):
            run = values[begin:end]
            self._shard.write(self._tensor, run, int(rows[begin]) * values.itemsize * values.shape[1])
            begin = end
