"""The files of the weights: verifying those of the open model, and giving back what unpacked GGUF files take."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.formatting import byte_size, plural
from mi_crow_gui.engine.weight_verification import WeightVerification

if TYPE_CHECKING:
    from core_hooks.model.weight_check import WeightCheck
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.engine.tasks import TaskProgress, TaskResult
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class WeightsWiring(QObject):
    """Joins the two actions about weights with the model thread and the pool."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._window, self._service, self._jobs = parts.window, parts.service, parts.jobs
        parts.window.action("verifyWeights").triggered.connect(self._on_verify_weights_triggered)
        parts.window.action("clearWeightCache").triggered.connect(self._on_clear_weight_cache_triggered)
        self._service.stateChanged.connect(self._on_service_state_changed)
        self._service.taskProgressed.connect(self._on_service_task_progressed)
        self._service.taskEnded.connect(self._on_service_task_ended)

    @Slot()
    def _on_verify_weights_triggered(self) -> None:
        model = self._service.model
        if model is None:
            return
        task = WeightVerification(model.summary.reference.source)
        if self._service.ask(task):
            self._window.status.set_progress(task.title)

    @Slot()
    def _on_clear_weight_cache_triggered(self) -> None:
        self._jobs.run("clear", _clear, self._on_cleared, self._on_clear_failed)

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._window.action("verifyWeights").setEnabled(state == "ready")
        self._window.action("clearWeightCache").setEnabled(state != "loading")

    @Slot(object)
    def _on_service_task_progressed(self, progress: TaskProgress) -> None:
        if isinstance(progress.task, WeightVerification):
            text = f"{progress.task.title}: {progress.done:,} of {progress.total:,} {progress.words}"
            self._window.status.set_progress(text, progress.done, progress.total)

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        if not isinstance(result.task, WeightVerification):
            return
        self._window.status.clear_progress()
        if result.content is None:
            self._window.status.set_message(result.problem)
            log.warning("%s", result.problem, extra={"details": result.details})
            return
        self._tell(result.content)

    def _tell(self, checks: tuple[WeightCheck, ...]) -> None:
        for check in checks:
            log.log(logging.ERROR if check.problem else logging.INFO, "%s", check.problem or f"{check.file}: whole.")
        damaged = [check for check in checks if check.problem]
        if damaged:
            more = f" ({len(damaged)} of {plural(len(checks), 'file')}, see the log)" if len(damaged) > 1 else ""
            self._window.status.set_message(damaged[0].problem + more)
            return
        size = byte_size(sum(check.nbytes for check in checks))
        self._window.status.set_message(f"Nothing wrong in {plural(len(checks), 'file')}, {size}. {checks[0].how}")

    def _on_cleared(self, nbytes: int) -> None:
        message = (
            f"Unpacked GGUF weights removed: {byte_size(nbytes)} are free again; opening such a file unpacks it anew."
            if nbytes
            else "No unpacked GGUF weights are kept, so there was nothing to remove."
        )
        log.info("%s", message)
        self._window.status.set_message(message)

    def _on_clear_failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        self._window.status.set_message(failure.message)


def _clear() -> int:
    from core_hooks.model.gguf_cache import GgufCache

    return GgufCache().clear()
