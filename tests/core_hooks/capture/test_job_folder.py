"""The folder of a job that was cancelled, ran out of disk, or is somebody else's: nothing in it is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from core_hooks.capture import job as job_module
from core_hooks.capture.folder_lock import FolderLock
from core_hooks.capture.index import CaptureError, read_index
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.reader import open_capture
from core_hooks.capture.verify import verify_capture
from tests.core_hooks.capture.corpora import write_lines
from tests.core_hooks.capture.test_job import LINES, SITES, same_files, settings

if TYPE_CHECKING:
    from pathlib import Path

    from core_hooks.model.opened import OpenedModel


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "_SHARD_BYTES", 1)
    monkeypatch.setattr(job_module, "_SHARD_BATCHES", 2)


def test_a_cancelled_job_resumes_to_the_same_bytes(tmp_path: Path, tiny: OpenedModel) -> None:
    CaptureJob(tiny, settings(tmp_path)).run()
    wanted = settings(tmp_path, out=tmp_path / "again")
    sessions = 0
    while True:
        job = CaptureJob(tiny, wanted)
        seen = 0

        def stop(progress: Any, job: CaptureJob = job) -> None:
            nonlocal seen
            seen += 1
            if seen == 3:
                job.cancel()

        sessions += 1
        result = job.run(stop, resume=True)
        if result.state == "finished":
            break
        with open_capture(tmp_path / "again") as capture:  # as far as it goes it is readable
            assert capture.rows == result.rows
        assert sessions < 50
    assert sessions > 2
    assert same_files(tmp_path / "out", tmp_path / "again")


@pytest.mark.parametrize(
    ("beside", "rooms"),
    [pytest.param(10**9, (0, 1, 30, 77, 200), id="here"), pytest.param(0, (0, 1, 12, 20, 25), id="elsewhere")],
)
def test_a_disk_that_fills_up_at_any_write_loses_no_finished_shard(
    tmp_path: Path, tiny: OpenedModel, monkeypatch: pytest.MonkeyPatch, beside: int, rooms: tuple[int, ...]
) -> None:
    import os

    from core_hooks.capture import shard as shard_module

    monkeypatch.setattr(job_module, "_ELSEWHERE", beside)
    CaptureJob(tiny, settings(tmp_path)).run()
    wanted = settings(tmp_path, out=tmp_path / "again")
    real, room = os.pwrite, 0

    def pwrite(*args: Any) -> int:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(28, os.strerror(28))
        return real(*args)

    monkeypatch.setattr(shard_module.os, "pwrite", pwrite)
    for room in rooms:  # noqa: B007 - how many writes the disk takes
        with pytest.raises(CaptureError, match="no room left|No space left"):
            CaptureJob(tiny, wanted).run(resume=True)
        if (tmp_path / "again" / "capture.json").exists():
            assert not any(check.problem for check in verify_capture(tmp_path / "again"))
        assert not list((tmp_path / "again").glob("*.tmp"))
    room = 10**9
    CaptureJob(tiny, wanted).run(resume=True)
    assert same_files(tmp_path / "out", tmp_path / "again")


def test_two_jobs_never_write_to_one_folder(tmp_path: Path, tiny: OpenedModel) -> None:
    (tmp_path / "out").mkdir()
    with FolderLock(tmp_path / "out"), pytest.raises(CaptureError, match="Another job"):
        CaptureJob(tiny, settings(tmp_path)).run()
    assert CaptureJob(tiny, settings(tmp_path)).run().state == "finished"
    assert not (tmp_path / "out" / ".lock").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, tiny: OpenedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    from core_hooks.capture import folder_lock

    def refuse(*args: object) -> int:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(folder_lock.os, "open", refuse)
    with pytest.raises(CaptureError, match="can't be written"):
        CaptureJob(tiny, settings(tmp_path)).run()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"dtype": "float16"}, "other layers or another dtype"),
        ({"sites": SITES[:1]}, "other layers"),
        ({"batch_tokens": 32}, "other settings"),
        ({"context": 8}, "other settings"),
    ],
)
def test_only_the_same_job_is_resumed(tmp_path: Path, tiny: OpenedModel, changed: dict[str, Any], words: str) -> None:
    first = settings(tmp_path)
    job = CaptureJob(tiny, first)
    assert job.run(lambda progress: job.cancel()).state == "cancelled"
    with pytest.raises(CaptureError, match=words):
        CaptureJob(tiny, replace(first, **changed)).run(resume=True)
    write_lines(first.texts, [*LINES, "one more"])
    with pytest.raises(CaptureError, match="another corpus"):
        CaptureJob(tiny, first).run(resume=True)


def test_an_index_left_by_another_writer_is_not_overwritten(tmp_path: Path, tiny: OpenedModel) -> None:
    CaptureJob(tiny, settings(tmp_path)).run()
    written = read_index(tmp_path / "out")
    with pytest.raises(CaptureError, match="holds a capture already"):
        CaptureJob(tiny, settings(tmp_path)).run()
    assert CaptureJob(tiny, settings(tmp_path)).run(resume=True).state == "finished"
    assert read_index(tmp_path / "out") == written
