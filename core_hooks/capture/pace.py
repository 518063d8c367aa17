"""How fast a job is and how long it will take."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from core_hooks.capture.job_settings import JobProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.capture.shard_plan import ShardPlan

_INTERVAL = 0.2  # seconds between two reports at least


class Pace:
    """Counts tokens against the clock, pauses left out, and reports at most five times a second."""

    def __init__(
        self, total_records: int, first_record: int, first_row: int, report: Callable[[JobProgress], None] | None
    ) -> None:
        self._total = total_records
        self._first_record = first_record
        self._first_row = first_row
        self._report = report
        self._tokens = 0
        self._before = 0.0  # seconds of work until the clock was last stopped
        self._since: float | None = time.monotonic()
        self._last_report = -math.inf
        self._shard = (first_record, first_record, 0, 1)  # its first record, the next one's, tokens before, its tokens

    def begin_shard(self, plan: ShardPlan) -> None:
        """The tokens that come are those of `plan`."""
        self._shard = (self._shard[1], plan.next.record, self._tokens, plan.rows)

    def add(self, tokens: int) -> None:
        """Count tokens and report if it is time."""
        self._tokens += tokens
        now = time.monotonic()
        if self._report is not None and (now - self._last_report >= _INTERVAL or self._shard_done):
            self._last_report = now
            self._report(self._progress())

    def stop(self) -> None:
        """Stop the clock."""
        if self._since is not None:
            self._before += time.monotonic() - self._since
            self._since = None

    def start(self) -> None:
        """Let the clock go on."""
        if self._since is None:
            self._since = time.monotonic()

    @property
    def _shard_done(self) -> bool:
        return self._tokens - self._shard[2] >= self._shard[3]

    def _progress(self) -> JobProgress:
        seconds = self._before + (time.monotonic() - self._since if self._since is not None else 0.0)
        first, behind, before, rows = self._shard
        done = first + (behind - first) * min(1.0, (self._tokens - before) / rows)
        pace = self._tokens / seconds if seconds > 0 else math.nan
        records = done - self._first_record
        left = seconds * (self._total - done) / records if records > 0 else math.nan
        return JobProgress(int(done), self._total, self._tokens, self._first_row + self._tokens, pace, left)
