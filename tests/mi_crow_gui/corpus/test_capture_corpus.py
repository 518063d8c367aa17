"""Capturing a corpus from the window: estimated, started, paused, cancelled, gone on with, and what is said."""

from __future__ import annotations

import json
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QAbstractButton, QCheckBox, QComboBox, QLabel, QLineEdit, QTableView

from core_hooks.capture import job as job_module
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.job_settings import JobSettings
from core_hooks.capture.reader import open_capture
from core_hooks.model.opening import open_model
from core_hooks.model.reference import ModelReference
from mi_crow_gui.document.resource_files import demo_model_folder
from tests.core_hooks.capture.test_job import same_files
from tests.mi_crow_gui.corpus.texts import lines, write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from typing_extensions import Buffer

    from core_hooks.capture.job import Report
    from core_hooks.capture.job_settings import JobProgress, JobResult
    from tests.mi_crow_gui.corpus.conftest import CorpusDriver

SITES = ("transformer.h.1.mlp", "transformer.h.2")


def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "_SHARD_BYTES", 1)
    monkeypatch.setattr(job_module, "_SHARD_BATCHES", 2)


def hold(monkeypatch: pytest.MonkeyPatch) -> Event:
    """The first job waits behind its first report until this is set, so that it can't end before it is paused."""
    run, told, free = CaptureJob.run, [], Event()

    def held(job: CaptureJob, on_progress: Report | None = None, **options: bool) -> JobResult:
        def tell(progress: JobProgress) -> None:
            if on_progress is not None:
                on_progress(progress)
            told.append(progress)
            if len(told) == 1:
                free.wait(60)

        return run(job, tell, **options)

    monkeypatch.setattr(CaptureJob, "run", held)
    return free


def test_a_corpus_is_estimated_captured_listed_and_opened(corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "c.txt", lines(120))
    corpus.fill(texts, tmp_path / "out")
    facts = corpus.wait_estimate()
    assert facts["Texts"] == "120"
    assert "free" in facts["On disk"]
    assert not corpus.dialog.isModal()
    assert not (tmp_path / "out").exists()
    corpus.press("corpusStart")
    assert "Captured 120 texts" in corpus.wait_end()
    with open_capture(tmp_path / "out") as capture:
        assert tuple(site.site for site in capture.sites) == SITES
        assert (capture.texts, capture.index.finished) == (120, True)
        opened = open_model(ModelReference(str(demo_model_folder())))
        ids = torch.tensor([capture.token_ids(*span(capture.rows_of(7))).tolist()])
        kept: list[np.ndarray] = []
        handle = opened.model.get_submodule(SITES[1]).register_forward_hook(
            lambda module, args, output: kept.append((output[0] if isinstance(output, tuple) else output)[0].numpy())
        )
        with torch.no_grad():
            opened.model(ids)
        handle.remove()
        opened.close()
        np.testing.assert_allclose(capture.read(SITES[1], *span(capture.rows_of(7))), kept[0], atol=2e-5)
    table = corpus.driver.find(QTableView, "capturesTable").model()
    qtbot.waitUntil(lambda: table.rowCount() == 1)
    assert table.index(0, 0).data() == "out"
    qtbot.waitUntil(lambda: "No model needed" in corpus.driver.find(QLabel, "statusMessage").text())
    assert corpus.window.service.state == "ready"


def span(rows: range) -> tuple[int, int]:
    return rows.start, rows.stop


