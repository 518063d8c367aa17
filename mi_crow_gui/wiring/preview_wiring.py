"""The preview of a controller: on which tensor, asked for when, and shown how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.controller_reading import acts_on_input
from mi_crow_gui.document.formatting import count, number, shape
from mi_crow_gui.panels.preview_table import PreviewNumbers

if TYPE_CHECKING:
    from core_hooks.capture.record import CaptureRecord
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.messages import CaptureUpdate, RunInfo, RunOutcome
    from mi_crow_gui.engine.preview import PreviewResult
    from mi_crow_gui.engine.tasks import TaskResult
    from mi_crow_gui.plotdata.statistics import StatisticsDrawing
    from mi_crow_gui.wiring.parts import Parts

_NO_INPUT = (
    "A preview of control_input needs what goes into the module: let its detector see that (Inspector, Capture), and "
    "run the prompt."
)
_NO_OUTPUT = (
    "A preview needs what the module gives out, and its detector sees what goes in: change that (Inspector, Capture), "
    "and run the prompt."
)
_COLUMNS = ("", "Min", "Mean", "Max", "Std", "Zeros", "NaN")


class PreviewWiring(QObject):
    """Joins the editor's Preview with the newest captured tensor of its site."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._service = parts.store, parts.service
        self._window, self._editor = parts.window, parts.window.editor
        self._tokens: TokenSequence | None = None
        self._prompt_length = self._number = 0
        self._outcome: RunOutcome | None = None
        self._editor.previewRequested.connect(self._on_editor_preview_requested)
        self._editor.textEdited.connect(self._on_editor_text_edited)
        parts.store.changed.connect(self._on_store_changed)
        service = parts.service
        service.runStarted.connect(self._on_service_run_started)
        service.runFinished.connect(self._on_service_run_finished)
        service.stateChanged.connect(self._on_service_state_changed)
        service.modelOpened.connect(self._on_service_model_opened)
        service.taskEnded.connect(self._on_service_task_ended)
        self._show_obstacle()

    @Slot(str, str)
    def _on_editor_preview_requested(self, site: str, text: str) -> None:
        # numpy is imported with it, which the first paint does not wait for.
        from mi_crow_gui.engine.preview import PreviewRequest

        record = self._record(site, acts_on_input(text))
        if record is None or self._tokens is None:
            return
        end = record.first_token + record.shape[1] if len(record.shape) == 3 else len(self._tokens)
        tokens = type(self._tokens)(self._tokens.ids[:end], self._tokens.texts[:end], self._tokens.special[:end])
        strength = self._editor.strength.value
        self._service.ask(PreviewRequest(text, record, tokens, self._prompt_length, strength, self._number))

    @Slot(object)
    def _on_service_task_ended(self, ended: TaskResult) -> None:
        from mi_crow_gui.engine.preview import PreviewRequest

        if isinstance(ended.task, PreviewRequest) and ended.content is not None:
            self._show(ended.content)

    def _show(self, result: PreviewResult) -> None:
        request = result.request
        # Who typed on meanwhile asks again.
        if (request.record.site, request.text) != (self._editor.site, self._editor.text):
            return
        if result.cancelled:
            self._window.status.set_message(result.problem)
        elif result.before is None or result.after is None or result.difference is None:
            self._editor.set_preview_error(result.line, result.problem)
        else:
            parts = (("Before", result.before), ("After", result.after), ("Difference", result.difference))
            rows = tuple(_row(name, drawing) for name, drawing in parts)
            self._editor.show_preview(PreviewNumbers(_says(result, result.before.count), _COLUMNS, rows))

    @Slot(object)
    def _on_service_run_started(self, info: RunInfo) -> None:
        self._outcome = None
        self._tokens = info.of_prompt(self._store.workspace.selected_prompt).tokens
        self._prompt_length = len(self._tokens)
        self._editor.show_preview(None)

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        self._outcome = outcome
        self._take_prompt()
        self._show_obstacle()

    def _take_prompt(self) -> None:
        if self._outcome is None:
            return
        selected, rows = self._store.workspace.selected_prompt, self._outcome.info.rows
        self._number = max(0, min(selected, len(rows) - 1))
        one = self._outcome.of_prompt(selected)
        self._prompt_length = len(one.info.tokens)
        self._tokens = one.info.tokens.followed_by(one.generated)

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._tokens = None
        self._editor.show_preview(None)
        self._show_obstacle()

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._show_obstacle()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "selected_prompt":
            self._take_prompt()
        if topic in ("selection", "hooks", "selected_prompt"):
            self._show_obstacle()

    @Slot(str, str)
    def _on_editor_text_edited(self, site: str, text: str) -> None:
        self._show_obstacle()

    def _show_obstacle(self) -> None:
        site = self._store.workspace.selected_site
        if self._service.model is None:
            obstacle = "A preview needs a model: open one, tick the module and run a prompt."
        elif self._service.state != "ready":
            obstacle = "A preview waits until the model is free."
        elif site is None or self._tokens is None or not self._sides(site):
            obstacle = "A preview needs a captured tensor: tick the module and run a prompt."
        elif self._record(site, ingoing := acts_on_input(self._editor.text)) is None:
            obstacle = _NO_INPUT if ingoing else _NO_OUTPUT
        else:
            obstacle = ""
        self._editor.set_preview_possible(obstacle)

    def _sides(self, site: str) -> list[CaptureUpdate]:
        return [update for update in self._service.frames().values() if update.frame.site == site]

    def _record(self, site: str, ingoing: bool) -> CaptureRecord | None:
        """The newest captured tensor of a site: what went in, or what it gave, before its controllers if known.

        Of a batch, the part of it that is the selected prompt's.
        """
        updates = [update for update in self._sides(site) if (update.record.stage == "input") == ingoing]
        if not updates:
            return None
        update = max(updates, key=lambda update: update.frame.stage == "before")
        if not update.frame.rows:
            return update.record
        # numpy is imported with it, which the first paint does not wait for.
        from mi_crow_gui.plotdata.prompt_frame import record_of_prompt

        return record_of_prompt(update.record, update.frame, self._store.workspace.selected_prompt)


def _says(result: PreviewResult, values: int) -> str:
    record = result.request.record
    moment = "prompt" if record.step == 0 else f"token {record.step}"
    becomes = f", now {result.dtype}" if result.dtype != record.dtype else ""
    side = {"after": ", after its controllers", "input": ", what goes in"}.get(record.stage, "")
    return (
        f"Run {record.run}, {moment}{side}: {count(result.changed)} of {count(values)} values change "
        f"({shape(record.shape)} {record.dtype}{becomes})."
    )


def _row(name: str, drawing: StatisticsDrawing) -> tuple[str, ...]:
    measured = (drawing.minimum, drawing.mean, drawing.maximum, drawing.std)
    return (name, *map(number, measured), count(drawing.zeros), count(drawing.nan))
