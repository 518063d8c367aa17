"""Writing the capture of a corpus, shard by shard, so that whatever is finished stays readable."""

from __future__ import annotations

import errno
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.channel_statistics import ChannelAccumulator, ChannelStatistics
from core_hooks.capture.durable import checksum, sync_folder
from core_hooks.capture.index import CaptureError, CaptureIndex, itemsize, write_index
from core_hooks.capture.mapped_shard import MappedShard, as_float32
from core_hooks.capture.packed_strings import pack
from core_hooks.capture.row_sink import RowSink
from core_hooks.capture.shard import ShardWriter, TensorSpec, write_shard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from core_hooks.capture.shard_plan import ShardPlan

VOCABULARY = "vocabulary.safetensors"
STATISTICS = "statistics.safetensors"
GATHERED = 128 << 20  # bytes of a shard that are put in order in memory before they are written
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
    once: syncing, the checksum and the index are worked on beside the next shard.

    Parameters
    ----------
    index
        Of the unfinished capture: a new one, or the one that lies in the folder.
    """

    def __init__(self, folder: Path, index: CaptureIndex, sites: Sequence[CorpusSite]) -> None:
        self.folder = folder
        self._index = index
        self._sites = tuple(sites)
        self._number = len(index.shards)
        self._plan: ShardPlan | None = None
        self._shard: ShardWriter | None = None
        self._sinks: dict[str, RowSink] = {}
        self._statistics: dict[str, ChannelAccumulator] = {}
        self._sealer = ThreadPoolExecutor(1, "capture-seal")
        self._sealing: Future[None] | None = None

    @property
    def index(self) -> CaptureIndex:
        """The index as it lies in the folder."""
        return self._index

    def begin(self, plan: ShardPlan) -> None:
        """Open the next shard; CaptureError when the disk has no room for it."""
        tables = _tables(plan)
        specs = [TensorSpec(name, values.dtype.name, values.shape) for name, values in tables.items()]
        specs += [TensorSpec(site.tensor, site.stored_dtype, (plan.rows, *site.row_shape)) for site in self._sites]
        self._statistics = {site.site: ChannelAccumulator(site.channels) for site in self._sites}
        for site in self._sites:
            empty = self._statistics[site.site].result().tensors(f"statistics.{site.tensor}")
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

    def write(
        self, rows: np.ndarray, values: Mapping[str, np.ndarray], wide: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Put rows in their place.

        Parameters
        ----------
        rows
            int64, their numbers in the shard; those of one window stand together and follow on each other.
        values
            For each site these rows, [rows, channels] in the stored dtype; bfloat16 as its bits in uint16.
        wide
            The same as float32, where the caller has them.
        """
        assert self._plan is not None
        numbers = rows + self._plan.first_row
        try:
            for site in self._sites:
                stored = values[site.site]
                if stored.shape != (len(rows), site.channels):
                    raise ValueError(f"'{site.site}' gave {stored.shape} where {(len(rows), site.channels)} is needed.")
                self._sinks[site.site].put(rows, stored)
                floats = wide[site.site] if wide is not None else as_float32(stored, site.stored_dtype)
                self._statistics[site.site].add(floats, numbers)
        except OSError as error:
            raise self._refused(error) from error

    def end(self) -> None:
        """Hand the shard over to be synced and listed; raises what sealing the one before it met."""
        assert self._plan is not None
        assert self._shard is not None
        plan, shard, sinks, statistics = self._plan, self._shard, self._sinks, self._statistics
        self.wait()
        self._number += 1
        self._plan, self._shard, self._sinks, self._statistics = None, None, {}, {}
        self._sealing = self._sealer.submit(self._seal, plan, shard, sinks, statistics)

    def wait(self) -> None:
        """Wait until every ended shard is listed; raises what sealing met."""
        sealing, self._sealing = self._sealing, None
        if sealing is not None:
            sealing.result()

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
        self,
        plan: ShardPlan,
        shard: ShardWriter,
        sinks: dict[str, RowSink],
        statistics: Mapping[str, ChannelAccumulator],
    ) -> None:
        try:
            while sinks:
                sinks.popitem()[1].flush()
            for site in self._sites:
                for name, values in statistics[site.site].result().tensors(f"statistics.{site.tensor}").items():
                    shard.write(name, values)
            crc = _synced_checksum(shard)
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
        "texts.record": np.array([text.record for text in plan.texts], np.int64),
    }
    tables["texts.utf8"], tables["texts.offsets"] = pack([text.text for text in plan.texts])
    if any(text.label for text in plan.texts):
        tables["texts.label_utf8"], tables["texts.label_offsets"] = pack([text.label for text in plan.texts])
    return tables


def _synced_checksum(shard: ShardWriter) -> str:
    """Sync the file, and read it meanwhile: the one waits for the disk, the other for the processor."""
    failure: list[BaseException] = []

    def sync() -> None:
        try:
            shard.sync()
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=sync, name="capture-sync")
    thread.start()
    try:
        crc = checksum(shard.temporary)
    finally:
        thread.join()
    if failure:
        raise failure[0]
    return crc


def _nonfinite_note(site: CorpusSite, count: int) -> str:
    note = f"{count:,} values of '{site.site or 'model'}' are NaN or infinite"
    if site.stored_dtype == "float16" and site.dtype != "float16":
        return f"{note} in float16; capture it as bfloat16 or float32 if the model's are not."
    return f"{note}."
