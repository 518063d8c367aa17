"""The job over a cluster in a process of its own; what stands in for Ray computes in that process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from core_hooks.capture.index import CaptureError
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.ray_choice import RayChoice
from core_hooks.capture.ray_process import capture_over_ray
from core_hooks.model.reference import ModelReference
from tests.core_hooks.capture.stand_in_ray import write_stand_in
from tests.core_hooks.capture.test_job import LINES, same_files, settings

if TYPE_CHECKING:
    from pathlib import Path

    from core_hooks.capture.job_settings import JobProgress
    from core_hooks.model.opened import OpenedModel


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(write_stand_in(tmp_path / "libraries")))


def going() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_it_says_how_far_it_is_and_gives_what_the_local_job_gives(
    tmp_path: Path, tiny: OpenedModel, model_folder: Path
) -> None:
    stages: list[str] = []
    told: list[JobProgress] = []
    result = capture_over_ray(
        ModelReference(str(model_folder)), settings(tmp_path, out=tmp_path / "over"), RayChoice(workers=2), threads=1,
        cancel=threading.Event(), going=going(), on_progress=told.append, on_stage=stages.append,
    )  # fmt: skip
    assert result is not None
    assert (result.state, result.texts, result.folder) == ("finished", len(LINES), tmp_path / "over")
    assert stages == ["opening the model", "joining the cluster", "workers open the model"]
    assert told[-1].rows == result.rows
    CaptureJob(tiny, settings(tmp_path)).run()
    assert same_files(tmp_path / "out", tmp_path / "over")


@pytest.mark.parametrize(
    ("address", "words"),
    [("nowhere:1", "No Ray cluster at 'nowhere:1' answers"), ("dies:1", r"was ended \(code 7\): the cluster was lost")],
)
def test_what_goes_wrong_there_is_one_sentence(tmp_path: Path, model_folder: Path, address: str, words: str) -> None:
    with pytest.raises(CaptureError, match=words):
        capture_over_ray(
            ModelReference(str(model_folder)), settings(tmp_path), RayChoice(address), threads=1,
            cancel=threading.Event(), going=going(),
        )  # fmt: skip


def test_a_cluster_that_never_answers_is_given_up(tmp_path: Path, model_folder: Path) -> None:
    cancel = threading.Event()

    def at(stage: str) -> None:
        if stage == "joining the cluster":
            cancel.set()

    result = capture_over_ray(
        ModelReference(str(model_folder)), settings(tmp_path), RayChoice(f"late:{tmp_path / 'never'}"), threads=1,
        cancel=cancel, going=going(), on_stage=at,
    )  # fmt: skip
    assert result is None
    assert not (tmp_path / "out").exists()
