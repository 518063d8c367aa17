"""The power goes at every instant of writing a capture, and the disk keeps as little as it may, or the wrong half."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core_hooks.capture import durable
from core_hooks.capture.corpus import CorpusText
from core_hooks.capture.corpus_writer import CorpusSite, CorpusWriter
from core_hooks.capture.durable import make_folder
from core_hooks.capture.index import INDEX, read_index, write_index
from core_hooks.capture.reader import open_capture
from core_hooks.capture.shard_plan import Place, plan_shards
from core_hooks.capture.verify import verify_capture
from tests.core_hooks.capture.corpora import CHANNELS, new_index, number_texts, read_numbers, token_values
from tests.core_hooks.capture.test_job import same_files

TEXTS = [CorpusText(n, " ".join(map(str, ids))) for n, ids in enumerate(number_texts(25))]
SITE = CorpusSite("h.0", "after", "float32", "float16", (CHANNELS,))
Files = dict[str, bytes]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders are synced on POSIX only")


def write_all(folder: Path) -> None:
    """Begin a capture or go on with it, as a job does."""
    for entry in folder.glob("*.tmp"):
        entry.unlink()
    index = read_index(folder) if (folder / INDEX).exists() else new_index([SITE])
    if not index.shards:
        write_index(folder, index)
    place = Place(**index.shards[-1]["next"]) if index.shards else Place()
    writer = CorpusWriter(folder, index, [SITE])
    try:
        plans = plan_shards(
            TEXTS[place.record :], read_numbers, shard_rows=40, context=8, first_row=index.rows, place=place
        )
        for plan in plans if not index.finished else ():
            writer.begin(plan)
            writer.write(np.arange(plan.rows), {"h.0": token_values(plan.ids).astype(np.float16)})
            writer.end()
        if not index.finished:
            writer.finish()
    finally:
        writer.close()


class Disk:
    """Watches one folder: what has been synced, under which names, and every state that a crash could leave."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.states: dict[str, list[Files]] = {"least": [], "names only": [], "data only": [], "all": []}
        self._lock = threading.RLock()
        self._synced: dict[int, bytes] = {}
        self._names: dict[str, int] = {}  # that would be there after a crash
        self._held: dict[int, int] = {}  # a descriptor of every file there ever was, so that no number is used twice
        fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

        def watched_fsync(descriptor: int) -> None:
            with self._lock:
                self.note()
                fsync(descriptor)
                if os.path.isdir(f"/proc/self/fd/{descriptor}"):
                    if os.path.samestat(os.fstat(descriptor), self.folder.stat()):
                        self._names = self._live()
                else:
                    number = os.fstat(descriptor).st_ino
                    self._live()
                    self._synced[number] = self._content(number)
                self.note()

        def watched_replace(path: Path, target: Any) -> Path:
            with self._lock:
                self.note()
                made = replace(path, target)
                self.note()
                return made

        def watched_unlink(path: Path, missing_ok: bool = False) -> None:
            with self._lock:
                self._live()
                unlink(path, missing_ok=missing_ok)
                self.note()

        monkeypatch.setattr(os, "fsync", watched_fsync)
        monkeypatch.setattr(Path, "replace", watched_replace)
        monkeypatch.setattr(Path, "unlink", watched_unlink)

    def note(self) -> None:
        """Add what a crash now could leave."""
        live = self._live()
        for kind, names, data in (
            ("least", self._names, self._synced), ("names only", live, self._synced),
            ("data only", self._names, None), ("all", live, None),
        ):  # fmt: skip
            files = {
                name: self._content(number) if data is None else data.get(number, b"") for name, number in names.items()
            }
            if not self.states[kind] or self.states[kind][-1] != files:
                self.states[kind].append(files)

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def _live(self) -> dict[str, int]:
        names = {}
        for entry in os.scandir(self.folder):
            descriptor = os.open(entry.path, os.O_RDONLY)
            number = os.fstat(descriptor).st_ino
            names[entry.name] = number
            if number in self._held:
                os.close(descriptor)
            else:
                self._held[number] = descriptor
        return names

    def _content(self, number: int) -> bytes:
        descriptor = self._held[number]
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def test_whatever_a_crash_leaves_is_readable_and_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    with pytest.MonkeyPatch.context() as patches:
        make_folder(folder)
        disk = Disk(folder, patches)
        write_all(folder)
        disk.note()
    disk.close()
    assert len(read_index(folder).shards) > 3
    number = 0
    for kind, states in disk.states.items():
        assert len(states) > 5, kind
        listed = 0
        for files in states:
            number += 1
            left = tmp_path / str(number)
            left.mkdir()
            for name, content in files.items():
                (left / name).write_bytes(content)
            if INDEX in files:
                assert not [check for check in verify_capture(left) if check.problem], kind
                with open_capture(left) as capture:
                    assert capture.rows >= listed, kind  # what was listed once stays
                    listed = capture.rows
                    capture.read("h.0", 0, capture.rows)
            else:
                assert not listed, kind
            write_all(left)
            assert same_files(left, folder), kind


def test_an_index_that_is_written_without_a_sync_would_be_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watched disk is no good if it can't tell a writer that forgets to sync."""
    folder = tmp_path / "whole"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patches:
        disk = Disk(folder, patches)

        def forgetful(path: Path, data: bytes) -> None:
            path.with_suffix(".tmp").write_bytes(data)
            path.with_suffix(".tmp").replace(path)

        patches.setattr("core_hooks.capture.index.write_durably", forgetful)
        write_all(folder)
        disk.note()
    disk.close()
    assert any(files.get(INDEX) == b"" for files in disk.states["names only"])


def test_a_new_folder_is_made_to_stay_with_those_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
