"""What a shard needs once all of its rows are there: its statistics, its checksum, and to be synced."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.channel_statistics import ChannelAccumulator, ChannelStatistics
from core_hooks.capture.threads import Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core_hooks.capture.row_room import RowRoom
    from core_hooks.capture.shard import ShardFile

    Widen = Callable[[np.ndarray, str, np.ndarray], np.ndarray]

_NUMPY = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}
_ALIGNED = 64
_ORDERED = 1 << 22  # bytes that are put in order at a time
_WIDENED = 1 << 22  # values that are made float32 at a time


@dataclass(frozen=True, slots=True)
class SiteRows:
    """The rows of one site of a shard: what the shard calls them, and what they are."""

    tensor: str
    stored_dtype: str
    rows: int
    channels: int

    @property
    def dtype(self) -> np.dtype:
        """As numpy reads them."""
        return np.dtype(_NUMPY[self.stored_dtype])

    @property
    def nbytes(self) -> int:
        """Of all of them."""
        return self.rows * self.channels * self.dtype.itemsize


def laid_out(memory: np.ndarray | None, sites: Sequence[SiteRows]) -> tuple[int, np.ndarray, list[np.ndarray]]:
    """How a shard's rows lie in a room, in the order in which they came.

    Returns
    -------
    int, ndarray, list of ndarray
        Bytes needed; the number in the shard of each row, int64 [rows]; of each site the rows, [rows, channels]. The
        latter two are views of `memory`, empty without one.
    """
    count = sites[0].rows
    ends = list(accumulate([8 * count, *(-(-site.nbytes // _ALIGNED) * _ALIGNED for site in sites)]))
    if memory is None:
        return ends[-1], np.empty(0, np.int64), []
    values = [
        memory[begin : begin + site.nbytes].view(site.dtype).reshape(site.rows, site.channels)
        for site, begin in zip(sites, ends[:-1], strict=True)
    ]
    return ends[-1], memory[: 8 * count].view(np.int64), values


def seal(shard: ShardFile, room: RowRoom | None, sites: Sequence[SiteRows], first_row: int, widen: Widen) -> str:
    """Write rows in order, with their statistics; sync the values; return the CRC-32 of the file.

    Parameters
    ----------
    room
        Where the rows are, in the order in which they came; None when they were written to their places already.
    first_row
        Number in the capture of the shard's first row.
    widen
        Makes stored values float32, as `core_hooks.capture.mapped_shard.as_float32` does.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    if room is not None:
        _, numbers, came = laid_out(room.memory, sites)
        order = np.empty(len(numbers), np.int64)
        order[numbers] = np.arange(len(numbers))
        for site, values in zip(sites, came, strict=True):
            _write_in_order(shard, site, values, order)
    crcs = {}
    # The one waits for the disk, the other for the processor.
    with Beside(shard.sync):
        for site in sites:
            # Straight from the system's cache, so that nobody holds a copy.
            values = shard.mapped(site.tensor, (site.rows, site.channels), site.dtype)
            crcs[site.tensor] = zlib.crc32(values.reshape(-1).view(np.uint8).data)
            found = statistics_of(values, site.stored_dtype, first_row, widen)
            for name, numbers in found.tensors(f"statistics.{site.tensor}").items():
                shard.write(name, numbers)
    return shard.checksum(crcs)


def _write_in_order(shard: ShardFile, site: SiteRows, came: np.ndarray, order: np.ndarray) -> None:
    row = site.channels * site.dtype.itemsize
    if not row:
        return
    step = max(1, _ORDERED // row)
    rows = came.view(f"V{row}").reshape(-1)  # a row is moved as one thing, faster than its values
    piece = np.empty(min(step, len(rows)), rows.dtype)
    for start in range(0, len(rows), step):
        wanted = order[start : start + step]
        found = np.take(rows, wanted, out=piece[: len(wanted)], mode="clip")  # raising would need a copy
        shard.write(site.tensor, found.view(np.uint8), start * row)


def statistics_of(stored: np.ndarray, stored_dtype: str, first_row: int, widen: Widen) -> ChannelStatistics:
    """Statistics of each channel over [rows, channels] as they are stored; `first_row` is the number of the first."""
    rows, channels = stored.shape
    step = max(1, _WIDENED // max(1, channels))
    room = np.empty((min(step, rows), channels), np.float32)  # fresh memory for each piece would cost more
    found = ChannelAccumulator(channels)
    for start in range(0, rows, step):
        piece = stored[start : start + step]
        wide = widen(piece, stored_dtype, room[: len(piece)])
        found.add(wide, np.arange(first_row + start, first_row + start + len(piece)))
    return found.result()
