"""Capturing a corpus, and saying beforehand what it will take, as the model thread does it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mi_crow_gui.document.formatting import count, duration
from mi_crow_gui.document.hook_spec import CONTROLLER
from mi_crow_gui.engine.tasks import ModelTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core_hooks.capture.job import CaptureJob
    from core_hooks.capture.job_settings import JobEstimate, JobProgress, JobResult, JobSettings
    from core_hooks.capture.ray_choice import RayChoice
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.tasks import TaskDesk


@dataclass(frozen=True, slots=True)
class CorpusEstimate(ModelTask):
    """What a capture job would take; gives a `JobEstimate`. Writes nothing."""

    yields_to_runs = True

    settings: JobSettings
    controllers: tuple[HookSpec, ...] = ()

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Estimating the capture"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> JobEstimate:
        """Read the corpus once and run one of its batches."""
        with _job(opened, desk, self.settings, self.controllers, None) as job:
            return job.estimate()


@dataclass(frozen=True, slots=True)
class CorpusCapture(ModelTask):
    """A capture job; gives a `JobResult`, of a cancelled one too: what it finished stays, and it can be gone on with.

    Attributes
    ----------
    controllers
        The user's controllers that act meanwhile; none takes every hook off for the time of the job.
    going
        While it is not set, the job is paused.
    ray
        The cluster that computes it; None: this machine does.
    """

    settings: JobSettings
    controllers: tuple[HookSpec, ...] = ()
    going: threading.Event = field(default_factory=threading.Event, compare=False)
    ray: RayChoice | None = None

    @property
    def title(self) -> str:
        """What the status bar says."""
        return f"Capturing {self.settings.texts.name}"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> JobResult:
        """Capture, or go on with what lies in the folder."""

        def tell(progress: JobProgress) -> None:
            desk.progress(progress.records, progress.total_records, words(progress))

        if self.ray is not None:
            return self._over_ray(opened, desk, self.ray, tell)
        with _job(opened, desk, self.settings, self.controllers, self.going) as job:
            return job.run(tell, resume=True)

    def _over_ray(
        self, opened: OpenedModel, desk: TaskDesk, ray: RayChoice, tell: Callable[[JobProgress], None]
    ) -> JobResult:
        """The same by the workers of a cluster; the open model is left alone."""
        import torch

        from core_hooks.capture.index import CaptureError
        from core_hooks.capture.ray_process import capture_over_ray
        from core_hooks.hooks.errors import RunCancelled
        from core_hooks.model.errors import ModelError

        try:
            result = capture_over_ray(
                opened.summary.reference, self.settings, ray, threads=torch.get_num_threads(), cancel=desk.cancel,
                going=self.going, on_progress=tell, on_stage=lambda words: desk.progress(0, 0, words),
            )  # fmt: skip
        except CaptureError as error:
            raise ModelError(str(error)) from error
        if result is None:
            raise RunCancelled("The capture was cancelled.")
        return result


def words(progress: JobProgress) -> str:
    """How far a job is, for people."""
    parts = [f"{count(progress.rows)} tokens", f"{count(round(progress.tokens_per_second))} tokens/s"]
    if progress.seconds_left >= 0:  # not NaN
        parts.append(f"{_about(progress.seconds_left)} left")
    return ", ".join(parts)


def _about(seconds: float) -> str:
    return duration(round(seconds)) if seconds >= 60 else f"{seconds:.0f} s"


@contextmanager
def _job(
    opened: OpenedModel,
    desk: TaskDesk,
    settings: JobSettings,
    controllers: tuple[HookSpec, ...],
    going: threading.Event | None,
) -> Iterator[CaptureJob]:
    """The job on a model that has the controllers on it, or nothing; its refusals as sentences for people."""
    from core_hooks.capture.index import CaptureError
    from core_hooks.capture.job import CaptureJob
    from core_hooks.model.errors import ModelError
    from core_hooks.model.tokens import TokenSequence

    acting = [f"{spec.site}: {spec.code if spec.kind == CONTROLLER else spec.kind}" for spec in controllers]
    try:
        tell = desk.attachments.tell if controllers else None
        job = CaptureJob(opened, settings, acting=acting, cancel=desk.cancel, going=going, on_batch=tell)
        if controllers:
            with desk.attachments.aside(0, TokenSequence((), (), ())):
                yield job
        else:
            desk.attachments.suspend()
            try:
                yield job
            finally:
                desk.attachments.resume()
    except CaptureError as error:
        raise ModelError(str(error)) from error
