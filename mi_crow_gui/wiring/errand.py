"""What the command line asked to be done without anybody clicking, step by step, and the exit code it earns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal, Slot

from core_hooks.model.reference import ModelReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from mi_crow_gui.engine.messages import ConsentWanted, Failure
    from mi_crow_gui.wiring.capture_wiring import CaptureWiring
    from mi_crow_gui.wiring.hooks_wiring import HooksWiring
    from mi_crow_gui.wiring.model_wiring import ModelWiring
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.run_wiring import RunWiring

log = logging.getLogger(__name__)

# What `--demo` captures when nothing else was asked for: the residual stream behind each block.
DEMO_SITES = ("transformer.h.*",)

# How often the errand looks whether the window has settled before it takes the picture.
_LOOK_MS = 30


class Errand(QObject):
    """Opens, attaches, runs, saves, takes the picture and quits, each once the one before has ended."""

    finished = Signal(int)

    def __init__(
        self,
        parts: Parts,
        model: ModelWiring,
        hooks: HooksWiring,
        run: RunWiring,
        captures: CaptureWiring,
        settled: Callable[[], bool],
    ) -> None:
        super().__init__(parts.window)
        self._parts, self._model, self._hooks, self._run = parts, model, hooks, run
        self._captures, self._settled = captures, settled
        self._problems: list[str] = []
        self._waiting_for_run = False
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._on_timer_timeout)

    def start(self) -> None:
        """Begin; called once the plots are there."""
        arguments, service = self._parts.arguments, self._parts.service
        if arguments.is_errand:
            service.modelOpened.connect(self._on_service_model_opened)
            service.runFinished.connect(self._on_service_run_finished)
            service.failed.connect(self._on_service_failed)
            service.consentWanted.connect(self._on_service_consent_wanted)
            self._captures.captureOpened.connect(self._on_captures_answered)
            self._captures.openFailed.connect(self._on_captures_answered)
        if arguments.prompt is not None:
            self._parts.store.set_prompt(arguments.prompt)
        if arguments.demo:
            self._model.open_demo()
        elif arguments.target is not None:
            self._model.open_target(
                ModelReference(
                    arguments.target,
                    device=arguments.device,
                    dtype=arguments.dtype,
                    quantisation=arguments.quantise,
                )
            )
        elif arguments.is_errand:
            self._after_run()

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        arguments = self._parts.arguments
        patterns = arguments.attach or (DEMO_SITES if arguments.demo else ())
        for pattern in patterns:
            if not self._hooks.attach_pattern(pattern):
                self._complain(f"--attach {pattern}: no layer of this model matches.")
        if arguments.run or arguments.demo:
            self._waiting_for_run = bool(self._run.start("run"))
            if not self._waiting_for_run:
                self._complain("The prompt could not be run.")
        if not self._waiting_for_run:
            self._after_run()

    @Slot(object)
    def _on_service_run_finished(self, outcome: object) -> None:
        if self._waiting_for_run:
            self._waiting_for_run = False
            self._after_run()

    @Slot()
    def _on_captures_answered(self) -> None:
        """A capture was named in place of a model: it is open, or `last_problem` says why not."""
        self._after_run()

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        self._complain(failure.message)
        self._waiting_for_run = False
        self._after_run()

    @Slot(object)
    def _on_service_consent_wanted(self, wanted: ConsentWanted) -> None:
        if self._parts.arguments.quit:
            self._complain(f"{wanted.reference.source} runs Python code: open it in the window once to agree to that.")
            self._after_run()

    def _after_run(self) -> None:
        arguments = self._parts.arguments
        if arguments.capture is not None and not self._problems:
            self._captures.save_to(arguments.capture)
        if arguments.screenshot is not None or arguments.quit:
            self._timer.start()

    @Slot()
    def _on_timer_timeout(self) -> None:
        """Idle: nothing runs, nothing is being written, and no plot waits for its drawing."""
        if (
            self._parts.service.state == "running"
            or self._parts.jobs.busy
            or self._parts.long_jobs.busy
            or not self._settled()
        ):
            return
        self._timer.stop()
        arguments = self._parts.arguments
        if self._captures.last_problem:
            self._complain(self._captures.last_problem)
        elif arguments.capture is not None and self._captures.last_saved is not None:
            print(f"capture: {self._captures.last_saved}", flush=True)
        if arguments.screenshot is not None:
            arguments.screenshot.parent.mkdir(parents=True, exist_ok=True)
            if self._parts.window.grab().save(str(arguments.screenshot)):
                print(f"screenshot: {arguments.screenshot}", flush=True)
            else:
                self._complain(f"The picture could not be written to '{arguments.screenshot}'.")
        if arguments.quit:
            self.finished.emit(1 if self._problems else 0)
            self._parts.window.close()
            QCoreApplication.exit(1 if self._problems else 0)

    @Slot(str)
    def give_up(self, reason: str) -> None:
        """Something broke inside the inspector: what was asked for may never end, so a run that is to quit does now."""
        if self._parts.arguments.quit:
            self._complain(f"Something went wrong inside the inspector: {reason}")
            self._parts.window.close()
            QCoreApplication.exit(1)

    def _complain(self, message: str) -> None:
        import sys

        self._problems.append(message)
        print(f"mi-crow-gui: {message}", file=sys.stderr, flush=True)
