"""Prepares drawings of plots away from the GUI thread: the newest wish of each plot wins, older ones are dropped."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from mi_crow_gui.engine.messages import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from mi_crow_gui.engine.live_share import LiveShare

log = logging.getLogger(__name__)

_BEAT_MS = 16


@dataclass(frozen=True, slots=True, eq=False)
class DrawingWish:
    """One plot wants to show one frame, or whatever else has a site and a `prepare`, with its settings."""

    plot_id: str
    frame: Any
    settings: Any
    prepare: Callable[[Any, Any], Any]


class _DrawingThread(QThread):
    """Takes wishes one at a time, in the order in which their plots first asked."""

    prepared = Signal(str, object)
    unprepared = Signal(str, object)

    def __init__(self, share: LiveShare | None, parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("drawing")
        self._share = share
        self._condition = threading.Condition()
        self._wishes: dict[str, DrawingWish] = {}
        self._ending = False
        # Wishes that were begun and whose drawing has not been received; counted in the GUI thread's favour.
        self.under_way = 0

    def ask(self, wish: DrawingWish) -> None:
        with self._condition:
            self._wishes[wish.plot_id] = wish
            self._condition.notify()

    def forget(self, plot_id: str) -> None:
        with self._condition:
            self._wishes.pop(plot_id, None)

    def end(self) -> None:
        with self._condition:
            self._ending = True
            self._wishes.clear()
            self._condition.notify()

    def run(self) -> None:
        while (wish := self._next()) is not None:
            began = time.thread_time()
            try:
                drawing = wish.prepare(wish.frame, wish.settings)
            except Exception as error:  # noqa: BLE001 - a plugin's prepare may raise anything; the plot says so
                message = f"This plot can't show '{wish.frame.site}': {error}"
                self.unprepared.emit(wish.plot_id, Failure("plot", message, traceback.format_exc()))
            else:
                self.prepared.emit(wish.plot_id, drawing)
            if self._share is not None:
                self._share.drew(time.thread_time() - began)

    def _next(self) -> DrawingWish | None:
        with self._condition:
            self._condition.wait_for(lambda: self._wishes or self._ending)
            if self._ending:
                return None
            self.under_way += 1
            return self._wishes.pop(next(iter(self._wishes)))

    def received(self) -> None:
        with self._condition:
            self.under_way -= 1

    @property
    def busy(self) -> bool:
        with self._condition:
            return bool(self._wishes) or self.under_way > 0


class DrawingPool(QObject):
    """The GUI thread's side: ask for drawings, receive them by signal, one at a beat.

    A window repaints everything that changed in one go: drawings that arrive together would be painted together,
    and the wait for all of them would be felt. `share` is told what preparing costs.
    """

    drawn = Signal(str, object)
    failed = Signal(str, object)

    def __init__(self, parent: QObject | None = None, share: LiveShare | None = None) -> None:
        super().__init__(parent)
        self._ready: dict[str, object] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(_BEAT_MS)
        self._timer.timeout.connect(self._on_timer_timeout)
        self._thread = _DrawingThread(share, self)
        self._thread.prepared.connect(self._on_thread_prepared)
        self._thread.unprepared.connect(self._on_thread_unprepared)
        self._thread.start()

    def ask(self, wish: DrawingWish) -> None:
        """Prepare this soon; an earlier wish of the same plot that was not begun is dropped."""
        self._thread.ask(wish)

    def forget(self, plot_id: str) -> None:
        """The plot is gone."""
        self._thread.forget(plot_id)
        self._ready.pop(plot_id, None)

    @property
    def busy(self) -> bool:
        """True while a drawing is wanted, begun, or on its way."""
        return bool(self._ready) or self._thread.busy

    def shutdown(self) -> None:
        """End the thread after the drawing at hand."""
        self._timer.stop()
        self._ready.clear()
        self._thread.end()
        self._thread.wait()

    @Slot(str, object)
    def _on_thread_prepared(self, plot_id: str, drawing: object) -> None:
        self._thread.received()
        # A newer drawing of a plot that still waits takes its place in the queue.
        self._ready[plot_id] = drawing
        if not self._timer.isActive():
            self._timer.start()

    @Slot(str, object)
    def _on_thread_unprepared(self, plot_id: str, failure: object) -> None:
        self._thread.received()
        self.failed.emit(plot_id, failure)

    @Slot()
    def _on_timer_timeout(self) -> None:
        if not self._ready:
            self._timer.stop()
            return
        plot_id = next(iter(self._ready))
        self.drawn.emit(plot_id, self._ready.pop(plot_id))
