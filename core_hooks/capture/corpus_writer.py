"""Writing the capture of a corpus, shard by shard, so that whatever is finished stays readable."""

from __future__ import annotations

import errno
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.channel_statistics import ChannelAccumulator, ChannelStatistics
from core_hooks.capture.durable import checksum, sync_folder
from core_hooks.capture.index import (
    STATISTICS,
    VOCABULARY,
    CaptureError,
    CaptureIndex,
    itemsize,
    write_index,
)
from core_hooks.capture.mapped_shard import MappedShard, as_float32
from core_hooks.capture.packed_strings import pack
from core_hooks.capture.row_sink import RowSink
from core_hooks.capture.shard import ShardWriter, TensorSpec, write_shard
from core_hooks.capture.threads import Beside, give_way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from core_hooks.capture.shard_plan import ShardPlan

    Widen = Callable[[np.ndarray, str, np.ndarray], np.ndarray]

GATHERED = 128 << 20  # bytes of a shard that are put in order in memory before they are written
_SEALED = 2  # shards that are finished at a time: the one waits for the disk while the other is worked on
_WIDENED = 1 << 22  # values that are made float32 at a time
_RESERVED = ("rows.", "texts.", "statistics.")


@dataclass(frozen=True, slots=True)
class CorpusSite:
    """A site whose values are captured, a row a token.

    Attributes
    ----------
    dtype, stored_dtype
        What the model gives and what the shards hold: ``"float32"``, ``"float16"`` or ``"bfloat16"`` for the latter.
    row_shape
        Shape of one token's values, mostly ``(channels,)``.
    """

    site: str
    stage: str
    dtype: str
    stored_dtype: str
    row_shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Values of one row."""
        return int(np.prod(self.row_shape))

    @property
    def row_bytes(self) -> int:
        """Bytes of one row on disk."""
        return self.channels * itemsize(self.stored_dtype)

    @property
    def tensor(self) -> str:
        """Name of its tensor in every shard."""
        name = self.site or "model"
        return f"site.{name}" if name.startswith(_RESERVED) else name

    def as_json(self, rows: int) -> dict[str, Any]:
        """Its entry in the index of a capture with so many rows."""
        return {
            "site": self.site,
            "stage": self.stage,
            "dtype": self.dtype,
            "stored_dtype": self.stored_dtype,
            "shape": [rows, *self.row_shape],
            "tensor": self.tensor,
        }


class CorpusWriter:
    """Writes shards into a folder that the caller holds the lock of.

    A shard is announced with `begin`, filled with `write` in any order, and closed with `end`, which returns at
    once: statistics, syncing, the checksum and the index are worked on beside the next shards.

    Parameters
    ----------
    index
        Of the unfinished capture: a new one, or the one that lies in the folder.
    widen
        Makes stored values float32, as `as_float32` does.
    """

    def __init__(
        self, folder: Path, index: CaptureIndex, sites: Sequence[CorpusSite], widen: Widen = as_float32
    ) -> None:
        self.folder = folder
        self._widen = widen
        self._index = index
        self._sites = tuple(sites)
        self._number = len(index.shards)
        self._plan: ShardPlan | None = None
        self._shard: ShardWriter | None = None
        self._sinks: dict[str, RowSink] = {}
        self._sealer = ThreadPoolExecutor(_SEALED, "capture-seal", initializer=give_way)
        self._sealing: deque[Future[None]] = deque()

    @property
    def index(self) -> CaptureIndex:
        """The index as it lies in the folder."""
        return self._index

    def begin(self, plan: ShardPlan) -> None:
        """Open the next shard; CaptureError when the disk has no room for it."""
        tables = _tables(plan)
        specs = [TensorSpec(name, values.dtype.name, values.shape) for name, values in tables.items()]
        specs += [TensorSpec(site.tensor, site.stored_dtype, (plan.rows, *site.row_shape)) for site in self._sites]
        for site in self._sites:
            empty = ChannelStatistics.of_nothing(site.channels).tensors(f"statistics.{site.tensor}")
            specs += [TensorSpec(name, values.dtype.name, values.shape) for name, values in empty.items()]
        try:
            self._shard = ShardWriter(self.folder / f"shard-{self._number:05d}.safetensors", specs)
            for name, values in tables.items():
                self._shard.write(name, values)
        except OSError as error:
            raise self._refused(error) from error
        gather = plan.rows * sum(site.row_bytes for site in self._sites) <= GATHERED
        self._sinks = {
            site.site: RowSink(self._shard, site.tensor, (plan.rows, site.channels), site.stored_dtype, gather=gather)
            for site in self._sites
        }
        self._plan = plan

    def write(self, rows: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Put rows in their place.

        Parameters
        ----------
        rows
            int64, their numbers in the shard; those of one window stand together and follow on each other.
        values
            For each site these rows, [rows, channels] in the stored dtype; bfloat16 as its bits in uint16.
        """
        assert self._plan is not None
        try:
            for site in self._sites:
                stored = values[site.site]
                if stored.shape != (len(rows), site.channels):
                    raise ValueError(f"'{site.site}' gave {stored.shape} where {(len(rows), site.channels)} is needed.")
                self._sinks[site.site].put(rows, stored)
        except OSError as error:
            raise self._refused(error) from error

    def end(self) -> None:
        """Hand the shard over to be synced and listed; raises what sealing one before it met."""
        assert self._plan is not None
        assert self._shard is not None
        plan, shard, sinks = self._plan, self._shard, self._sinks
        while len(self._sealing) >= _SEALED:
            self._sealing.popleft().result()
        self._number += 1
        self._plan, self._shard, self._sinks = None, None, {}
        before = self._sealing[-1] if self._sealing else None
        self._sealing.append(self._sealer.submit(self._seal, plan, shard, sinks, before))

    def wait(self) -> None:
        """Wait until every ended shard is listed; raises what sealing met."""
        while self._sealing:
            self._sealing.popleft().result()

    def finish(self) -> CaptureIndex:
        """Write the statistics over all shards and mark the capture as finished."""
        self.wait()
        parts = [MappedShard(self.folder / shard["file"]) for shard in self._index.shards]
        tensors: dict[str, np.ndarray] = {}
        notes = []
        for site in self._sites:
            prefix = f"statistics.{site.tensor}"
            found = [ChannelStatistics.of_tensors(prefix, part.tensor) for part in parts]
            total = ChannelStatistics.merged([ChannelStatistics.of_nothing(site.channels), *found])
            tensors.update(total.tensors(site.tensor))
            lost = int(total.nonfinite.sum())
            if lost:
                notes.append(_nonfinite_note(site, lost))
        path = self.folder / STATISTICS
        try:
            nbytes = write_shard(path, tensors)
            entry = {"bytes": nbytes, "crc32": checksum(path)}
            index = replace(
                self._index,
                finished=True,
                files={**self._index.files, STATISTICS: entry},
                notes=[*self._index.notes, *notes],
            )
            write_index(self.folder, index)
        except OSError as error:
            raise self._refused(error) from error
        self._index = index
        return index

    def close(self) -> None:
        """Give up the shard at hand; those that were ended are still listed. Calling it again does nothing."""
        self._sealer.shutdown(wait=True)
        if self._shard is not None:
            self._shard.discard()
            self._shard = None

    def _seal(
        self, plan: ShardPlan, shard: ShardWriter, sinks: dict[str, RowSink], before: Future[None] | None
    ) -> None:
        try:
            for sink in sinks.values():
                sink.flush()
            crcs = {}
            # The one waits for the disk, the other for the processor.
            with Beside(shard.sync):
                for site in self._sites:
                    values = sinks.pop(site.site).values
                    crcs[site.tensor] = zlib.crc32(values.reshape(-1).view(np.uint8).data)
                    found = self._statistics(site, values, plan.first_row).tensors(f"statistics.{site.tensor}")
                    for name, numbers in found.items():
                        shard.write(name, numbers)
            crc = shard.checksum(crcs)
            if before is not None:
                before.result()  # shards are listed in order
            shard.finish()
            sync_folder(self.folder)
            entry = {
                "file": shard.path.name,
                "bytes": shard.nbytes,
                "crc32": crc,
                "rows": plan.rows,
                "first_row": plan.first_row,
                "texts": len(plan.texts),
                "first_text": plan.first_text,
                "empty": plan.empty,
                "next": plan.next.as_json(),
            }
            index = replace(
                self._index,
                shards=[*self._index.shards, entry],
                sites=[site.as_json(plan.first_row + plan.rows) for site in self._sites],
            )
            write_index(self.folder, index)
        except OSError as error:
            raise self._refused(error) from error
        finally:
            shard.discard()
        self._index = index

    def _statistics(self, site: CorpusSite, stored: np.ndarray, first_row: int) -> ChannelStatistics:
        rows, channels = stored.shape
        step = max(1, _WIDENED // max(1, channels))
        room = np.empty((min(step, rows), channels), np.float32)  # fresh memory for each piece would cost more
        found = ChannelAccumulator(channels)
        for start in range(0, rows, step):
            piece = stored[start : start + step]
            wide = self._widen(piece, site.stored_dtype, room[: len(piece)])
            found.add(wide, np.arange(first_row + start, first_row + start + len(piece)))
        return found.result()

    def _refused(self, error: OSError) -> CaptureError:
        done = len(self._index.shards)
        kept = f"{done:,} finished shards" if done != 1 else "one finished shard"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return CaptureError(
                f"There is no room left on the disk of '{self.folder}'; free some and resume: {kept} stay."
            )
        return CaptureError(
            f"'{self.folder}' can't be written ({error.strerror or error}); mend that and resume: {kept} stay."
        )


def write_vocabulary(folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    """Write the text of every token id and return the file's entry in the index."""
    data, offsets = pack(texts)
    path = folder / VOCABULARY
    nbytes = write_shard(path, {"vocabulary.offsets": offsets, "vocabulary.utf8": data})
    return {"bytes": nbytes, "crc32": checksum(path)}


def _tables(plan: ShardPlan) -> dict[str, np.ndarray]:
    """What a shard knows of its rows and of the texts that begin in it."""
    lengths = plan.lengths
    tables = {
        "rows.token_id": plan.ids,
        "rows.text": np.repeat(plan.numbers, lengths),
        "rows.position": (np.arange(plan.rows) - np.repeat(plan.starts[:-1] - plan.firsts, lengths)).astype(np.int32),
        "texts.record": plan.texts.records,
        "texts.utf8": plan.texts.data,
        "texts.offsets": plan.texts.offsets,
    }
    if len(plan.texts.label_offsets) > 1:
        tables["texts.label_utf8"], tables["texts.label_offsets"] = plan.texts.label_data, plan.texts.label_offsets
    return tables


def _nonfinite_note(site: CorpusSite, count: int) -> str:
    note = f"{count:,} values of '{site.site or 'model'}' are NaN or infinite"
    if site.stored_dtype == "float16" and site.dtype != "float16":
        return f"{note} in float16; capture it as bfloat16 or float32 if the model's are not."
    return f"{note}."
