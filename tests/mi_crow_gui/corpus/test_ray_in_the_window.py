"""A Ray cluster as the engine of a capture job: offered where it is installed, and the job behaves as always."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QSpinBox

from core_hooks.capture import ray_choice, ray_process
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.job_settings import JobSettings
from core_hooks.capture.ray_choice import RayChoice
from core_hooks.capture.reader import open_capture
from core_hooks.model.opening import open_model
from core_hooks.model.reference import ModelReference
from mi_crow_gui.document.resource_files import demo_model_folder
from mi_crow_gui.wiring import corpus_wiring
from tests.core_hooks.capture.stand_in_ray import write_stand_in
from tests.core_hooks.capture.test_job import same_files
from tests.mi_crow_gui.corpus.conftest import CorpusDriver
from tests.mi_crow_gui.corpus.texts import lines, write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

SITES = ("transformer.h.1.mlp", "transformer.h.2")
RAY = "Ray cluster"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is there, or what stands in for it: its workers compute in the process that drives them."""
    monkeypatch.setenv("PYTHONPATH", str(write_stand_in(tmp_path / "libraries")))
    monkeypatch.setattr(corpus_wiring, "lacking", lambda: "")


def opened_dialog(qtbot: QtBot, driver: Driver) -> CorpusDriver:
    driver.open_demo()
    qtbot.waitUntil(lambda: driver.window.service.state == "ready", timeout=20_000)
    return CorpusDriver(qtbot, driver)


def local_capture(settings: JobSettings) -> Path:
    opened = open_model(ModelReference(str(demo_model_folder())))
    CaptureJob(opened, settings).run()
    opened.close()
    return settings.out


