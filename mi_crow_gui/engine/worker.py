"""The worker that owns the model: lives in the model thread, everything torch does happens here."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.engine.messages import Failure, LookedAt, OpenedModel, RunOutcome, RunRequest
from mi_crow_gui.engine.scout import Scout
from mi_crow_gui.engine.tasks import TaskDesk, TaskProgress, TaskResult
from mi_crow_gui.engine.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core_hooks.capture.mailbox import Mailbox
    from core_hooks.hooks.run import HookRun
    from core_hooks.model.opening import OpenedModel as CoreModel
    from core_hooks.model.reference import ModelReference, OpenProgress
    from core_hooks.model.tokens import TokenStep
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.archive import RunArchive
    from mi_crow_gui.engine.attachments import Attachments
    from mi_crow_gui.engine.interrupt import UserCodeGuard
    from mi_crow_gui.engine.live_share import LiveShare
    from mi_crow_gui.engine.measures import Measures
    from mi_crow_gui.engine.recording import Recording
    from mi_crow_gui.engine.tasks import ModelTask

log = logging.getLogger(__name__)

# Watching the shapes of more modules would be felt at every run.
_MOST_WATCHED = 20_000


class ModelWorker(QObject):
    """Opens models and runs them; every answer leaves as a signal or through the mailbox.

    torch and transformers are imported by the first call that needs them, never with this module.
    """

    treeKnown = Signal(object)
    opened = Signal(object)
    openFailed = Signal(object)
    consentWanted = Signal(object)
    shapesKnown = Signal(object)
    anatomyKnown = Signal(object)
    progressed = Signal(object)
    runStarted = Signal(object)
    runEnded = Signal(object)
    runFailed = Signal(object)
    hookFailed = Signal(object)
    hooksChanged = Signal(object)
    taskProgressed = Signal(object)
    taskEnded = Signal(object)

    def __init__(
        self, mailbox: Mailbox[str, object], guard: UserCodeGuard, archive: RunArchive, share: LiveShare
    ) -> None:
        super().__init__()
        self.cancel = threading.Event()
        self.archive = archive
        self.scout = Scout(self)
        # Set by the GUI thread: the analyses that can be seen.
        self.followed = LookedAt()
        self._mailbox = mailbox
        self._guard, self._share = guard, share
        self._model: CoreModel | None = None
        self._attachments: Attachments | None = None
        self._recording: Recording | None = None
        # Of the model that is open.
        self._measures: Measures | None = None
        self._shapes_seen = False
        self._pending_lock = threading.Lock()
        self._pending: Sequence[HookSpec] | None = None
        self._again: frozenset[str] = frozenset()

    # ---- asked for by the service ------------------------------------------------------------------------------

    @Slot(object, object)
    def open(self, reference: ModelReference, consents: frozenset[str] | None) -> None:
        """Open a model; the previous one stays until the new one is whole.

        Python code that comes with it runs only when `consents` has its fingerprint; None refuses all of it.
        """
        from core_hooks.model.errors import ModelError, OpeningCancelled
        from mi_crow_gui.engine.agreed_opening import ConsentMissing, open_agreed

        try:
            warm_up()
            model = open_agreed(
                reference, consents, on_progress=self._on_progress, on_tree=self.treeKnown.emit, cancel=self.cancel
            )
        except ConsentMissing as missing:
            self.consentWanted.emit(missing.wanted)
        except OpeningCancelled:
            self.openFailed.emit(Failure("open", f"Opening '{reference.source}' was cancelled."))
        except ModelError as error:
            self.openFailed.emit(Failure("open", str(error), traceback.format_exc()))
        except Exception as error:  # noqa: BLE001 - the thread must answer whatever a model's code raises
            message = f"'{reference.source}' could not be opened: {type(error).__name__}: {error}"
            self.openFailed.emit(Failure("open", " ".join(message.split()), traceback.format_exc()))
        else:
            self._take(model)

    @Slot()
    def close(self) -> None:
        """Take every hook off, let the model go, and end the thread: the last thing asked for."""
        try:
            self._let_go()
        finally:
            # Ended from within: a quit from outside could overtake this call and leave the hooks on.
            self.thread().quit()

    def _let_go(self) -> None:
        if self._attachments is not None:
            self._attachments.set_model(None, frozenset())
        if self._model is not None:
            self._model.close()
            self._model = None

    def leave_hooks(self, specs: Sequence[HookSpec], again: frozenset[str] = frozenset()) -> None:
        """Called from the GUI thread: these are the hooks from the next forward on, those of `again` made anew."""
        with self._pending_lock:
            self._pending = tuple(specs)
            self._again |= again

    @Slot()
    def take_hooks(self) -> None:
        """Attach and detach what `leave_hooks` left, now that no forward runs."""
        self._apply_pending()

    @Slot(object)
    def run(self, request: RunRequest) -> None:
        """Run the prompt, and generate if that was asked for."""
        from core_hooks.hooks.errors import RunCancelled
        from core_hooks.hooks.run import HookRun
        from core_hooks.model.errors import ModelError
        from mi_crow_gui.engine.interrupt import ControllerInterrupted

        assert self._model is not None
        assert self._attachments is not None
        self.leave_hooks(request.hooks)
        self._apply_pending()
        started = time.perf_counter()
        recording: Recording | None = None
        outcome: RunOutcome | None = None
        try:
            recording = self._begin(request)
            with HookRun(number=request.number, cancel=self.cancel, controllers=request.controllers) as run:
                with self._watching_shapes():
                    outcome = self._execute(request, recording, run, started)
        except (RunCancelled, ControllerInterrupted):
            outcome = recording.cancelled(time.perf_counter() - started) if recording is not None else None
        except ModelError as error:
            self.runFailed.emit(Failure(request.kind, str(error), traceback.format_exc()))
            return
        except Exception as error:  # noqa: BLE001 - the thread must answer whatever a model's code raises
            message = " ".join(f"The run failed: {type(error).__name__}: {error}".split())
            self.runFailed.emit(Failure(request.kind, message, traceback.format_exc()))
            return
        finally:
            self._attachments.end_run()
            if recording is not None:
                recording.publish_report(self._attachments.report())
        if recording is not None and outcome is not None:
            left, expected = self._attachments.census(), self._attachments.expected()
            outcome = replace(outcome, hooks_left=left, hooks_expected=expected)
            self.archive.keep(recording.kept(outcome))
        self.runEnded.emit(outcome)

    @Slot(object)
    def work(self, task: ModelTask) -> None:
        """Do what was asked for, and answer, whatever comes of it."""
        from core_hooks.hooks.errors import RunCancelled
        from core_hooks.model.errors import ModelError
        from mi_crow_gui.engine.interrupt import ControllerInterrupted

        assert self._model is not None
        assert self._attachments is not None
        self._apply_pending()

        def progress(done: int, total: int, words: str = "") -> None:
            self.taskProgressed.emit(TaskProgress(task, done, total, words))

        desk = TaskDesk(self.cancel, progress, self._attachments, self._guard, self.archive)
        try:
            result = TaskResult(task, task.work(self._model, desk))
        except (RunCancelled, ControllerInterrupted):
            result = TaskResult(task, problem="This was stopped before its end.", cancelled=True)
        except ModelError as error:
            result = TaskResult(task, problem=str(error))
        except Exception as error:  # noqa: BLE001 - the thread must answer whatever a model's code raises
            message = " ".join(f"This could not be computed: {type(error).__name__}: {error}".split())
            result = TaskResult(task, problem=message, details=traceback.format_exc())
        self.taskEnded.emit(result)

    # ---- on the model thread -----------------------------------------------------------------------------------

    @contextmanager
    def _watching_shapes(self) -> Iterator[None]:
        """Tell what every module took and gave over the prompt; of a huge model in its first run only."""
        from core_hooks.model.call_shapes import call_shapes

        assert self._model is not None
        if self._shapes_seen and len(self._model.tree) > _MOST_WATCHED:
            yield
            return
        with call_shapes(self._model.model) as seen:
            yield
        self._shapes_seen = True
        self.shapesKnown.emit(seen)

    def _take(self, model: CoreModel) -> None:
        from core_hooks.model.anatomy import discover
        from core_hooks.model.generation import why_not_generated
        from core_hooks.model.part_names import part_names
        from mi_crow_gui.engine.attachments import Attachments

        if self._attachments is None:
            self._attachments = Attachments(self._guard, self._on_record, self.hookFailed.emit, self.scout.kinds())
        previous, self._model = self._model, model
        self.archive.clear()
        self._measures, self._shapes_seen = None, False
        found = discover(model.model)
        anatomy = discover(model) if model.summary.reference.parts else found
        kinds = part_names(model.tree, anatomy)
        self._attachments.set_model(model.model, tuple(kinds), kinds, model.tokenizer)
        if previous is not None:
            previous.close()
        self.anatomyKnown.emit(anatomy)
        has_examples, refusal = model.example_inputs is not None, why_not_generated(model)
        self.opened.emit(OpenedModel(model.summary, model.tree, model.notes, has_examples, found, refusal))

    def _begin(self, request: RunRequest) -> Recording:
        from mi_crow_gui.engine.captured_runs import LiveValues, by_pin
        from mi_crow_gui.engine.measures import Measures
        from mi_crow_gui.engine.prompting import prompted
        from mi_crow_gui.engine.recording import Recording

        assert self._model is not None
        assert self._attachments is not None
        info, batch = prompted(self._model, request)
        if self._measures is None:
            self._measures = Measures()
        recording = Recording(info, request, self._mailbox, self._attachments.captures(), self._measures)
        self._recording = recording
        recording.controlled = self._attachments.controlled()
        self._attachments.begin_run(request.number, batch, LiveValues(recording), by_pin(self.archive.pinned))
        self.runStarted.emit(info)
        return recording

    def _execute(self, request: RunRequest, recording: Recording, run: HookRun, started: float) -> RunOutcome:
        from core_hooks.model.batch import TokenBatch
        from core_hooks.model.generation import forward, forward_batch, generate_batch
        from mi_crow_gui.engine.live_views import LiveViews

        assert self._model is not None
        assert self._attachments is not None
        attachments, info = self._attachments, recording.info
        if request.kind == "run":
            if len(info.tokens):
                prompts = forward_batch(self._model, info.prompts, run=run, on_logits=recording.add_logits)
            else:
                prompts = (forward(self._model, None, run=run, on_logits=recording.add_logits),)
            ran = [(prompt, (), prompt.stopped or "done") for prompt in prompts]
            return recording.outcome(ran, time.perf_counter() - started, attachments.states())

        ran_before = time.thread_time()

        def on_step(steps: Sequence[TokenStep | None]) -> None:
            self._share.waited(time.perf_counter() - started - (time.thread_time() - ran_before))
            live.forwarded(recording.rows, steps)
            recording.note_hooks(self._apply_pending())
            recording.controlled = attachments.controlled()
            recording.add_steps(steps)
            number = next(step.step for step in steps if step is not None)
            rows = TokenBatch(tuple(recording.rows), "left")
            attachments.set_step(number, rows, info.width, recording.ended)
            recording.publish_report(attachments.report())

        def looked_at() -> LookedAt:
            return self.followed if request.kind == "generate" else LookedAt()

        with LiveViews(self._model, info, self._mailbox, looked_at, attachments, self._share) as live:
            generated = generate_batch(
                self._model,
                info.prompts,
                request.settings,
                cancel=self.cancel,
                on_step=on_step,
                run=run,
                on_logits=recording.add_logits,
            )
        if live.switched_from:
            recording.notes.append(
                f"Attention was computed 'eager' instead of '{live.switched_from}', because a plot followed it."
            )
        ended = [(result.prompt, result.steps, result.stopped) for result in generated]
        return recording.outcome(ended, time.perf_counter() - started, attachments.states())

    def _apply_pending(self) -> Sequence[HookSpec] | None:
        """Attach and detach what was left; None if nothing was."""
        with self._pending_lock:
            specs, self._pending = self._pending, None
            again, self._again = self._again, frozenset()
        if specs is None or self._attachments is None:
            return None
        self._attachments.apply(specs, again)
        self.hooksChanged.emit(self._attachments.report())
        return specs

    def _on_record(self, record: Any) -> None:
        if self._recording is not None:
            self._recording.add(record)

    def _on_progress(self, progress: OpenProgress) -> None:
        self.progressed.emit(progress)
