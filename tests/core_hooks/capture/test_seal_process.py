"""Shards sealed in a process of its own are those sealed here, and it goes when its job does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from core_hooks.capture.corpus import CorpusText
from core_hooks.capture.corpus_writer import CorpusSite, CorpusWriter
from core_hooks.capture.index import INDEX, CaptureError, IndexFile, read_index, write_index
from core_hooks.capture.row_room import RowRooms
from core_hooks.capture.seal_process import SealProcess
from core_hooks.capture.sealing import SiteRows, laid_out
from core_hooks.capture.shard import ShardFile, ShardWriter, TensorSpec
from core_hooks.capture.shard_plan import plan_shards
from core_hooks.capture.verify import verify_capture
from tests.core_hooks.capture.corpora import CHANNELS, new_index, number_texts, read_numbers, token_values
from tests.core_hooks.capture.test_job import same_files

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory without a name is Linux's")

SITES = [
    CorpusSite("h.0", "after", "float32", "float16", (CHANNELS,)),
    CorpusSite("h.1", "after", "float32", "float32", (CHANNELS,)),
    CorpusSite("h.2", "after", "bfloat16", "bfloat16", (CHANNELS,)),
]


def write(folder: Path, *, elsewhere: bool, shards: int = 100) -> None:
    folder.mkdir()
    index = new_index(SITES)
    write_index(folder, index)
    texts = [CorpusText(n, " ".join(map(str, ids))) for n, ids in enumerate(number_texts(40))]
    writer = CorpusWriter(folder, index, SITES, elsewhere=elsewhere)
    try:
        for number, plan in enumerate(plan_shards(texts, read_numbers, shard_rows=40, context=8)):
            if number == shards:
                return
            writer.begin(plan)
            for window in reversed(range(len(plan.windows))):
                rows = plan.rows_of([window])
                values = token_values(plan.ids[rows])
                bits = (values.view(np.uint32) >> 16).astype(np.uint16)
                writer.write(rows, {"h.0": values.astype(np.float16), "h.1": values, "h.2": bits})
            writer.end()
        writer.finish()
    finally:
        writer.close()


@pytest.fixture
def process() -> Iterator[SealProcess]:
    process = SealProcess(2)
    yield process
    process.close()


@pytest.fixture
def rooms() -> Iterator[RowRooms]:
    rooms = RowRooms(shared=True)
    yield rooms
    rooms.close()


def a_shard(path: Path) -> tuple[ShardWriter, SiteRows]:
    site = SiteRows("h.0", "float32", 5, 2)
    statistics = [("count", "int64"), ("mean", "float64")]
    specs = [TensorSpec("h.0", "float32", (5, 2))]
    specs += [TensorSpec(f"statistics.h.0.{name}", dtype, (2,)) for name, dtype in statistics]
    return ShardWriter(path, specs), site


def test_its_shards_are_byte_for_byte_those_sealed_here(tmp_path: Path) -> None:
    write(tmp_path / "here", elsewhere=False)
    write(tmp_path / "there", elsewhere=True)
    assert len(read_index(tmp_path / "here").shards) > 4
    assert same_files(tmp_path / "here", tmp_path / "there")
    assert not [check for check in verify_capture(tmp_path / "there") if check.problem]


def test_nothing_of_it_is_left_behind_and_no_descriptor_of_its_job(tmp_path: Path) -> None:
    write(tmp_path / "first", elsewhere=True)
    names, held = set(os.listdir("/dev/shm")), len(os.listdir("/proc/self/fd"))
    write(tmp_path / "second", elsewhere=True)
    write(tmp_path / "given up", elsewhere=True, shards=2)
    assert set(os.listdir("/dev/shm")) <= names
    assert len(os.listdir("/proc/self/fd")) == held


def test_that_it_was_killed_is_told(tmp_path: Path, process: SealProcess, rooms: RowRooms) -> None:
    shard, site = a_shard(tmp_path / "s.safetensors")
    room = rooms.take(laid_out(None, [site])[0])
    os.kill(process.number, signal.SIGKILL)
    try:
        with pytest.raises(CaptureError, match=r"was ended \(code -9\).*; resume the job"):
            process.seal(shard, room, [site], 0)
    finally:
        shard.discard()


def test_what_the_disk_said_there_is_raised_here(tmp_path: Path, process: SealProcess, rooms: RowRooms) -> None:
    shard, site = a_shard(tmp_path / "s.safetensors")
    room = rooms.take(laid_out(None, [site])[0])
    laid_out(room.memory, [site])[1][:] = np.arange(5)
    try:
        with Path(f"/proc/self/fd/{shard.descriptor}").open("rb", buffering=0) as unwritable:
            with pytest.raises(OSError, match="Bad file descriptor"):
                process.seal(ShardFile(unwritable, **shard.places()), room, [site], 0)  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="KeyError"):  # what should not happen is told too: no place for m2
            process.seal(shard, room, [site], 0)
    finally:
        shard.discard()


def test_it_ends_with_a_job_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom core_hooks.capture.seal_process import SealProcess\n"
        "print(SealProcess(2).number, flush=True)\ntime.sleep(600)"
    )
    job = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=os.getcwd(), text=True)
    assert job.stdout is not None
    number = int(job.stdout.readline())
    child = psutil.Process(number)
    job.kill()
    job.communicate()
    until = time.monotonic() + 60
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_index_to_which_shards_are_added_is_the_one_written_at_once(tmp_path: Path) -> None:
    write(tmp_path / "c", elsewhere=False)
    index = read_index(tmp_path / "c")
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    file = IndexFile(one)
    for count in (0, 1, 2, len(index.shards), 1, len(index.shards)):
        part = read_index(tmp_path / "c")
        shards = index.shards[:count]
        rows = sum(shard["rows"] for shard in shards)
        sites = [{**site, "shape": [rows, *site["shape"][1:]]} for site in index.sites]
        changed = type(part)(**{**{n: getattr(part, n) for n in part.__slots__}, "shards": shards, "sites": sites})
        file.write(changed)
        write_index(other, changed)
        assert (one / INDEX).read_bytes() == (other / INDEX).read_bytes()
        assert read_index(one) == changed
        assert json.loads((one / INDEX).read_bytes())["shards"] == shards
