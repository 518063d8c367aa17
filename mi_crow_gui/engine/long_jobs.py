"""Work on files that may take seconds: it says how far it is, and it can be given up."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from core_hooks.hooks.errors import RunCancelled
from mi_crow_gui.engine.messages import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_BEAT = 0.05  # seconds between two words of progress


class Desk:
    """What the working function is given: `cancel` is set when it is to end, `progress` says how far it is."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.cancel = threading.Event()
        self._tell = tell
        self._told = time.monotonic()

    def progress(self, done: int, total: int) -> None:
        """Say how much of the work is done; `RunCancelled` when it was given up."""
        self.check()
        now = time.monotonic()
        if now - self._told >= _BEAT:
            self._told = now
            self._tell(done, total)

    def check(self) -> None:
        """`RunCancelled` when the work was given up."""
        if self.cancel.is_set():
            raise RunCancelled("It was given up.")


class LongJob(QObject):
    """One piece of work; exactly one of `done`, `failed` and `cancelled` is emitted, in the thread it was made in."""

    progressed = Signal(object, object)  # done and total: rows of a capture pass the 32 bits of a Qt int
    done = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    _told = Signal(object, object)
    _ended = Signal(object, object)

    def __init__(self, task: str, work: Callable[[Desk], Any], parent: QObject) -> None:
        super().__init__(parent)
        self._task, self._work = task, work
        self._desk = Desk(self._told.emit)
        self._over = False
        self._told.connect(self._on_self_told)
        self._ended.connect(self._on_self_ended)

    @property
    def over(self) -> bool:
        """Whether it has answered."""
        return self._over

    def cancel(self) -> None:
        """Give the work up; `cancelled` follows at once, and its answer is dropped when it comes."""
        if not self._over:
            self._desk.cancel.set()
            self._over = True
            self.cancelled.emit()

    def work(self) -> None:
        """Do it; called on the pool."""
        answer: Any = None
        failure: Failure | None = None
        try:
            self._desk.check()
            answer = self._work(self._desk)
        except RunCancelled:
            pass
        except Exception as error:  # noqa: BLE001 - the answer is due whatever happened
            message = " ".join(str(error).split()) or type(error).__name__
            failure = Failure(self._task, message, traceback.format_exc())
        self._ended.emit(answer, failure)

    @Slot(object, object)
    def _on_self_told(self, done: int, total: int) -> None:
        if not self._over:
            self.progressed.emit(done, total)

    @Slot(object, object)
    def _on_self_ended(self, answer: object, failure: Failure | None) -> None:
        if not self._over:
            self._over = True
            if failure is not None:
                self.failed.emit(failure)
            else:
                self.done.emit(answer)
        self.deleteLater()


class LongJobs(QObject):
    """A pool of two: what one place of the window asked for does not wait for what another did."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="long-jobs")
        self._jobs: list[LongJob] = []

    @property
    def busy(self) -> bool:
        """True while any job has not answered."""
        return any(not job.over for job in self._jobs)

    def start(
        self,
        task: str,
        work: Callable[[Desk], Any],
        on_done: Callable[[Any], None],
        on_failed: Callable[[Failure], None],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> LongJob:
        """Call `work` on the pool; whoever asked is called back in the GUI thread."""
        job = LongJob(task, work, self)
        self._jobs = [other for other in self._jobs if not other.over]
        self._jobs.append(job)
        job.done.connect(on_done)
        job.failed.connect(on_failed)
        if on_progress is not None:
            job.progressed.connect(on_progress)
        self._pool.submit(job.work)
        return job

    def shutdown(self) -> None:
        """Give up what goes on, and wait until it has noticed."""
        for job in self._jobs:
            job.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)
