"""The instrument strip: joined with every run that ends and with every check of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.formatting import count, number, plural
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.document.instruments import Instrument, InstrumentReport
from mi_crow_gui.engine.clean_check import CheckedClean, CleanCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.messages import Failure, HookState, RunOutcome
    from mi_crow_gui.engine.tasks import TaskResult
    from mi_crow_gui.wiring.parts import Parts

_KINDS = {CAPTURE: "detector", CONTROLLER: "controller"}
_RUNS = {"run": "Run", "generate": "Generation", "step": "Step"}


class InstrumentWiring(QObject):
    """Joins the strip with the service."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._window = parts.store, parts.window
        self._strip = parts.window.status.instruments
        service = parts.service
        service.runFinished.connect(self._on_service_run_finished)
        service.failed.connect(self._on_service_failed)
        service.taskEnded.connect(self._on_service_task_ended)
        service.modelOpened.connect(self._on_service_model_opened)
        service.stateChanged.connect(self._on_service_state_changed)
        self._strip.checkRequested.connect(parts.window.action("checkClean").trigger)

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        self._strip.set_report(report_of(outcome, {hook.id: hook for hook in self._store.workspace.hooks}))

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        if failure.task in _RUNS:
            self._strip.set_failed(_RUNS[failure.task])

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        if isinstance(result.task, CleanCheck) and isinstance(result.content, CheckedClean):
            self._strip.set_clean(*clean_words(result.content))

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._strip.set_report(None)

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._strip.set_checkable(state == "ready")


def report_of(outcome: RunOutcome, hooks: Mapping[str, HookSpec]) -> InstrumentReport:
    """What the hooks of a run did; `hooks` by id say what each of them is."""
    found = tuple(_instrument(state, hooks.get(state.id)) for state in outcome.hooks)
    return InstrumentReport(outcome.info.number, found, outcome.hooks_left, outcome.hooks_expected)


def clean_words(checked: CheckedClean) -> tuple[str, str, bool]:
    """What a check found, in a few words, in a sentence, and whether all is well."""
    report = checked.report
    moved = f"{plural(checked.taken_off, 'hook')} taken off, {count(checked.put_back)} put back"
    if checked.clean:
        return (
            f"clean: bit-identical · {moved}",
            f"Clean check: {moved}; {count(report.logits)} logits equal those of a never-hooked copy, bit for bit.",
            True,
        )
    found = (
        "the logits are the same"
        if report.identical
        else f"logits differ by up to {number(report.largest_difference)} from those of a never-hooked copy"
    )
    left = plural(max(len(report.hooks_left), checked.left_meanwhile), "hook")
    return f"not clean · {moved}", f"Clean check: {found}; {left} could not be taken off; {moved}.", False


def _instrument(state: HookState, spec: HookSpec | None) -> Instrument:
    kind = _KINDS.get(spec.kind, spec.kind) if spec is not None else "hook"
    failed = state.error if state.error or state.failures else ""
    if state.failures and not failed:
        failed = "it raised an error"
    off = ""
    if not state.enabled and not failed:
        off = "not reviewed, so off" if spec is not None and not spec.trusted else "switched off"
    on_model = state.attached or state.failures > 0
    return Instrument(state.site, kind, state.fired, on_model, failed, off)
