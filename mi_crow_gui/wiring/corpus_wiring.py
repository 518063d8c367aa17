"""The capture job of a corpus: its dialog, the model thread that carries it out, and the list of captures."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from core_hooks.capture.ray_choice import lacking
from mi_crow_gui.document.hook_spec import CAPTURE
from mi_crow_gui.engine.corpus_capture import CorpusCapture, CorpusEstimate

if TYPE_CHECKING:
    from core_hooks.capture.job_settings import JobResult, JobSettings
    from core_hooks.capture.ray_choice import RayChoice
    from core_hooks.capture.survey import FolderLook, TextsLook
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.engine.tasks import TaskProgress, TaskResult
    from mi_crow_gui.window.capture_corpus_dialog import CaptureCorpusDialog
    from mi_crow_gui.wiring.capture_wiring import CaptureWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

INDEX = "capture.json"
_PARENT = "captures/parent"  # the setting that remembers where the last capture went


class CorpusWiring(QObject):
    """Joins the dialog of a capture job with the task that estimates it and the task that does it."""

    def __init__(self, parts: Parts, captures: CaptureWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._captures = parts, captures
        self._window, self._service = parts.window, parts.service
        self._dialog: CaptureCorpusDialog | None = None
        self._job: CorpusCapture | None = None
        # What waits for the model: the newest estimate that was asked for, and the job that is to be started.
        self._estimate: CorpusEstimate | None = None
        self._going: CorpusEstimate | None = None
        self._next: CorpusCapture | None = None
        action = parts.window.action("captureCorpus")
        action.triggered.connect(self._on_capture_corpus_triggered)
        service = parts.service
        service.stateChanged.connect(self._on_service_state_changed)
        service.modelOpened.connect(self._on_service_model_opened)
        service.taskProgressed.connect(self._on_service_task_progressed)
        service.taskEnded.connect(self._on_service_task_ended)
        parts.store.changed.connect(self._on_store_changed)

    @property
    def job(self) -> CorpusCapture | None:
        """The job that goes on now."""
        return self._job

    def start(self, settings: JobSettings, controllers: bool = False, ray: RayChoice | None = None) -> None:
        """Start a job, or go on with the one that lies in its folder, as soon as the model is free."""
        going = threading.Event()
        going.set()
        self._next = CorpusCapture(settings, self._acting() if controllers else (), going, ray)
        if self._dialog is not None:
            self._dialog.show_job(settings, len(self._next.controllers), ray)
        if self._going is not None:
            self._service.stop()  # what it will take is known well enough
        self._begin()

    # ---- the dialog -------------------------------------------------------------------------------------------

    @Slot()
    def _on_capture_corpus_triggered(self) -> None:
        first = self._dialog is None
        dialog = self._dialog = self._window.show_capture_corpus()
        if first:
            dialog.looksWanted.connect(self._on_dialog_looks_wanted)
            dialog.estimateWanted.connect(self._on_dialog_estimate_wanted)
            dialog.startRequested.connect(self._on_dialog_start_requested)
            dialog.pauseRequested.connect(self._on_dialog_pause_requested)
            dialog.cancelRequested.connect(self._on_dialog_cancel_requested)
            self._tell_of_model()
            if self._job is not None:
                dialog.show_job(self._job.settings, len(self._job.controllers), self._job.ray)
                dialog.progress.show_begun()
        dialog.set_ready(self._is_free())
        dialog.form.set_ray_lacking(lacking())
        dialog.form.set_controllers([spec.site for spec in self._acting()])
        if not dialog.form.layers:
            dialog.form.set_layers(self._layers())

    def _layers(self) -> str:
        """What the window is about now: the filter of the tree, the sites that are captured, or the selected ones."""
        model = self._service.model
        if model is None:
            return ""
        sites = [record.path for record in model.tree]
        from core_hooks.model.site_pattern import matching_sites

        text = self._window.module_tree.filter_text
        classes = [record.class_name for record in model.tree]
        for pattern in (text, f"*{text}*") if text else ():
            if matching_sites(pattern, sites, classes):
                return pattern
        hooks = self._parts.store.workspace.hooks
        captured = dict.fromkeys(spec.site for spec in hooks if spec.kind == CAPTURE and spec.enabled)
        known = set(sites)
        chosen = [site for site in captured if site in known] or [
            site for site in self._window.module_tree.selected_sites() if site
        ]
        return " ".join(chosen)

    def _tell_of_model(self) -> None:
        model, dialog = self._service.model, self._dialog
        if dialog is None or model is None:
            return
        # A module in several places is hooked once, under its first name; the model itself has no name to type.
        records = [record for record in model.tree if record.path and not record.shared_with]
        dialog.form.set_model(
            [record.path for record in records],
            [record.class_name for record in records],
            model.summary.context_length,
        )

    @Slot(str, str, str)
    def _on_dialog_looks_wanted(self, texts: str, encoding: str, out: str) -> None:
        model = self._service.model
        name = model.summary.name if model is not None else "capture"
        parent = self._parts.settings.text(_PARENT) or str(Path.home() / "captures")

        def look() -> tuple[tuple[str, str, str], TextsLook, FolderLook, str]:
            from core_hooks.capture.survey import FolderLook, TextsLook, look_at_folder, look_at_texts, new_folder

            path = Path(texts).expanduser()
            found = look_at_texts(path, encoding or "utf-8") if texts else TextsLook()
            folder = look_at_folder(Path(out).expanduser()) if out else FolderLook("free")
            suggestion = str(new_folder(Path(parent), name, path)) if texts and not found.problem and not out else ""
            return (texts, encoding, out), found, folder, suggestion

        self._parts.jobs.run("corpus", look, self._looked, self._look_failed)

    def _looked(self, answer: tuple[tuple[str, str, str], TextsLook, FolderLook, str]) -> None:
        if self._dialog is not None:
            self._dialog.show_looks(*answer)

    def _look_failed(self, failure: Failure) -> None:
        self._window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})

    @Slot(object)
    def _on_dialog_estimate_wanted(self, settings: JobSettings) -> None:
        acting = self._dialog is not None and self._dialog.form.controllers_act
        self._estimate = CorpusEstimate(settings, self._acting() if acting else ())
        if self._going is not None:
            self._service.stop()  # nobody waits for the old one any more
        self._begin()

    @Slot(object)
    def _on_dialog_start_requested(self, settings: JobSettings) -> None:
        dialog = self._dialog
        ray = dialog.form.ray if dialog is not None else None
        self.start(settings, dialog is not None and dialog.form.controllers_act, ray)

    @Slot(bool)
    def _on_dialog_pause_requested(self, paused: bool) -> None:
        if self._job is None:
            return
        if paused:
            self._job.going.clear()
            self._window.status.set_message(f"{self._job.title}: paused")
        else:
            self._job.going.set()

    @Slot()
    def _on_dialog_cancel_requested(self) -> None:
        if self._job is not None:
            self._service.stop()
        elif self._next is not None:
            self._next = None
            if self._dialog is not None:
                self._dialog.show_end("Nothing was started.", bad=False)

    # ---- the model thread -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Ask for what waits, the job before the estimate; again later where the model is busy."""
        if self._next is not None:
            if self._service.ask(self._next):
                self._job, self._next, self._estimate = self._next, None, None
                self._window.status.set_progress(self._job.title)
                self._parts.settings.set_text(_PARENT, str(self._job.settings.out.absolute().parent))
                if self._dialog is not None:
                    self._dialog.progress.show_begun()
        elif self._estimate is not None and self._service.ask(self._estimate):
            self._going, self._estimate = self._estimate, None

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._window.action("captureCorpus").setEnabled(self._service.model is not None)
        if self._dialog is not None:
            self._dialog.set_ready(self._is_free())
        if state == "ready":
            self._begin()

    def _is_free(self) -> bool:
        return self._service.takes_runs or self._going is not None

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._tell_of_model()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "hooks" and self._dialog is not None:
            self._dialog.form.set_controllers([spec.site for spec in self._acting()])

    @Slot(object)
    def _on_service_task_progressed(self, progress: TaskProgress) -> None:
        job = self._job
        if job is None or progress.task is not job or not job.going.is_set():
            return
        self._window.status.set_progress(f"{job.title}: {progress.words}", progress.done, progress.total)
        if self._dialog is not None:
            self._dialog.progress.show_progress(progress.done, progress.total, progress.words)

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        if self._going is not None and result.task is self._going:
            asked, self._going = self._going, None
            if self._dialog is not None and not result.cancelled:
                self._dialog.show_estimate(asked.settings, result.content, result.problem)
        elif self._job is not None and result.task is self._job:
            job, self._job = self._job, None
            self._finish(job, result)
        self._begin()

    def _finish(self, job: CorpusCapture, result: TaskResult) -> None:
        if not self._window.isVisible():
            return  # it is being closed: there is nobody to tell
        from mi_crow_gui.window.capture_corpus_dialog import finished_words

        self._window.status.clear_progress()
        done: JobResult | None = result.content
        folder = job.settings.out.absolute()
        if done is not None and done.state == "finished":
            words = f"Captured {finished_words(done.texts, done.rows, done.nbytes)} into {folder}."
            if done.notes:
                words = f"{words} {' '.join(done.notes)}"
            self._captures.open_folder(str(folder))
        elif done is None and result.cancelled:
            words = "The capture was ended before it had begun."
        elif done is not None:
            words = f"The capture in {folder} was ended early; Go on finishes it."
        else:
            words = result.problem
            log.error("%s", result.problem)
        self._window.status.set_message(words)
        if done is None or done.state != "finished":
            self._parts.jobs.run(
                "corpus", (folder / INDEX).exists, lambda begun: self._list(folder, begun), self._look_failed
            )
        if self._dialog is not None:
            self._dialog.show_end(words, bad=done is None and not result.cancelled)

    def _list(self, folder: Path, begun: bool) -> None:
        """Unfinished captures are in the list too: they can be read as far as they go."""
        if begun:
            self._captures.list_folder(str(folder))

    def _acting(self) -> tuple[HookSpec, ...]:
        """The user's controllers that are switched on."""
        hooks = self._parts.store.workspace.hooks
        return tuple(spec for spec in hooks if spec.kind != CAPTURE and spec.enabled and spec.trusted)
