"""Two prompts compared in one go: run after each other, pinned as A and B, and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.engine.archive import PINS
from mi_crow_gui.engine.prompt_alignment import AlignmentTask

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure, RunOutcome
    from mi_crow_gui.engine.tasks import TaskResult
    from mi_crow_gui.window.compare_prompts_dialog import ComparePromptsDialog
    from mi_crow_gui.wiring.history_wiring import HistoryWiring
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.run_wiring import RunWiring


class PromptPairWiring(QObject):
    """Joins the dialog with what aligns its prompts, with the runs, and with the comparison.

    A run that is stopped or fails ends it where it is.
    """

    def __init__(self, parts: Parts, run: RunWiring, history: HistoryWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._run, self._history = parts, run, history
        self._waiting: list[str] = []
        self._number = 0
        self._dialog: ComparePromptsDialog | None = None
        self._unaligned: AlignmentTask | None = None
        self._action = parts.window.action("comparePrompts")
        self._action.triggered.connect(self._on_compare_prompts_triggered)
        parts.service.stateChanged.connect(self._on_service_state_changed)
        parts.service.runFinished.connect(self._on_service_run_finished)
        parts.service.failed.connect(self._on_service_failed)
        parts.service.taskEnded.connect(self._on_service_task_ended)

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._action.setEnabled(state == "ready")
        if state == "ready":
            self._align()

    @Slot()
    def _on_compare_prompts_triggered(self) -> None:
        workspace = self._parts.store.workspace
        first = workspace.prompt.split("\n")[0] if workspace.batch else workspace.prompt
        # With what plots are made of, which the window does not wait for.
        from mi_crow_gui.window.compare_prompts_dialog import ComparePromptsDialog

        dialog = self._dialog = ComparePromptsDialog(first, self._parts.window)
        dialog.chosen.connect(self._on_dialog_chosen)
        dialog.alignmentWanted.connect(self._on_dialog_alignment_wanted)
        dialog.finished.connect(self._on_dialog_finished)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str, str)
    def _on_dialog_alignment_wanted(self, a: str, b: str) -> None:
        self._unaligned = AlignmentTask(a, b)
        self._align()

    def _align(self) -> None:
        """Ask for what is wanted; while the model is busy it stays wanted."""
        task, self._unaligned = self._unaligned, None
        if task is not None and not self._parts.service.ask(task):
            self._unaligned = task

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        task, dialog = result.task, self._dialog
        if isinstance(task, AlignmentTask) and dialog is not None and dialog.prompts == (task.a, task.b):
            dialog.show_alignment(result.content, result.problem)

    @Slot()
    def _on_dialog_finished(self) -> None:
        self._dialog = self._unaligned = None

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
