"""Prompt, Run, Generate, Step and Stop; tokens, output and history of what ran."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from core_hooks.model.tokens import TokenSequence
from mi_crow_gui.document.formatting import count, duration, number, plural
from mi_crow_gui.document.prompts import prompt_at
from mi_crow_gui.engine.clean_check import CleanCheck

if TYPE_CHECKING:
    from core_hooks.model.clean_check import CleanReport
    from core_hooks.model.tokens import TokenStep
    from mi_crow_gui.engine.messages import Failure, RunInfo, RunKind, RunOutcome
    from mi_crow_gui.engine.tasks import TaskResult
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class RunWiring(QObject):
    """Joins the prompt panel, the run actions and the service."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._service, self._window = parts.store, parts.service, parts.window
        self._info: RunInfo | None = None
        self._outcome: RunOutcome | None = None
        window, prompt = parts.window, parts.window.prompt
        window.action("run").triggered.connect(self._on_run_triggered)
        window.action("generate").triggered.connect(self._on_generate_triggered)
        window.action("step").triggered.connect(self._on_step_triggered)
        window.action("checkClean").triggered.connect(self._on_check_clean_triggered)
        window.action("stop").triggered.connect(self._on_stop_triggered)
        window.status.cancelRequested.connect(self._on_stop_triggered)
        prompt.promptChanged.connect(self._store.set_prompt)
        prompt.batchChanged.connect(self._store.set_batch)
        prompt.generationChanged.connect(self._store.set_generation)
        self._store.changed.connect(self._on_store_changed)
        self._service.runStarted.connect(self._on_service_run_started)
        self._service.promptStepsArrived.connect(self._on_service_prompt_steps_arrived)
        self._service.runFinished.connect(self._on_service_run_finished)
        self._service.failed.connect(self._on_service_failed)
        self._service.taskEnded.connect(self._on_service_task_ended)
        self._service.modelOpened.connect(self._on_service_model_opened)
        for topic in ("prompt", "batch", "generation"):
            self._on_store_changed(topic)

    def start(self, kind: RunKind, *, controllers: bool = True) -> int:
        """Run what the prompt says now; the number of the run, or 0 with the reason in the status bar."""
        workspace = self._store.workspace
        if self._service.state == "idle" or self._service.model is None:
            self._window.status.set_message("There is no model to run: open one first.")
            return 0
        run = self._service.start(
            kind,
            workspace.prompt,
            workspace.generation,
            controllers=controllers,
            continued=self._continued() if kind == "step" else (),
            batch=workspace.batch,
        )
        if not run:
            self._window.status.set_message("Something is running already: stop it first (Esc).")
        return run

    def _continued(self) -> tuple[TokenSequence, ...]:
        """What was generated behind each prompt so far; nothing when the next step is the first."""
        last, workspace = self._outcome, self._store.workspace
        if last is None or last.info.kind == "run" or last.info.prompt != workspace.prompt:
            return ()
        return tuple(map(_written, last.prompts)) if last.info.batch == workspace.batch else ()

    @Slot()
    def _on_run_triggered(self) -> None:
        self.start("run")

    @Slot()
    def _on_generate_triggered(self) -> None:
        self.start("generate")

    @Slot()
    def _on_step_triggered(self) -> None:
        self.start("step")

    @Slot()
    def _on_check_clean_triggered(self) -> None:
        check = CleanCheck(prompt_at(self._store.workspace, self._store.workspace.selected_prompt))
        if self._service.ask(check):
            self._window.status.set_progress(check.title)

    @Slot()
    def _on_stop_triggered(self) -> None:
        self._service.stop()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        workspace = self._store.workspace
        if topic == "prompt":
            self._window.prompt.set_prompt(workspace.prompt)
        elif topic == "batch":
            self._window.prompt.set_batch(workspace.batch)
        elif topic == "generation":
            self._window.prompt.set_generation(workspace.generation)

    @Slot(object)
    def _on_service_run_started(self, info: RunInfo) -> None:
        self._info = info
        status, tokens = self._window.status, sum(map(len, info.prompts))
        of = f"{plural(len(info.rows), 'prompt')}, " if info.rows else ""
        status.set_message(f"Run {info.number}: {of}{plural(tokens, 'token')}")
        status.set_progress("Running", 0, info.settings.max_new_tokens if info.kind == "generate" else 0)

    @Slot(object)
    def _on_service_prompt_steps_arrived(self, steps: tuple[tuple[TokenStep, ...], ...]) -> None:
        if self._info is not None and self._info.kind == "generate":
            done, total = max(map(len, steps)), self._info.settings.max_new_tokens
            self._window.status.set_progress(f"Running token {done}/{total}", done, total)

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        window = self._window
        self._outcome = outcome
        window.status.clear_progress()
        window.status.set_dropped(outcome.dropped)
        window.status.set_loss(outcome.loss)
        window.status.set_message(summary(outcome))
        for note in outcome.notes:
            log.info("%s", note)

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        # Another model's tokens are nothing to continue.
        self._outcome = None

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        if not isinstance(result.task, CleanCheck):
            return
        self._window.status.clear_progress()
        if result.content is not None:
            self._tell_of_check(result.content.report)
        else:
            self._window.status.set_message(result.problem)
            log.warning("%s", result.problem)

    def _tell_of_check(self, report: CleanReport) -> None:
        window = self._window
        if report.clean:
            message = f"Clean: {count(report.logits)} logits equal those of a never-hooked copy, bit for bit."
            log.info("%s", message)
        else:
            where = ", ".join(name or "the model" for name in report.hooks_left) or "none of ours"
            message = (
                f"Not clean: the logits differ by up to {number(report.largest_difference)} "
                f"from those of a never-hooked copy; hooks left: {where}."
            )
            log.error("%s", message)
        window.status.set_message(message)

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        self._window.status.clear_progress()
        self._window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})


def _written(outcome: RunOutcome) -> TokenSequence:
    """What was generated behind a prompt, by this run and the steps before it."""
    tokens, new = outcome.info.tokens, outcome.generated
    start = len(tokens) - outcome.info.continued
    return TokenSequence(
        (*tokens.ids[start:], *(step.token_id for step in new)),
        (*tokens.texts[start:], *(step.text for step in new)),
        (*tokens.special[start:], *(False for _ in new)),
    )


def summary(outcome: RunOutcome) -> str:
    """One line for the status bar and the history: what ran, how it ended, how long, how well."""
    info = outcome.info
    parts = [f"Run {info.number}"]
    if info.rows:
        parts.append(plural(len(info.rows), "prompt"))
    new = sum(len(one.generated) for one in outcome.prompts)
    if new:
        parts.append(plural(new, "new token"))
    else:
        tokens = sum(map(len, info.prompts))
        parts.append(plural(tokens, "token") if tokens else "example inputs")
    if outcome.stopped == "cancelled":
        parts.append("stopped")
    elif outcome.stopped == "context":
        parts.append("the context is full")
    elif outcome.stopped == "eos":
        parts.append("ended by itself")
    parts.append(duration(outcome.seconds))
    if outcome.loss is not None:
        parts.append(f"loss {number(outcome.loss)} nats")
    return " · ".join(parts)
