"""The same job over a Ray cluster of two workers on this machine, one of them killed in the middle."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import torch

from core_hooks.capture import job as job_module
from core_hooks.capture.index import CaptureError
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.ray_engine import RayEngine
from core_hooks.model.reference import ModelReference
from tests.core_hooks.capture.test_job import LINES, same_files, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core_hooks.model.opened import OpenedModel

ray = pytest.importorskip("ray", reason="Ray is an optional dependency: pip install 'mi-crow-inspector[ray]'")

# Ray leaves sockets and processes to be collected, and says so in warnings of its own.
pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "_SHARD_BYTES", 1)
    monkeypatch.setattr(job_module, "_SHARD_BATCHES", 2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def test_the_capture_equals_the_local_one_though_a_worker_is_killed_on_the_way(
    cluster: None, tmp_path: Path, tiny: OpenedModel, model_folder: Path
) -> None:
    CaptureJob(tiny, settings(tmp_path)).run()
    engine = RayEngine(ModelReference(str(model_folder)), workers=2, threads=torch.get_num_threads())
    killed: list[int] = []

    def kill_one(progress: Any) -> None:
        if not killed and len(engine.processes) == 2:
            killed.append(next(iter(engine.processes.values())))
            os.kill(killed[0], signal.SIGKILL)

    try:
        job = CaptureJob(tiny, settings(tmp_path, out=tmp_path / "ray"), engine=engine)
        assert job.run(kill_one).state == "finished"
        assert killed
        assert engine.lost >= 1
    finally:
        engine.close()
    assert same_files(tmp_path / "out", tmp_path / "ray")


def test_a_cancelled_job_of_the_cluster_is_finished_by_the_local_one(
    cluster: None, tmp_path: Path, tiny: OpenedModel, model_folder: Path
) -> None:
    engine = RayEngine(ModelReference(str(model_folder)), workers=1)
    try:
        job = CaptureJob(tiny, settings(tmp_path, out=tmp_path / "ray"), engine=engine)
        assert job.run(lambda progress: job.cancel()).state == "cancelled"
    finally:
        engine.close()
    assert CaptureJob(tiny, settings(tmp_path, out=tmp_path / "ray")).run(resume=True).texts == len(LINES)
    CaptureJob(tiny, settings(tmp_path)).run()
    assert same_files(tmp_path / "out", tmp_path / "ray")


def test_a_model_that_workers_cannot_open_is_one_sentence(cluster: None, tmp_path: Path, tiny: OpenedModel) -> None:
    engine = RayEngine(ModelReference(str(tmp_path / "nowhere")), workers=1)
    try:
        with pytest.raises(CaptureError, match="can't open the model"):
            CaptureJob(tiny, settings(tmp_path), engine=engine).run()
    finally:
        engine.close()
