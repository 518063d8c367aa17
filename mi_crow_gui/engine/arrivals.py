"""What arrives from the run that goes on: steps, views, states of hooks and the newest values, each as a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.engine.feed import Feed
from mi_crow_gui.engine.messages import LIVE, STATES, STEPS
from mi_crow_gui.engine.newest_frames import NewestFrames

if TYPE_CHECKING:
    import numpy as np

    from core_hooks.capture.mailbox import Mailbox
    from mi_crow_gui.engine.live_share import LiveShare
    from mi_crow_gui.engine.messages import CaptureUpdate, HookReport


class Arrivals(QObject):
    """Sorts what the feed brings; what is of an older run, or an older report of the hooks, is dropped."""

    stepsArrived = Signal(object)
    promptStepsArrived = Signal(object)
    liveArrived = Signal(object)
    framesArrived = Signal(object)
    hookStates = Signal(object)

    def __init__(self, mailbox: Mailbox[str, object], share: LiveShare, parent: QObject) -> None:
        super().__init__(parent)
        self._run, self._started, self._stopped = 0, False, False
        self._newest_report = 0
        self._newest = NewestFrames()
        self._feed = Feed(mailbox, share, self)
        self._feed.arrived.connect(self._on_feed_arrived)

    def begin(self, run: int) -> None:
        """A run is asked for: what is of another one is dropped from now on."""
        self._run, self._started = run, False
        self._newest.clear()

    def started(self) -> None:
        """The window knows that the run has begun: what is of it can be told."""
        if not self._stopped:
            self._started = True
            self._feed.start()

    def end(self) -> None:
        """The run has ended: what is left is delivered, and nothing is live any more."""
        self._feed.stop()
        frames = self._newest.settle()
        if frames:
            self.framesArrived.emit(frames)

    def stop(self) -> None:
        """Nothing goes on from here."""
        self._stopped = True
        self._feed.stop()

    def clear(self) -> None:
        """Another model is there: its sites have no value yet."""
        self._newest.clear()

    def latest(self, site: str) -> np.ndarray | None:
        """Newest captured value of a site; after the controllers if both sides are captured."""
        if self._started:
            self._feed.drain()
        return self._newest.value(site)

    def frames(self) -> dict[str, CaptureUpdate]:
        """Newest update of every capture hook, by hook id."""
        return self._newest.all()

    @Slot(object)
    def take_report(self, report: HookReport) -> None:
        """Tell of the states of the hooks (`hookStates`), unless a newer report came by the other way."""
        if report.serial > self._newest_report:
            self._newest_report = report.serial
            self.hookStates.emit(report.states)

    @Slot(object)
    def _on_feed_arrived(self, arrived: object) -> None:
        values = cast("dict[str, object]", arrived)
        for key in (STEPS, LIVE, STATES):
            number, content = cast("tuple[int, object]", values.get(key, (0, None)))
            if number != self._run or content is None:
                continue
            if key == STEPS:
                self.promptStepsArrived.emit(content)
                self.stepsArrived.emit(cast("tuple[object, ...]", content)[0])
            elif key == LIVE:
                self.liveArrived.emit(content)
            else:
                self.take_report(cast("HookReport", content))
        frames = self._newest.take(values, self._run)
        if frames:
            self.framesArrived.emit(frames)
