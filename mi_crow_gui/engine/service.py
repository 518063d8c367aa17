"""The model service: what the GUI thread knows of the model, and the only door to the model thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from core_hooks.capture.mailbox import Mailbox
from mi_crow_gui.engine.archive import RunArchive
from mi_crow_gui.engine.arrivals import Arrivals
from mi_crow_gui.engine.interrupt import UserCodeGuard
from mi_crow_gui.engine.live_share import LiveShare
from mi_crow_gui.engine.lookout import Lookout
from mi_crow_gui.engine.messages import Failure, RunRequest, StateName
from mi_crow_gui.engine.patience import Patience
from mi_crow_gui.engine.worker import ModelWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np

    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.reference import ModelReference
    from core_hooks.model.tokens import GenerationSettings, TokenSequence
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.archive import KeptRun, Pin
    from mi_crow_gui.engine.messages import (
        CaptureUpdate,
        HookFailure,
        LookedAt,
        OpenedModel,
        RunInfo,
        RunKind,
        RunOutcome,
    )
    from mi_crow_gui.engine.tasks import ModelTask, TaskProgress, TaskResult


class ModelService(QObject):
    """Facade over the model thread; every method returns at once, every answer is a signal in the GUI thread.

    `state` is ``"idle"`` (no model), ``"loading"``, ``"ready"``, ``"running"`` or ``"failed"`` (an opening failed and
    there is no model to go back to).
    """

    stateChanged = Signal(str)
    treeKnown = Signal(object)
    modelOpened = Signal(object)
    consentWanted = Signal(object)
    shapesKnown = Signal(object)
    progressed = Signal(object)
    runStarted = Signal(object)
    runFinished = Signal(object)
    failed = Signal(object)
    hookFailed = Signal(object)
    hookStates = Signal(object)
    stepsArrived = Signal(object)  # those of the first prompt
    promptStepsArrived = Signal(object)  # those of every prompt
    liveArrived = Signal(object)
    framesArrived = Signal(object)
    taskProgressed = Signal(object)
    taskEnded = Signal(object)
    pinsChanged = Signal()

    stopDelayed = Signal(str)

    _openWanted = Signal(object, object)
    _runWanted = Signal(object)
    _hooksWanted = Signal()
    _taskWanted = Signal(object)
    _closeWanted = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state: StateName = "idle"
        self._model: OpenedModel | None = None
        self._anatomy: Anatomy | None = None
        self._run: RunInfo | None = None
        self._run_number = 0
        self._ended: RunOutcome | Failure | None = None
        self._task: ModelTask | None = None
        self._waiting_run: Callable[[], object] | None = None
        self._hooks: tuple[HookSpec, ...] = ()
        self.memory_budget = 512 * 1024 * 1024
        mailbox: Mailbox[str, object] = Mailbox()
        self._guard = UserCodeGuard()
        self._archive = RunArchive()
        self.share = LiveShare()
        self._worker = ModelWorker(mailbox, self._guard, self._archive, self.share)
        self.lookout = Lookout(self._worker.scout, self)
        self._arrivals = Arrivals(mailbox, self.share, self)
        self._patience = Patience(self._guard, self)
        self._patience.lost.connect(self.stopDelayed)
        self._thread = QThread(self)
        self._thread.setObjectName("model")
        self._worker.moveToThread(self._thread)
        self._connect()
        self._thread.start()

    def _connect(self) -> None:
        worker = self._worker
        self._openWanted.connect(worker.open)
        self._runWanted.connect(worker.run)
        self._hooksWanted.connect(worker.take_hooks)
        self._taskWanted.connect(worker.work)
        self._closeWanted.connect(worker.close)
        worker.treeKnown.connect(self._on_worker_tree_known)
        worker.opened.connect(self._on_worker_opened)
        worker.openFailed.connect(self._on_worker_open_failed)
        worker.anatomyKnown.connect(self._on_worker_anatomy_known)
        worker.consentWanted.connect(self._on_worker_consent_wanted)
        worker.shapesKnown.connect(self._on_worker_shapes_known)
        worker.progressed.connect(self._on_worker_progressed)
        worker.runStarted.connect(self._on_worker_run_started)
        worker.runEnded.connect(self._on_worker_run_ended)
        worker.runFailed.connect(self._on_worker_run_ended)
        worker.hookFailed.connect(self._on_worker_hook_failed)
        worker.hooksChanged.connect(self._arrivals.take_report)
        worker.taskProgressed.connect(self._on_worker_task_progressed)
        worker.taskEnded.connect(self._on_worker_task_ended)
        arrivals = self._arrivals
        arrivals.stepsArrived.connect(self.stepsArrived)
        arrivals.promptStepsArrived.connect(self.promptStepsArrived)
        arrivals.liveArrived.connect(self.liveArrived)
        arrivals.framesArrived.connect(self.framesArrived)
        arrivals.hookStates.connect(self.hookStates)

    # ---- what the window asks ----------------------------------------------------------------------------------

    @property
    def state(self) -> StateName:
        """Where the service is; see the class."""
        return self._state

    @property
    def model(self) -> OpenedModel | None:
        """The model that is open, if one is."""
        return self._model

    @property
    def anatomy(self) -> Anatomy | None:
        """What the parts of the open model are, if one is open."""
        return self._anatomy

    def take_anatomy(self, reference: ModelReference, anatomy: Anatomy) -> None:
        """Parts of the open model were named by hand, which its reference says now."""
        if self._model is not None:
            self._model = replace(self._model, summary=replace(self._model.summary, reference=reference))
            self._anatomy = anatomy

    @property
    def takes_runs(self) -> bool:
        """True when `start` begins a run: the model is ready, or only computes something to look at."""
        return self._state == "ready" or (self._task is not None and self._task.yields_to_runs)

    @property
    def run_number(self) -> int:
        """Number of the newest run; 0 before the first."""
        return self._run_number

    def open(self, reference: ModelReference, consents: frozenset[str] | None = frozenset()) -> bool:
        """Open a model beside the one that is open; False while something else goes on.

        Python code that comes with it runs only if `consents` has its fingerprint, else `consentWanted` is emitted;
        None refuses all such code.
        """
        if self._state in ("loading", "running"):
            return False
        self._worker.cancel.clear()
        self._set_state("loading")
        self._openWanted.emit(reference, consents)
        return True

    def start(
        self,
        kind: RunKind,
        prompt: str,
        settings: GenerationSettings,
        *,
        controllers: bool = True,
        continued: Sequence[TokenSequence] = (),
        batch: bool = False,
    ) -> int:
        """Run a prompt; gives the number of the run, or 0 when there is no model or it is busy.

        With `batch` every line of it is one. `continued` are tokens that earlier steps generated behind each; a step
        adds one more.
        """
        if self._task is not None and self._task.yields_to_runs:
            # Looking waits for running, not the other way round: what was being computed is asked for again after.
            self._worker.cancel.set()
            # A controller that never returns keeps an analysis as it would keep a run.
            self._patience.start()
            self._waiting_run = lambda: self.start(
                kind, prompt, settings, controllers=controllers, continued=continued, batch=batch
            )
            return self._run_number + 1
        if self._state != "ready":
            return 0
        self._run_number += 1
        self._worker.cancel.clear()
        if kind == "step":
            # Another seed for every token, or sampling would draw the same way each time.
            settings = replace(settings, max_new_tokens=1, seed=settings.seed + max(map(len, continued), default=0))
        self._set_state("running")
        self._arrivals.begin(self._run_number)
        self._runWanted.emit(
            RunRequest(
                self._run_number,
                kind,
                prompt,
                settings,
                self._hooks,
                controllers,
                self.memory_budget,
                tuple(continued),
                batch,
            )
        )
        return self._run_number

    def ask(self, task: ModelTask) -> bool:
        """Have something done with the model (`taskEnded`); False when there is no model or it is busy."""
        if self._state != "ready":
            return False
        self._worker.cancel.clear()
        self._task = task
        self._set_state("running")
        self._taskWanted.emit(task)
        return True

    def follow(self, looked_at: LookedAt) -> None:
        """These analyses can be seen: a generation shows them as it goes on (`liveArrived`), at little cost to it."""
        self._worker.followed = looked_at

    def stop(self) -> None:
        """Cancel the opening or the run; a controller that does not return is interrupted a moment later."""
        if self._state not in ("loading", "running"):
            return
        self._waiting_run = None
        self._worker.cancel.set()
        self._patience.start()

    def set_hooks(self, specs: Sequence[HookSpec]) -> None:
        """These hooks from the next forward on; during a run they change between two tokens."""
        self._hooks = tuple(specs)
        self._worker.leave_hooks(self._hooks)
        if self._state != "running":
            self._hooksWanted.emit()

    def retry(self, ids: Collection[str]) -> None:
        """Give hooks that failed and switched themselves off another chance."""
        self._worker.leave_hooks(self._hooks, frozenset(ids))
        if self._state != "running":
            self._hooksWanted.emit()

    def latest(self, site: str) -> np.ndarray | None:
        """Newest captured value of a site in the newest run; after the controllers if both sides are captured."""
        return self._arrivals.latest(site)

    def frames(self) -> dict[str, CaptureUpdate]:
        """Newest update of every capture hook in the newest run, by hook id."""
        return self._arrivals.frames()

    @property
    def pinned(self) -> Mapping[str, KeptRun]:
        """The runs that are pinned, by ``"A"`` and ``"B"``."""
        return self._archive.pinned

    def kept(self, number: int) -> KeptRun | None:
        """A run with what it captured; None when it is not kept any more."""
        return self._archive.get(number)

    def kept_numbers(self) -> tuple[int, ...]:
        """Numbers of the runs that are kept, the oldest first."""
        return self._archive.numbers

    def pin(self, number: int, pin: Pin) -> bool:
        """Hold a run as A or B (`pinsChanged`) until the model goes; False when it is not kept any more."""
        if self._archive.pin(number, pin) is None:
            return False
        self.pinsChanged.emit()
        return True

    def unpin(self, pin: Pin) -> None:
        """Let go of run A or B; its row of the history stays."""
        if self._archive.unpin(pin):
            self.pinsChanged.emit()

    def shutdown(self) -> bool:
        """Cancel what goes on, take every hook off, end the thread; waits for the forward at hand to end.

        False when a controller is in a call that can't be ended: the thread is left to it, and nothing but the end of
        the process ends it.
        """
        self._worker.cancel.set()
        self._arrivals.stop()
        self._closeWanted.emit()
        if not self._patience.outlast(self._thread, self._worker):
            return False
        # The worker belongs to a thread that has ended; nothing else may delete it.
        self._worker.deleteLater()
        return True

    # ---- answers of the worker, in the GUI thread --------------------------------------------------------------

    @Slot(object)
    def _on_worker_tree_known(self, tree: object) -> None:
        if self._state == "loading":
            self.treeKnown.emit(tree)

    @Slot(object)
    def _on_worker_opened(self, opened: OpenedModel) -> None:
        self._patience.stop()
        self._model = opened
        self._arrivals.clear()
        self._worker.leave_hooks(self._hooks)
        self._hooksWanted.emit()
        self._set_state("ready")
        self.modelOpened.emit(opened)
        # Runs of another model end with it.
        self.pinsChanged.emit()

    @Slot(object)
    def _on_worker_anatomy_known(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy

    @Slot(object)
    def _on_worker_open_failed(self, failure: Failure) -> None:
        self._patience.stop()
        self._set_state("ready" if self._model is not None else "failed")
        self.failed.emit(failure)

    @Slot(object)
    def _on_worker_consent_wanted(self, wanted: object) -> None:
        self._patience.stop()
        self._set_state("ready" if self._model is not None else "idle")
        self.consentWanted.emit(wanted)

    @Slot(object)
    def _on_worker_shapes_known(self, shapes: object) -> None:
        self.shapesKnown.emit(shapes)

    @Slot(object)
    def _on_worker_progressed(self, progress: object) -> None:
        self.progressed.emit(progress)

    @Slot(object)
    def _on_worker_run_started(self, info: RunInfo) -> None:
        self._run = info
        self.runStarted.emit(info)
        self._arrivals.started()

    @Slot(object)
    def _on_worker_run_ended(self, ended: RunOutcome | Failure) -> None:
        self._arrivals.end()
        # Told in a turn of its own: with what is left of the run in the same one, the painting of both would be felt.
        self._ended = ended
        QTimer.singleShot(0, self, self._tell_of_end)

    @Slot()
    def _tell_of_end(self) -> None:
        self._patience.stop()
        ended, self._ended = self._ended, None
        # Hooks that were changed after the last forward began are still waiting.
        self._hooksWanted.emit()
        self._set_state("ready")
        (self.failed if isinstance(ended, Failure) else self.runFinished).emit(ended)

    @Slot(object)
    def _on_worker_hook_failed(self, failure: HookFailure) -> None:
        self.hookFailed.emit(failure)

    @Slot(object)
    def _on_worker_task_progressed(self, progress: TaskProgress) -> None:
        self.taskProgressed.emit(progress)

    @Slot(object)
    def _on_worker_task_ended(self, result: TaskResult) -> None:
        self._patience.stop()
        self._task = None
        self._hooksWanted.emit()
        run, self._waiting_run = self._waiting_run, None
        if run is not None:
            # Not told as ready: whoever waits for that to look again would be served before the run.
            self._state = "ready"
            run()
        else:
            self._set_state("ready")
        self.taskEnded.emit(result)
        if result.details:
            self.failed.emit(Failure("task", result.problem, result.details))

    def _set_state(self, state: StateName) -> None:
        if state != self._state:
            self._state = state
            self.stateChanged.emit(state)
