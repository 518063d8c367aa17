"""A job that is killed without warning, again and again, comes to the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from core_hooks.capture.index import read_index
from core_hooks.capture.reader import open_capture
from core_hooks.capture.verify import verify_capture
from tests.core_hooks.capture.corpora import CHANNELS, number_texts
from tests.core_hooks.capture.test_job import same_files

if TYPE_CHECKING:
    from pathlib import Path

# A writer without a model, so that a process takes a fraction of a second; it ends itself as `kill -9` would, in the
# middle of the n-th call that changes the disk.
_WRITER = f"""
import os, signal, sys
from pathlib import Path
import numpy as np
from core_hooks.capture import corpus_writer as w
from core_hooks.capture.corpus import CorpusText
from core_hooks.capture.folder_lock import FolderLock
from core_hooks.capture.index import INDEX, read_index, write_index
from core_hooks.capture.shard_plan import Place, plan_shards
from tests.core_hooks.capture.corpora import new_index, number_texts, token_values

folder, left = Path(sys.argv[1]), int(sys.argv[2])

def deadly(module, name):
    real = getattr(module, name)
    def call(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(module, name, call)

for name in ("pwrite", "fsync"):
    deadly(os, name)
deadly(Path, "replace")
deadly(Path, "open")
site = w.CorpusSite("h.0", "after", "float32", "float16", ({CHANNELS},))
folder.mkdir(exist_ok=True)
with FolderLock(folder):
    for entry in folder.glob("*.tmp"):
        entry.unlink()
    if (folder / INDEX).exists():
        index = read_index(folder)
    else:
        index = new_index([site])
        write_index(folder, index)
    writer = w.CorpusWriter(folder, index, [site])
    texts = [CorpusText(i, " ".join(map(str, ids))) for i, ids in enumerate(number_texts(25))]
    place = Place(**index.shards[-1]["next"]) if index.shards else Place()
    tokenize = lambda t: [[int(x) for x in s.split()] for s in t]
    if not index.finished:
        plans = plan_shards(texts[place.record:], tokenize, shard_rows=40, context=8, first_row=index.rows, place=place)
        for plan in plans:
            writer.begin(plan)
            for window, part in enumerate(plan.windows):
                writer.write(plan.rows_of([window]), {{"h.0": token_values(part.ids).astype(np.float16)}})
            writer.end()
        writer.finish()
    writer.close()
"""


def run(folder: Path, calls: int) -> int:
    root = os.getcwd()
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(
        [sys.executable, "-c", _WRITER, str(folder), str(calls)], env=environment, check=False
    ).returncode


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a matter of POSIX")
def test_killed_thirty_times_it_ends_with_the_bytes_of_an_uninterrupted_run(tmp_path: Path) -> None:
    assert run(tmp_path / "whole", 10**9) == 0
    kills, rows = 0, 0
    for attempt in range(200):
        # Further and further into the work, at another instant each time.
        code = run(tmp_path / "killed", 3 + (attempt * 7) % 61)
        if code == 0:
            break
        assert code == -9
        kills += 1
        if not (tmp_path / "killed" / "capture.json").exists():
            continue  # killed before the first index
        index = read_index(tmp_path / "killed")
        assert index.rows >= rows  # nothing that was listed is ever lost
        rows = index.rows
        assert not [check for check in verify_capture(tmp_path / "killed") if check.problem]
        with open_capture(tmp_path / "killed") as capture:
            assert len(capture.read("h.0", 0, capture.rows)) == rows
    while kills < 30:  # an already finished one can be killed too
        kills += 1
        run(tmp_path / "killed", 1 + kills % 4)
    assert run(tmp_path / "killed", 10**9) == 0
    assert kills >= 30
    ids = [token for text in number_texts(25) for token in text]
    assert open_capture(tmp_path / "killed").token_ids(0, len(ids)).tolist() == ids
    assert same_files(tmp_path / "whole", tmp_path / "killed")