def test_without_ray_the_cluster_is_greyed_with_the_line_that_installs_it(
    qtbot: QtBot, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ray_choice.importlib.util.find_spec
    monkeypatch.setattr(ray_choice.importlib.util, "find_spec", lambda name: None if name == "ray" else found(name))
    corpus = opened_dialog(qtbot, driver)
    box = corpus.find(QComboBox, "corpusEngine")
    index = box.model().index(1, 0)
    assert box.currentText() == "This machine"
    assert not index.flags() & Qt.ItemFlag.ItemIsEnabled
    assert index.data(Qt.ItemDataRole.ToolTipRole) == 'Ray is not installed: pip install "mi-crow-inspector[ray]"'
    assert corpus.find(QLabel, "corpusEngineHint").text() == index.data(Qt.ItemDataRole.ToolTipRole)
    assert not corpus.find(QLineEdit, "corpusAddress").isVisible()
    assert corpus.dialog.form.ray is None


def test_the_job_of_a_cluster_equals_the_one_of_this_machine(
    cluster: None, qtbot: QtBot, driver: Driver, tmp_path: Path
) -> None:
    texts = write_lines(tmp_path / "c.txt", lines(800))
    corpus = opened_dialog(qtbot, driver)
    driver.write_controller(SITES[0], "lambda x: x * 0")
    corpus.choose("corpusEngine", RAY)
    corpus.type("corpusAddress", "head:6379")
    corpus.find(QSpinBox, "corpusWorkers").setValue(3)
    assert corpus.dialog.form.ray == RayChoice("head:6379", 3)
    # What acts here does not act there, and the dialog says so.
    assert not corpus.find(QCheckBox, "corpusControllers").isEnabled()
    assert "on this machine alone" in corpus.find(QCheckBox, "corpusControllers").text()
    corpus.fill(texts, tmp_path / "over")
    assert "on this machine alone" in corpus.wait_estimate()["Time"]
    corpus.choose("corpusEngine", "This machine")
    assert "alone" not in corpus.facts["Time"]
    corpus.choose("corpusEngine", RAY)
    assert "on this machine alone" in corpus.facts["Time"]
    corpus.press("corpusStart")
    assert "computed by the Ray cluster head:6379" in corpus.find(QLabel, "corpusWhat").text()
    assert "Captured 800 texts" in corpus.wait_end()
    assert same_files(local_capture(JobSettings(tmp_path / "here", texts, SITES)), tmp_path / "over")


def test_a_job_of_a_cluster_is_paused_cancelled_and_gone_on_with_here(
    cluster: None, qtbot: QtBot, driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    tell = ray_process._Child.tell
    monkeypatch.setattr(ray_process._Child, "tell", lambda child, line: (told.append(line), tell(child, line)))
    # Rows so wide that there are several shards, and something between the first and the end.
    texts = write_lines(tmp_path / "c.txt", lines(1500))
    corpus = opened_dialog(qtbot, driver)
    corpus.choose("corpusEngine", RAY)
    corpus.type("corpusAddress", f"late:{tmp_path / 'now'}")
    corpus.fill(texts, tmp_path / "out", "transformer.h.* *.c_fc *.c_attn *.attn *.mlp")
    corpus.find(QSpinBox, "corpusBatchTokens").setValue(64)
    corpus.wait_estimate()
    settings = corpus.dialog.form.settings()
    corpus.press("corpusStart")
    # Paused before the cluster answers: it waits behind the first shard at the latest, and can't end by itself.
    corpus.wait_begun()
    corpus.press("corpusPause")
    assert corpus.find(QLabel, "corpusPace").text() == "Paused"
    qtbot.waitUntil(lambda: "pause" in told, timeout=60_000)
    (tmp_path / "now").touch()
    qtbot.waitUntil(lambda: (tmp_path / "out" / "capture.json").exists(), timeout=60_000)
    corpus.press("corpusCancel")
    assert "Go on finishes it" in corpus.wait_end()
    assert not open_capture(tmp_path / "out").index.finished
    corpus.choose("corpusEngine", "This machine")
    qtbot.waitUntil(corpus.can_start, timeout=20_000)
    corpus.press("corpusStart")
    assert "Captured 1,500 texts" in corpus.wait_end()
    assert settings is not None
    assert len(open_capture(tmp_path / "out").index.shards) > 2
    assert same_files(local_capture(replace(settings, out=tmp_path / "whole")), tmp_path / "out")


def test_joining_a_cluster_can_be_given_up_and_what_went_wrong_is_one_sentence(
    cluster: None, qtbot: QtBot, driver: Driver, tmp_path: Path
) -> None:
    corpus = opened_dialog(qtbot, driver)
    corpus.choose("corpusEngine", RAY)
    corpus.type("corpusAddress", f"late:{tmp_path / 'never'}")
    corpus.fill(write_lines(tmp_path / "c.txt", lines(20)), tmp_path / "out")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    pace = corpus.find(QLabel, "corpusPace")
    qtbot.waitUntil(lambda: pace.text() == "joining the cluster", timeout=60_000)
    corpus.press("corpusCancel")
    assert corpus.wait_end() == "The capture was ended before it had begun."
    assert corpus.driver.find(QLabel, "statusMessage").text() == "The capture was ended before it had begun."
    for address, words in (
        ("nowhere:1", "No Ray cluster at 'nowhere:1' answers: nobody is there."),
        # Ray ends the process that it is in when a cluster is lost, and the window is another one.
        ("dies:1", "was ended (code 7): the cluster was lost; go on with the job."),
    ):
        corpus.type("corpusAddress", address)
        qtbot.waitUntil(corpus.can_start, timeout=20_000)
        corpus.press("corpusStart")
        assert corpus.wait_end().endswith(words)
        assert not (tmp_path / "out").exists()


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # Ray leaves sockets to be collected, and says so
def test_a_real_cluster_on_this_machine_gives_the_same_bytes(qtbot: QtBot, driver: Driver, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is an optional dependency: pip install 'mi-crow-inspector[ray]'")
    texts = write_lines(tmp_path / "c.txt", lines(400))
    corpus = opened_dialog(qtbot, driver)
    corpus.choose("corpusEngine", RAY)
    corpus.find(QSpinBox, "corpusWorkers").setValue(min(2, os.cpu_count() or 1))
    corpus.fill(texts, tmp_path / "over")
    corpus.wait_estimate()
    corpus.press("corpusStart")
    qtbot.waitUntil(lambda: not corpus.dialog.working, timeout=600_000)
    assert "Captured 400 texts" in corpus.message
    assert same_files(local_capture(JobSettings(tmp_path / "here", texts, SITES)), tmp_path / "over")
