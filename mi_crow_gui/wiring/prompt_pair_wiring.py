"""Two prompts compared in one go: run after each other, pinned as A and B, and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.engine.archive import PINS
from mi_crow_gui.window.compare_prompts_dialog import ComparePromptsDialog

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure, RunOutcome
    from mi_crow_gui.wiring.history_wiring import HistoryWiring
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.run_wiring import RunWiring


class PromptPairWiring(QObject):
    """Joins the dialog, the runs and the comparison. A run that is stopped or fails ends it where it is."""

    def __init__(self, parts: Parts, run: RunWiring, history: HistoryWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._run, self._history = parts, run, history
        self._waiting: list[str] = []
        self._number = 0
        self._action = parts.window.action("comparePrompts")
        self._action.triggered.connect(self._on_compare_prompts_triggered)
        parts.service.stateChanged.connect(self._on_service_state_changed)
        parts.service.runFinished.connect(self._on_service_run_finished)
        parts.service.failed.connect(self._on_service_failed)

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._action.setEnabled(state == "ready")

    @Slot()
    def _on_compare_prompts_triggered(self) -> None:
        workspace = self._parts.store.workspace
        first = workspace.prompt.split("\n")[0] if workspace.batch else workspace.prompt
        dialog = ComparePromptsDialog(first, self._parts.window)
        dialog.chosen.connect(self._on_dialog_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str, str)
    def _on_dialog_chosen(self, a: str, b: str) -> None:
        self._parts.store.set_batch(False)
        self._waiting = [a, b]
        self._start()

    def _start(self) -> None:
        # What is run is what the prompt field says; a step of its own, or undo would take it for typing.
        with self._parts.store.one_step(f"Prompt {PINS[-len(self._waiting)]}"):
            self._parts.store.set_prompt(self._waiting[0])
        self._number = self._run.start("run")
        if not self._number:
            self._waiting = []

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        if not self._waiting or outcome.info.number != self._number:
            return
        if outcome.stopped == "cancelled":
            self._waiting = []
            return
        self._history.pin(self._number, PINS[-len(self._waiting)])
        del self._waiting[0]
        if self._waiting:
            self._start()
        else:
            self._history.compare()

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        self._waiting = []
