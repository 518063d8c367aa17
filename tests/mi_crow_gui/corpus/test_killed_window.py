"""The window is killed in the middle of its capture job, again and again, and comes to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from core_hooks.capture.index import INDEX, CaptureError, read_index
from core_hooks.capture.reader import open_capture
from core_hooks.capture.verify import verify_capture
from mi_crow_gui.document.resource_files import demo_model_folder
from tests.core_hooks.capture.test_job import same_files
from tests.mi_crow_gui.corpus.texts import lines, plain_english, write_lines

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kill -9 is a matter of POSIX")


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.mi_crow_gui.corpus.window_process", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})


def begun(process: subprocess.Popen[str]) -> bool:
    """Wait until the job has the model; whether it has not ended by then."""
    assert process.stdout is not None
    return any(line.startswith("begun") for line in process.stdout)


def rows(folder: Path) -> int:
    try:
        return read_index(folder).rows if (folder / INDEX).exists() else 0
    except CaptureError as error:
        raise AssertionError(f"A killed job left an index that can't be read: {error}") from error


def killed_often(
    folder: Path, kills: int, arguments: tuple[object, ...], total: int, pause: float
) -> tuple[int, float]:
    """Kill a job `kills` times on its way, then let it finish; the kills that hit it at work, and seconds in all."""
    rng = random.Random(5)
    started = time.monotonic()
    hit = 0
    while hit < kills:
        process = start(*arguments)
        try:
            assert begun(process), process.wait()
            before = rows(folder)
            # Not faster than the kills, so that all of them are on the way; a random instant of a random batch.
            allowed = total * (hit + 1) // (kills + 2)
            until = time.monotonic() + rng.uniform(0, pause if before < allowed else pause / 8)
            # What is listed is looked at too: a session that is faster than the first one must not reach the end.
            while time.monotonic() < until and process.poll() is None and rows(folder) <= max(before, allowed):
                time.sleep(0.003)
            assert process.poll() is None, "It finished before it was killed often enough."
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        hit += 1
        print(f"kill {hit}: {before:,} rows listed before, {rows(folder):,} after, {total:,} in all", flush=True)
        assert rows(folder) >= before  # nothing that was listed is ever lost
        if (folder / INDEX).exists():
            assert not [check for check in verify_capture(folder) if check.problem]
    process = start(*arguments)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return hit, time.monotonic() - started


@pytest.mark.timeout(300)
def test_a_window_that_is_killed_on_the_way_finishes_with_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "c.txt", lines(4000))
    layers = ("transformer.h.1.mlp", "transformer.h.2")
    common = (demo_model_folder(), texts)
    whole = start(*common, tmp_path / "whole", 256, 1, *layers)
    assert whole.communicate() is not None
    assert whole.returncode == 0
    total = open_capture(tmp_path / "whole").rows
    killed_often(tmp_path / "killed", 2, (*common, tmp_path / "killed", 256, 1, *layers), total, pause=2.0)
    assert same_files(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.smollm
@pytest.mark.timeout(3600)
@pytest.mark.skipif("MI_CROW_LONG" not in os.environ, reason="takes a quarter of an hour; set MI_CROW_LONG=1")
def test_ten_thousand_lines_survive_thirty_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = os.environ["MI_CROW_SMOLLM"]
    texts = write_lines(tmp_path / "c.txt", plain_english(10_000))
    layers = ("model.layers.1", "model.layers.3.mlp")
    began = time.monotonic()
    whole = start(model, texts, tmp_path / "whole", 512, 1 << 24, *layers)
    assert whole.communicate() is not None
    assert whole.returncode == 0
    undisturbed = time.monotonic() - began
    with open_capture(tmp_path / "whole") as capture:
        assert (capture.texts, len(capture.sites)) == (10_000, 2)
        total, shards = capture.rows, len(capture.index.shards)
    arguments = (model, texts, tmp_path / "killed", 512, 1 << 24, *layers)
    hit, seconds = killed_often(tmp_path / "killed", 30, arguments, total, pause=1.5 * undisturbed / shards)
    assert same_files(tmp_path / "whole", tmp_path / "killed")
    with capsys.disabled():
        print(
            f"\n10,000 lines, {total:,} tokens, {shards} shards: undisturbed {undisturbed:.0f} s; "
            f"{hit} kills and the end {seconds:.0f} s; the same bytes"
        )
