"""Work on files and numbers away from the GUI thread; answers are called back in it."""

from __future__ import annotations

import itertools
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.engine.messages import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class Jobs(QObject):
    """A small pool. `run` returns at once; when the function has ended, one of the two callbacks gets its answer.

    The callbacks run in the thread that this object lives in, whatever they are.
    """

    _ended = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="jobs")
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[Callable[[Any], None], Callable[[Failure], None]]] = {}
        self._ended.connect(self._on_self_ended)

    @property
    def busy(self) -> bool:
        """True while any job has not answered."""
        return bool(self._waiting)

    def run(
        self,
        task: str,
        function: Callable[[], Any],
        on_done: Callable[[Any], None],
        on_failed: Callable[[Failure], None],
    ) -> None:
        """Call `function` on the pool. An exception becomes a `Failure` whose message is the exception's text."""
        number = next(self._numbers)
        self._waiting[number] = (on_done, on_failed)
        self._pool.submit(self._work, number, task, function)

    def shutdown(self) -> None:
        """Wait for what has begun, drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()

    def _work(self, number: int, task: str, function: Callable[[], Any]) -> None:
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - the answer is due whatever happened
            message = " ".join(str(error).split()) or type(error).__name__
            self._ended.emit(number, None, Failure(task, message, traceback.format_exc()))
        else:
            self._ended.emit(number, result, None)

    @Slot(int, object, object)
    def _on_self_ended(self, number: int, result: object, failure: Failure | None) -> None:
        callbacks = self._waiting.pop(number, None)
        if callbacks is None:
            return
        on_done, on_failed = callbacks
        if failure is None:
            on_done(result)
        else:
            on_failed(failure)
