"""Bad captures through the window: one sentence each, what was open stays open, nothing outside is touched."""

from __future__ import annotations

import json
import random
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtWidgets import QTableView

from core_hooks.capture.corpus_writer import CorpusSite
from core_hooks.capture.index import write_index
from core_hooks.capture.packed_strings import pack
from core_hooks.capture.reader import open_capture
from core_hooks.capture.shard import TensorSpec
from tests.core_hooks.capture.corpora import new_index
from tests.core_hooks.capture.test_damaged_captures import DAMAGES
from tests.mi_crow_gui.offline.conftest import TEXTS

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines


def edited(stored: Path, folder: Path, **changes: Any) -> Path:
    """A copy of the capture whose index says something else."""
    shutil.copytree(stored, folder)
    index = json.loads((folder / "capture.json").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        holder = index
        for key in parents:
            holder = holder[int(key) if key.isdigit() else key]
        holder[int(last) if last.isdigit() else last] = value
    (folder / "capture.json").write_text(json.dumps(index))
    return folder


LIES: list[tuple[dict[str, Any], str]] = [
    ({"version": 99}, "newer version"),
    ({"format": "other"}, "of another format"),
    ({"sites__0__shape": [-5, 6]}, "shape"),
    ({"sites__0__shape": [2**70, 6]}, "shape"),
    ({"sites__0__shape": [2**39, 2**39]}, "shape"),
    ({"sites__0__shape": [7, 6]}, "its shards hold"),
    ({"shards__0__rows": 2**39}, "gaps or overlap"),
    ({"shards__0__file": "../../etc/passwd"}, "outside the capture"),
    ({"shards__0__file": "/etc/passwd"}, "outside the capture"),
    ({"tokens": [1, 2]}, "no text"),
]


@pytest.mark.parametrize(("changes", "words"), LIES)
def test_an_index_that_lies_is_one_sentence_and_what_was_open_stays(
    offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    offline.open(stored)
    open_now = offline.wiring.browse.capture
    offline.window.pathsDropped.emit([str(edited(stored, tmp_path / "liar", **changes))])
    captures = offline.composition._captures
    qtbot.waitUntil(lambda: words in captures.last_problem)
    assert offline.message() == captures.last_problem
    assert captures.last_problem.endswith(".")
    assert "\n" not in captures.last_problem
    assert offline.wiring.browse.capture is open_now
    assert offline.find(QTableView, "textsTable").model().rowCount() == len(TEXTS)


def test_a_shard_cut_short_lets_the_other_texts_be_read(
    offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "short"
    shutil.copytree(stored, folder)
    last = sorted(folder.glob("shard-*"))[-1]
    last.write_bytes(last.read_bytes()[:-100])
    offline.open(folder)
    offline.click_text(3)
    offline.wiring.browse.show_text(len(TEXTS) - 1)
    qtbot.waitUntil(lambda: "cut short" in offline.message())
    assert offline.wiring.browse.text.number == 3
    offline.search_texts("17")
    qtbot.waitUntil(lambda: "cut short" in offline.wiring.browse.last_problem)


def test_a_folder_that_is_no_capture_and_one_that_is_gone_are_one_sentence(
    offline: Offlines, qtbot: QtBot, tmp_path: Path
) -> None:
    captures = offline.composition._captures
    for folder in (tmp_path, tmp_path / "gone"):
        captures.last_problem = ""
        captures.open_folder(str(folder))
        qtbot.waitUntil(lambda: "is not a capture" in captures.last_problem)


def test_forty_damaged_captures_are_opened_one_after_the_other_and_survived(
    offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path
) -> None:
    """Each is opened, its last text shown, its channels read; it works or it is one sentence."""
    captures, browse = offline.composition._captures, offline.wiring.browse
    jobs = offline.composition._parts

    def idle() -> bool:
        return not jobs.jobs.busy and not jobs.long_jobs.busy

    refused = 0
    for seed in range(40):
        folder = tmp_path / str(seed)
        shutil.copytree(stored, folder)
        DAMAGES[seed % len(DAMAGES)](folder, random.Random(seed))
        captures.last_problem = browse.last_problem = ""
        captures.open_folder(str(folder))
        qtbot.waitUntil(idle, timeout=10_000)
        if not captures.last_problem:
            browse.show_text(browse.capture.texts - 1)
            browse.browser.show_tab(browse.browser.channels)
            qtbot.waitUntil(idle, timeout=10_000)
            browse.browser.show_tab(browse.browser.texts)
        refused += bool(captures.last_problem or browse.last_problem)
        for problem in (captures.last_problem, browse.last_problem):
            assert "\n" not in problem
            assert not problem or problem.endswith(".")
    assert refused > 8
    offline.open(stored)
    offline.click_text(2)


def test_a_hundred_gigabytes_open_and_browse_unread(offline: Offlines, qtbot: QtBot, tmp_path: Path) -> None:
    folder, shards = tmp_path / "huge", 1600
    write_sparse_capture(folder, shards, rows=4096, channels=8192)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size > 100e9
    began = time.perf_counter()
    with open_capture(folder) as capture:
        assert capture.read("h.0", 4096 * shards - 3, 4096 * shards).shape == (3, 8192)
        assert capture.text(4 * shards - 1) == "the last of its shard"
    alone = time.perf_counter() - began
    assert alone < 1
    began = time.perf_counter()
    offline.open(folder)
    shown = time.perf_counter() - began
    offline.wiring.browse.show_text(4 * shards - 1)
    offline.wait_text(4 * shards - 1)
    print(
        f"\n{size / 1e9:.0f} GB: opened and read in {alone * 1e3:.0f} ms, a text in the window in {shown * 1e3:.0f} ms"
    )
    # The window also makes its panels the first time; a busy machine is given room.
    assert shown < 10


def write_sparse_capture(folder: Path, shards: int, rows: int, channels: int) -> None:
    """A capture of shards that are holes but for their tables: four texts a shard, float16."""
    folder.mkdir()
    site = CorpusSite("h.0", "after", "float16", "float16", (channels,))
    words = ["one", "two", "three", "the last of its shard"]
    data, offsets = pack(words)
    listed = []
    for number in range(shards):
        tables = {
            "texts.record": np.arange(4, dtype=np.int64) + 4 * number,
            "texts.offsets": offsets,
            "rows.text": np.repeat(np.arange(4, dtype=np.int32) + 4 * number, rows // 4),
            "rows.position": np.tile(np.arange(rows // 4, dtype=np.int32), 4),
            "rows.token_id": np.zeros(rows, np.int32),
            "texts.utf8": data,
        }
        specs = [TensorSpec(name, values.dtype.name, values.shape) for name, values in tables.items()]
        path = folder / f"shard-{number:05d}.safetensors"
        nbytes = write_sparse(path, [*specs[:-1], TensorSpec("h.0", "float16", (rows, channels)), specs[-1]], tables)
        listed.append(
            {
                "file": path.name, "bytes": nbytes, "crc32": "00000000", "rows": rows, "first_row": number * rows,
                "texts": 4, "first_text": 4 * number, "empty": 0, "next": {"record": 0, "text": 0, "position": 0},
            }
        )  # fmt: skip
    write_index(folder, replace(new_index([site]), sites=[site.as_json(rows * shards)], shards=listed))


def write_sparse(path: Path, specs: list[TensorSpec], tables: dict[str, np.ndarray]) -> int:
    """A safetensors file in which what is not in `tables` is a hole that takes no room on the disk."""
    names = {"int64": "I64", "int32": "I32", "float16": "F16", "uint8": "U8"}
    header, begin, places = {}, 0, {}
    for spec in specs:
        header[spec.name] = {
            "dtype": names[spec.dtype], "shape": list(spec.shape), "data_offsets": [begin, begin + spec.nbytes],
        }  # fmt: skip
        places[spec.name] = begin
        begin += spec.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, values in tables.items():
            file.seek(8 + len(text) + places[name])
            file.write(values.tobytes())
        file.truncate(8 + len(text) + begin)
    return path.stat().st_size
