"""How much of a generation's time goes into showing it, and whether a little more may."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Of the time of a generation. What the hooks of live analyses take comes to it (`engine/live_views.py`); of a quick
# model they take so much that showing has half the share left.
_SHARE, _BURDENED = 0.06, 0.03
_CREDIT = 0.02  # seconds that are granted at once
_MEMORY = 2.0  # seconds after which two thirds of what happened are forgotten


class LiveShare:
    """Told what is spent by the threads that spend it, asked by the GUI thread, which owns it.

    Showing costs a generation the time in which the model's thread is kept waiting, and never more than the processor
    time that drawing takes: the smaller of the two is what counts.

    Parameters
    ----------
    spent
        Seconds of processor time that the calling thread has taken so far.
    """

    def __init__(
        self, spent: Callable[[], float] = time.thread_time, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._spent_by_thread, self._now = spent, now
        self._drawn = self._waited = 0.0
        self._seen = (0.0, 0.0, 0.0)
        self._elapsed = self._spent = self._waiting = 0.0
        # Set when a picture of the newest step is to be made, taken back by who makes it.
        self.wanted = True
        # Set while what is followed costs the model's thread itself a good part of its time.
        self.burdened = False

    def begin(self) -> None:
        """A run begins."""
        self._waited = 0.0
        self._seen = (self._now(), self._spent_by_thread() + self._drawn, 0.0)
        self._elapsed = self._spent = self._waiting = 0.0
        self.wanted, self.burdened = True, False

    def drew(self, seconds: float) -> None:
        """The drawing thread took so much processor time."""
        self._drawn += seconds

    def waited(self, seconds: float) -> None:
        """The model's thread did not run for so long, since the run began."""
        self._waited = seconds

    def allows(self) -> bool:
        """Whether something may be shown now; asked at every beat, in the GUI thread."""
        seen = (self._now(), self._spent_by_thread() + self._drawn, self._waited)
        elapsed, spent, waiting = (new - old for new, old in zip(seen, self._seen, strict=True))
        self._seen = seen
        kept = math.exp(-elapsed / _MEMORY)
        self._elapsed = kept * self._elapsed + elapsed
        self._spent = kept * self._spent + spent
        self._waiting = kept * self._waiting + waiting
        share = _BURDENED if self.burdened else _SHARE
        return min(self._spent, self._waiting) <= _CREDIT + share * self._elapsed