def test_a_job_is_paused_goes_on_and_leaves_the_window_usable(
    corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shards(monkeypatch)
    held = hold(monkeypatch)
    corpus.fill(write_lines(tmp_path / "c.txt", lines(3000)), tmp_path / "out")
    corpus.find(QAbstractButton, "corpusStart")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    words = corpus.find(QLabel, "corpusPace")
    qtbot.waitUntil(lambda: "tokens/s" in words.text(), timeout=20_000)
    corpus.press("corpusPause")
    held.set()
    assert words.text() == "Paused"
    assert "paused" in corpus.driver.find(QLabel, "statusMessage").text()
    # The rest of the window answers meanwhile, and the dialog can be closed and shown again.
    corpus.driver.act("showLog")
    corpus.press("corpusClose")
    assert not corpus.dialog.isVisible()
    corpus.driver.act("captureCorpus")
    assert corpus.dialog.isVisible()
    assert corpus.dialog.working
    corpus.press("corpusPause")
    assert "Captured 3,000 texts" in corpus.wait_end()


def test_a_cancelled_job_is_listed_and_goes_on_to_the_same_bytes(
    corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shards(monkeypatch)
    held = hold(monkeypatch)
    texts = write_lines(tmp_path / "c.txt", lines(3000))
    corpus.fill(texts, tmp_path / "out")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    qtbot.waitUntil(lambda: "tokens/s" in corpus.find(QLabel, "corpusPace").text(), timeout=20_000)
    corpus.press("corpusPause")  # a paused one can be cancelled too
    held.set()
    corpus.press("corpusCancel")
    assert "Go on finishes it" in corpus.wait_end()
    table = corpus.driver.find(QTableView, "capturesTable").model()
    qtbot.waitUntil(lambda: table.rowCount() == 1)
    qtbot.waitUntil(corpus.can_start)
    assert corpus.find(QAbstractButton, "corpusStart").text() == "Go on"
    # Only the folder is named: what was begun there says the rest.
    corpus.type("corpusTexts", "")
    corpus.type("corpusLayers", "")
    corpus.type("corpusOut", "")
    corpus.type("corpusOut", tmp_path / "out")
    qtbot.waitUntil(lambda: corpus.find(QLineEdit, "corpusLayers").text() == " ".join(SITES))
    qtbot.waitUntil(corpus.can_start)
    corpus.press("corpusStart")
    assert "Captured 3,000 texts" in corpus.wait_end()
    opened = open_model(ModelReference(str(demo_model_folder())))
    CaptureJob(opened, JobSettings(tmp_path / "whole", texts, SITES)).run()
    opened.close()
    assert same_files(tmp_path / "whole", tmp_path / "out")


def test_stop_ends_a_job_as_it_ends_a_run(
    corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shards(monkeypatch)
    held = hold(monkeypatch)
    corpus.fill(write_lines(tmp_path / "c.txt", lines(3000)), tmp_path / "out")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    qtbot.waitUntil(lambda: "tokens/s" in corpus.find(QLabel, "corpusPace").text(), timeout=20_000)
    corpus.press("corpusPause")  # so that it can't end by itself meanwhile
    held.set()
    assert corpus.window.action("stop").isEnabled()
    assert corpus.window.action("stop").shortcut().toString() == "Esc"
    corpus.driver.act("stop")
    assert "Go on finishes it" in corpus.wait_end()
    assert not open_capture(tmp_path / "out").index.finished


def test_controllers_act_when_that_is_wished_and_the_capture_says_so(corpus: CorpusDriver, tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "c.txt", lines(20))
    corpus.driver.write_controller(SITES[0], "lambda x: x * 0 + 3")
    box = corpus.find(QCheckBox, "corpusControllers")
    assert "Let 1 controller act: transformer.h.1.mlp" in box.text()
    for out, act in (("without", False), ("with", True)):
        box.setChecked(act)
        corpus.fill(texts, tmp_path / out)
        corpus.wait_estimate()
        corpus.press("corpusStart")
        corpus.wait_end()
    with open_capture(tmp_path / "without") as without, open_capture(tmp_path / "with") as acted:
        assert (acted.read(SITES[0], 0, acted.rows) == 3).all()
        assert not (without.read(SITES[0], 0, without.rows) == 3).any()
        assert acted.index.settings["controllers"] == ["transformer.h.1.mlp: lambda x: x * 0 + 3"]
        assert without.index.settings["controllers"] == []


def test_controllers_know_the_tokens_of_every_text(corpus: CorpusDriver, tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "c.txt", lines(60))
    corpus.driver.write_controller(
        SITES[0],
        "def control(x, ctx):\n"
        "    x = x.clone()\n"
        "    for row in ctx.rows:\n"
        "        assert len(row.tokens) == len(row.token_ids) == len(row.positions)\n"
        "        for column, position, token_id, text in zip(row.columns, row.positions, row.token_ids, row.tokens):\n"
        "            x[row.index, column, 0], x[row.index, column, 1] = token_id, position\n"
        "            x[row.index, column, 2] = sum(map(ord, text))\n"
        "    return x\n",
    )
    corpus.find(QCheckBox, "corpusControllers").setChecked(True)
    corpus.fill(texts, tmp_path / "out")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    assert "Captured 60 texts" in corpus.wait_end()
    with open_capture(tmp_path / "out") as capture:
        values = capture.read(SITES[0], 0, capture.rows)
        np.testing.assert_array_equal(values[:, 0], capture.token_ids(0, capture.rows))
        np.testing.assert_array_equal(values[:, 1], capture.positions(0, capture.rows))
        words = [sum(map(ord, text)) for text in capture.token_texts(0, capture.rows)]
        np.testing.assert_array_equal(values[:, 2], words)


def test_parquet_offers_its_columns_of_text(corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "c.parquet"
    parquet.write_table(pyarrow.table({"id": [1, 2, 3], "story": [*lines(2), None]}), path)
    corpus.fill(path, tmp_path / "out")
    qtbot.waitUntil(lambda: corpus.find(QComboBox, "corpusColumn").currentText() == "story")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    assert "Captured 2 texts" in corpus.wait_end()
    with open_capture(tmp_path / "out") as capture:
        assert [capture.text(0), capture.text(1)] == lines(2)


def test_columns_are_offered_and_the_likely_one_is_chosen(corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(
        "".join(json.dumps({"id": n, "text": text, "mood": n % 2}) + "\n" for n, text in enumerate(lines(9)))
    )
    corpus.fill(path, tmp_path / "out")
    column = corpus.find(QComboBox, "corpusColumn")
    qtbot.waitUntil(column.isEnabled)
    assert [column.itemText(at) for at in range(column.count())] == ["id", "text", "mood"]
    assert column.currentText() == "text"
    corpus.choose("corpusLabel", "mood")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    corpus.wait_end()
    with open_capture(tmp_path / "out") as capture:
        assert capture.label(3) == "1"


def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path
) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes("größe\n".encode("latin-1"))
    empty = write_lines(tmp_path / "empty.txt", ["", "  "])
    numbers = tmp_path / "n.jsonl"
    numbers.write_text('{"a": 1}\n')
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.doc").write_text("precious")
    good = write_lines(tmp_path / "c.txt", lines(5))
    late = tmp_path / "late.txt"
    late.write_bytes(b"plain\n" * 50_000 + "größe\n".encode("latin-1"))
    cases = [
        (tmp_path / "nowhere.txt", tmp_path / "o", "transformer.h.0", "no corpus at"),
        (latin, tmp_path / "o", "transformer.h.0", "is not utf-8"),
        (late, tmp_path / "o", "transformer.h.0", "Line 50001 of"),
        (empty, tmp_path / "o", "transformer.h.0", "holds no text"),
        (numbers, tmp_path / "o", "transformer.h.0", "no text but a int"),
        (good, taken, "transformer.h.0", "holds other files"),
        (good, good, "transformer.h.0", "is a file"),
        (good, tmp_path / "o", "transformer.h", "does not run"),
        (good, tmp_path / "o", "transformer.nothing.*", ""),
    ]
    for texts, out, layers, words in cases:
        corpus.fill(texts, out, layers)
        if words:
            qtbot.waitUntil(lambda words=words: words in corpus.message, timeout=20_000)  # type: ignore[misc]
        else:
            assert "No module matches" in corpus.find(QLabel, "corpusMatches").text()
        assert not corpus.can_start()
    assert (taken / "thesis.doc").read_text() == "precious"
    assert not (tmp_path / "o").exists()
    # And then it works, without opening the dialog anew.
    corpus.type("corpusTexts", latin)
    corpus.choose("corpusEncoding", "latin-1")
    corpus.fill(latin, tmp_path / "o", "transformer.h.0")
    qtbot.waitUntil(corpus.can_start, timeout=20_000)
    corpus.press("corpusStart")
    assert "Captured 1 text" in corpus.wait_end()


def test_a_disk_that_fills_up_in_the_middle_is_said_and_nothing_is_lost(
    corpus: CorpusDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    import os

    from core_hooks.capture import shard as shard_module

    small_shards(monkeypatch)
    monkeypatch.setattr(job_module, "_ELSEWHERE", 10**9)  # what is written, is written here
    real, room = os.pwrite, 12 << 20

    def pwrite(file: int, data: Buffer, offset: int) -> int:
        nonlocal room
        room -= memoryview(data).nbytes
        if room < 0:
            raise OSError(28, os.strerror(28))
        return real(file, data, offset)

    corpus.fill(write_lines(tmp_path / "c.txt", lines(3000)), tmp_path / "out")
    corpus.wait_estimate()
    monkeypatch.setattr(shard_module.os, "pwrite", pwrite)
    corpus.press("corpusStart")
    assert "no room left on the disk" in corpus.wait_end()
    with open_capture(tmp_path / "out") as capture:
        assert capture.rows > 0
    room = 10**9
    qtbot.waitUntil(corpus.can_start)
    corpus.press("corpusStart")
    assert "Captured 3,000 texts" in corpus.wait_end()


def test_too_little_room_is_said_before_anything_starts(
    corpus: CorpusDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    from core_hooks.capture import estimate

    monkeypatch.setattr(estimate, "_free_disk", lambda folder: 1000)
    corpus.fill(write_lines(tmp_path / "c.txt", lines(50)), tmp_path / "out")
    qtbot.waitUntil(lambda: "There is no room for it" in corpus.message, timeout=20_000)
    assert not corpus.can_start()


def test_two_jobs_never_write_to_one_folder(corpus: CorpusDriver, tmp_path: Path) -> None:
    from core_hooks.capture.folder_lock import FolderLock

    corpus.fill(write_lines(tmp_path / "c.txt", lines(50)), tmp_path / "out")
    corpus.wait_estimate()
    (tmp_path / "out").mkdir()
    with FolderLock(tmp_path / "out"):
        corpus.press("corpusStart")
        assert "Another job is writing" in corpus.wait_end()
    assert list((tmp_path / "out").iterdir()) == []


def test_the_layers_come_from_the_filter_or_the_attached_modules(corpus: CorpusDriver, qtbot: QtBot) -> None:
    layers = corpus.find(QLineEdit, "corpusLayers")
    for filtered, expected in (("h.*.attn", "h.*.attn"), ("mlp", "*mlp*")):
        layers.setText("")
        corpus.driver.find(QLineEdit, "moduleFilter").setText(filtered)
        corpus.driver.act("captureCorpus")
        assert layers.text() == expected
    corpus.driver.find(QLineEdit, "moduleFilter").setText("")
    layers.setText("")
    corpus.driver.tick(SITES[0])
    corpus.driver.act("captureCorpus")
    assert layers.text() == SITES[0]
    assert "1 module" in corpus.find(QLabel, "corpusMatches").text()


def test_closing_the_window_ends_the_job_with_its_shards_kept(
    corpus: CorpusDriver, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shards(monkeypatch)
    corpus.fill(write_lines(tmp_path / "c.txt", lines(20_000)), tmp_path / "out")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    qtbot.waitUntil(lambda: "tokens/s" in corpus.find(QLabel, "corpusPace").text(), timeout=20_000)
    corpus.window.close()
    with open_capture(tmp_path / "out") as capture:
        assert not capture.index.finished
    assert not list((tmp_path / "out").glob("*.tmp"))
