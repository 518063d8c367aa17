"""Writing the capture of a corpus, shard by shard, so that whatever is finished stays readable."""

from __future__ import annotations

import errno
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.channel_statistics import ChannelStatistics
from core_hooks.capture.durable import checksum, sync_folder
from core_hooks.capture.index import (
    STATISTICS,
    VOCABULARY,
    CaptureError,
    CaptureIndex,
    IndexFile,
    itemsize,
)
from core_hooks.capture.mapped_shard import MappedShard, as_float32
from core_hooks.capture.packed_strings import pack
from core_hooks.capture.row_room import RowRooms, can_share
from core_hooks.capture.row_sink import RowSink
from core_hooks.capture.seal_process import SealProcess
from core_hooks.capture.sealing import SiteRows, laid_out, seal
from core_hooks.capture.shard import ShardWriter, TensorSpec, write_shard
from core_hooks.capture.threads import give_way

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from core_hooks.capture.row_room import RowRoom
    from core_hooks.capture.sealing import Widen
    from core_hooks.capture.shard_plan import ShardPlan

GATHERED = 128 << 20  # bytes of a shard that are kept in memory until it is sealed
SEALED = 2  # shards that are finished at a time: the one waits for the disk while the other is worked on
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


class _Filling:
    """A shard that is being filled: `room` holds its rows until it is sealed, or `shard` is written to as they come."""

    def __init__(
        self, plan: ShardPlan, sites: tuple[SiteRows, ...], room: RowRoom | None, shard: ShardWriter | None
    ) -> None:
        self.plan, self.sites, self.room, self.shard = plan, sites, room, shard
        self._rows = 0  # in the room so far
        _, self._numbers, self._values = laid_out(None if room is None else room.memory, sites)

    def places(self, rows: np.ndarray) -> list[np.ndarray] | None:
        """Where the values of these rows belong in the room, behind those that came before; None without one."""
        if self.room is None:
            return None
        here = slice(self._rows, self._rows + len(rows))
        self._numbers[here] = rows
        self._rows += len(rows)
        return [came[here] for came in self._values]


class CorpusWriter:
    """Writes shards into a folder that the caller holds the lock of.

    A shard is announced with `begin`, filled with `write` in any order, and closed with `end`, which returns at
    once: statistics, syncing, the checksum and the index are worked on beside the next shards.

    Rows are kept in memory and put in order by who seals the shard, which short texts of narrow layers need to reach
    the disk's bandwidth; those of shards that would take too much memory are written to their places as they come.

    Parameters
    ----------
    index
        Of the unfinished capture: a new one, or the one that lies in the folder.
    widen
        Makes stored values float32, as `as_float32` does.
    elsewhere
        Seal shards in a process of its own where the system can do it, for a model that Python's lock would hold up.
    """

    def __init__(
        self,
        folder: Path,
        index: CaptureIndex,
        sites: Sequence[CorpusSite],
        widen: Widen = as_float32,
        *,
        elsewhere: bool = False,
    ) -> None:
        self.folder = folder
        self._widen = widen
        self._index = index
        self._file = IndexFile(folder)
        self._sites = tuple(sites)
        self._number = len(index.shards)
        self._filling: _Filling | None = None
        self._process = SealProcess(SEALED) if elsewhere and can_share() else None
        self._rooms = RowRooms(shared=self._process is not None)
        self._sealer = ThreadPoolExecutor(SEALED, "capture-seal", initializer=give_way)
        self._sealing: deque[Future[None]] = deque()

    @property
    def index(self) -> CaptureIndex:
        """The index as it lies in the folder."""
        return self._index

    def begin(self, plan: ShardPlan) -> None:
        """Open the next shard; CaptureError when there is no room for it."""
        sites = tuple(SiteRows(site.tensor, site.stored_dtype, plan.rows, site.channels) for site in self._sites)
        needed, _, _ = laid_out(None, sites)
        try:
            if needed <= GATHERED:
                room, shard = self._rooms.take(needed), None
            else:
                room, shard = None, self._opened(plan, self._number)
        except OSError as error:
            raise self._refused(error) from error
        self._filling = _Filling(plan, sites, room, shard)

    def places(self, rows: np.ndarray) -> dict[str, np.ndarray] | None:
        """Where to put the values of the rows that come next, instead of giving them to `write`.

        They have the shape and dtype that `write` wants. None when rows are written to the disk as they come.
        """
        assert self._filling is not None
        found = self._filling.places(rows)
        return None if found is None else dict(zip([site.site for site in self._sites], found, strict=True))

    def write(self, rows: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Put rows in their place.

        Parameters
        ----------
        rows
            int64, their numbers in the shard; those of one window stand together and follow on each other.
        values
            For each site these rows, [rows, channels] in the stored dtype; bfloat16 as its bits in uint16.
        """
        assert self._filling is not None
        for site in self._sites:
            shape = values[site.site].shape
            if shape != (len(rows), site.channels):
                raise ValueError(f"'{site.site}' gave {shape} where {(len(rows), site.channels)} is needed.")
        places, shard = self.places(rows), self._filling.shard
        if places is not None:
            for name, place in places.items():
                place[:] = values[name]
        elif shard is not None:
            try:
                for site in self._sites:
                    RowSink(shard, site.tensor).put(rows, values[site.site])
            except OSError as error:
                raise self._refused(error) from error

    def end(self) -> None:
        """Hand the shard over to be synced and listed; raises what sealing one before it met."""
        filling = self._filling
        assert filling is not None
        while len(self._sealing) >= SEALED:
            self._sealing.popleft().result()
        self._filling = None
        before = self._sealing[-1] if self._sealing else None
        self._sealing.append(self._sealer.submit(self._seal, filling, self._number, before))
        self._number += 1

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
            self._file.write(index)
        except OSError as error:
            raise self._refused(error) from error
        self._index = index
        return index

    def close(self) -> None:
        """Give up the shard at hand; those that were ended are still listed. Calling it again does nothing."""
        self._sealer.shutdown(wait=True)
        if self._filling is not None and self._filling.shard is not None:
            self._filling.shard.discard()
        self._filling = None
        if self._process is not None:
            self._process.close()
        self._rooms.close()

    def _opened(self, plan: ShardPlan, number: int) -> ShardWriter:
        """The file of a shard, with everything in it but the values and their statistics."""
        tables = _tables(plan)
        specs = [TensorSpec(name, values.dtype.name, values.shape) for name, values in tables.items()]
        specs += [TensorSpec(site.tensor, site.stored_dtype, (plan.rows, *site.row_shape)) for site in self._sites]
        for site in self._sites:
            empty = ChannelStatistics.of_nothing(site.channels).tensors(f"statistics.{site.tensor}")
            specs += [TensorSpec(name, values.dtype.name, values.shape) for name, values in empty.items()]
        shard = ShardWriter(self.folder / f"shard-{number:05d}.safetensors", specs)
        try:
            for name, values in tables.items():
                shard.write(name, values)
        except BaseException:
            shard.discard()
            raise
        return shard

    def _seal(self, filling: _Filling, number: int, before: Future[None] | None) -> None:
        plan, room, shard = filling.plan, filling.room, filling.shard
        try:
            if shard is None:
                shard = self._opened(plan, number)
            if self._process is not None and room is not None:
                crc = self._process.seal(shard, room, filling.sites, plan.first_row)
            else:
                crc = seal(shard, room, filling.sites, plan.first_row, self._widen)
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
            self._file.write(index)
        except OSError as error:
            raise self._refused(error) from error
        finally:
            if shard is not None:
                shard.discard()
            if room is not None:
                self._rooms.give_back(room)
        self._index = index

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
