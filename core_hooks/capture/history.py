"""What the sites of one run held, token by token, within a byte budget."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core_hooks.capture.record import CaptureRecord


class SiteHistory:
    """The values of one site in one run.

    A site that gives ``[batch, tokens, channels]`` has its tokens joined in one buffer that only ever grows at the
    end, so a view of it handed to another thread never changes. Other shapes are kept call by call.

    Parameters
    ----------
    budget
        Bytes this site may hold. When it is full the oldest half of the tokens is forgotten, and counted. A batch that
        alone is larger keeps its first prompts whole and none of the others; a single prompt keeps its last tokens.
    expected_tokens
        Tokens the run will have at most; the buffer is made that long at once if the budget allows.
    """

    def __init__(self, budget: int, expected_tokens: int) -> None:
        self.budget = budget
        self.dropped = 0
        self.dropped_prompts = 0
        self.first_token = 0
        self._expected = expected_tokens
        self._buffer: np.ndarray | None = None
        self._rows = 0
        self._ends: list[tuple[int, int]] = []
        self._others: deque[CaptureRecord] = deque()
        self._held = 0
        self.latest: CaptureRecord | None = None

    def append(self, record: CaptureRecord) -> None:
        """Add the newest call; a record of a prompt (step 0) starts the token axis anew."""
        self.latest = record
        values = record.values
        if values.ndim != 3:
            self._append_other(record)
            return
        if record.step == 0 or not self._continues(record):
            started = self._start(record)
            if started is None:
                return
            values = started
        assert self._buffer is not None
        values = values[: len(self._buffer)]
        end = self._rows + values.shape[1]
        if end > self._buffer.shape[1]:
            self._make_room(values.shape[1])
            end = self._rows + values.shape[1]
        self._buffer[:, self._rows : end] = values
        self._rows = end
        self._ends.append((record.step, self.first_token + end))

    def values(self, step: int | None = None) -> np.ndarray | None:
        """Read-only values up to and including `step` (None: the newest), or None if that was dropped or never was."""
        if self._buffer is None or (self.latest is not None and self.latest.values.ndim != 3):
            return self._other(step)
        end = self._rows if step is None else self._end_of(step)
        if end is None or end <= 0:
            return None
        view = self._buffer[:, :end]
        view.flags.writeable = False
        return view

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return (self._buffer.nbytes if self._buffer is not None else 0) + self._held

    def _continues(self, record: CaptureRecord) -> bool:
        buffer, values = self._buffer, record.values
        return (
            buffer is not None
            and buffer.shape[0] + self.dropped_prompts == values.shape[0]
            and buffer.shape[2] == values.shape[2]
            and buffer.dtype == values.dtype
            and record.first_token == self.first_token + self._rows
        )

    def _start(self, record: CaptureRecord) -> np.ndarray | None:
        """Make a buffer for what begins with a record; what is to be filed there, None if it is the buffer itself."""
        values = record.values
        prompts, tokens, channels = values.shape
        one = max(1, tokens * channels * values.itemsize)
        kept = max(1, min(prompts, self.budget // one))
        self.dropped_prompts = max(0, prompts - kept)
        row = max(1, kept * channels * values.itemsize)
        lost = max(0, tokens - max(1, self.budget // row))
        self.dropped += lost
        self.first_token = record.first_token + lost
        wanted = max(tokens - lost, self._expected - self.first_token)
        rows = max(tokens - lost, min(wanted, self.budget // row))
        self._ends = []
        if not lost and not self.dropped_prompts and rows == tokens:
            # Nothing is to follow: it need not be held twice.
            self._buffer, self._rows = values, tokens
            self._ends.append((record.step, self.first_token + tokens))
            return None
        # The pages of an empty array cost nothing until they are written.
        self._buffer = np.empty((min(kept, prompts), rows, channels), values.dtype)
        self._rows = 0
        if lost or self.dropped_prompts:
            # Without what was left out, or it would be held after all.
            values = values[:kept, lost:].copy()
            values.flags.writeable = False
            self.latest = replace(record, values=values)
        return values

    def _make_room(self, incoming: int) -> None:
        """Move the newest half to a fresh buffer; views of the old one stay what they were."""
        assert self._buffer is not None
        batch, capacity, channels = self._buffer.shape
        keep = min(self._rows, capacity // 2)
        lost = self._rows - keep
        fresh = np.empty((batch, max(capacity, keep + incoming), channels), self._buffer.dtype)
        fresh[:, :keep] = self._buffer[:, lost : self._rows]
        self._buffer, self._rows = fresh, keep
        self.first_token += lost
        self.dropped += lost
        self._ends = [(step, end) for step, end in self._ends if end > self.first_token]

    def _end_of(self, step: int) -> int | None:
        ends = [end for at, end in self._ends if at <= step]
        return ends[-1] - self.first_token if ends else None

    def _append_other(self, record: CaptureRecord) -> None:
        self._others.append(record)
        self._held += record.nbytes
        while self._held > self.budget and len(self._others) > 1:
            self._held -= self._others.popleft().nbytes
            self.dropped += 1

    def _other(self, step: int | None) -> np.ndarray | None:
        for record in reversed(self._others):
            if step is None or record.step == step:
                return record.values
        return None


class RunHistory:
    """The histories of all captured sites of one run, sharing one byte budget evenly."""

    def __init__(self, run: int, *, budget: int, sites: int, expected_tokens: int) -> None:
        self.run = run
        self._share = max(1, budget // max(1, sites))
        self._expected = expected_tokens
        self._sites: dict[str, SiteHistory] = {}

    def append(self, record: CaptureRecord) -> SiteHistory:
        """File a record under its hook and give back that hook's history."""
        history = self._sites.get(record.hook_id)
        if history is None:
            history = self._sites[record.hook_id] = SiteHistory(self._share, self._expected)
        history.append(record)
        return history

    def site(self, hook_id: str) -> SiteHistory | None:
        """History of one hook, if it ever fired."""
        return self._sites.get(hook_id)

    def all(self) -> dict[str, SiteHistory]:
        """Histories by hook id."""
        return dict(self._sites)

    @property
    def dropped(self) -> int:
        """Rows and records forgotten so far, over all sites."""
        return sum(history.dropped for history in self._sites.values())

    @property
    def nbytes(self) -> int:
        """Memory held by all sites, in bytes."""
        return sum(history.nbytes for history in self._sites.values())
