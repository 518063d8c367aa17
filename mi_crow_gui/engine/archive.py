"""The runs that are kept with what they captured: the newest always, the pinned ones, and older ones while they fit."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from mi_crow_gui.document.formatting import byte_size, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.messages import RunInfo, RunOutcome
    from mi_crow_gui.plotdata.frame import Frame

Pin = Literal["A", "B"]
PINS: tuple[Pin, Pin] = ("A", "B")

# What kept runs may hold together. The newest comes on top where it alone does not fit: it is bounded by the budgets
# of its captures and of its logits.
BUDGET = 1024 * 1024 * 1024
LOGITS_BUDGET = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class KeptRun:
    """One run as it was; shared by threads, so nothing in it is ever written to.

    Attributes
    ----------
    outcome
        What it gave; `number` and `info` are its.
    tokens
        The whole sequence: prompt, what earlier steps had generated, and what this run generated; of a batch that of
        its first prompt.
    rows
        Those of every prompt of a batch; empty for a single prompt.
    hooks
        The hooks of the document when it began, in their order; those that were off or unreviewed did not act.
    controllers
        Whether controllers acted at all.
    hooks_changed
        Whether hooks were changed while it went on, so that running it again would give something else.
    frames
        By (site, stage); the stage is ``"before"`` or ``"after"`` the controllers of the site, ``""`` where there
        were none.
    logits
        ``[tokens, vocabulary]``: row ``i`` is what was predicted after token ``i``. One row less than `tokens` when
        the last one was generated and never fed. None when `no_logits` says why.
    left_out
        Sentences about what did not fit into the memory budget.
    """

    outcome: RunOutcome
    tokens: TokenSequence
    hooks: tuple[HookSpec, ...]
    controllers: bool
    hooks_changed: bool
    frames: Mapping[tuple[str, str], Frame]
    logits: np.ndarray | None = None
    no_logits: str = ""
    left_out: tuple[str, ...] = ()
    rows: tuple[TokenSequence, ...] = ()

    @property
    def number(self) -> int:
        """Number of the run."""
        return self.outcome.info.number

    @property
    def info(self) -> RunInfo:
        """Its prompt, settings and kind."""
        return self.outcome.info

    def tokens_of(self, prompt: int) -> TokenSequence:
        """The whole sequence of one prompt of a batch, of the last one if there are fewer; else that of the run."""
        return self.rows[max(0, min(prompt, len(self.rows) - 1))] if self.rows else self.tokens

    @property
    def nbytes(self) -> int:
        """Memory that captures and logits hold, in bytes."""
        held = sum(frame.values.nbytes for frame in self.frames.values())
        return int(held + (self.logits.nbytes if self.logits is not None else 0))

    def frame(self, site: str, stage: str = "") -> Frame | None:
        """What a site held on one side of its controllers; with `stage` ``""`` what went on, after them if known."""
        if stage:
            # Without controllers both sides are the same.
            return self.frames.get((site, stage)) or self.frames.get((site, ""))
        return next((self.frames[site, at] for at in ("after", "", "before") if (site, at) in self.frames), None)


class RunArchive:
    """Holds kept runs; used by the GUI thread and by the model thread.

    Pins outlive further runs and end with the model. An older run that is not pinned is forgotten when the budget
    asks for its memory, the oldest first.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._runs: dict[int, KeptRun] = {}
        self._pinned: Mapping[str, KeptRun] = MappingProxyType({})

    @property
    def pinned(self) -> Mapping[str, KeptRun]:
        """The pinned runs by ``"A"`` and ``"B"``: a snapshot that never changes."""
        return self._pinned

    @property
    def newest(self) -> KeptRun | None:
        """The newest run that ended, if one did."""
        with self._lock:
            return self._runs[max(self._runs)] if self._runs else None

    def get(self, number: int) -> KeptRun | None:
        """A run by its number, as it is pinned if it is; None when it is not kept any more."""
        with self._lock:
            return self._find(number)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of all runs that are kept, the oldest first."""
        with self._lock:
            return tuple(sorted({*self._runs, *(kept.number for kept in self._pinned.values())}))

    def keep(self, run: KeptRun) -> None:
        """Add the newest run."""
        with self._lock:
            self._runs[run.number] = run
            self._make_room()

    def pin(self, number: int, pin: Pin) -> KeptRun | None:
        """Hold a run under a letter, in place of the one that had it; None when the run is not kept any more.

        A run has one letter: pinned under the other one, it loses the first. What does not fit beside the other
        pinned run is left out, and `KeptRun.left_out` says so.
        """
        with self._lock:
            run = self._find(number)
            if run is None:
                return None
            others = {letter: kept for letter, kept in self._pinned.items() if kept.number != number and letter != pin}
            run = slimmed(run, self.budget - sum(kept.nbytes for kept in others.values()))
            self._let_go({**others, pin: run})
            return run

    def unpin(self, pin: Pin) -> bool:
        """Let go of the run under a letter; False when there was none."""
        with self._lock:
            if pin not in self._pinned:
                return False
            self._let_go({at: kept for at, kept in self._pinned.items() if at != pin})
            return True

    def clear(self) -> None:
        """Forget everything: the model is another one."""
        with self._lock:
            self._runs.clear()
            self._pinned = MappingProxyType({})

    def _find(self, number: int) -> KeptRun | None:
        pinned = (kept for kept in self._pinned.values() if kept.number == number)
        return next(pinned, None) or self._runs.get(number)

    def _let_go(self, pinned: dict[str, KeptRun]) -> None:
        """Have these pins; a run that was pinned before goes back among the others."""
        for kept in self._pinned.values():
            self._runs.setdefault(kept.number, kept)
        self._pinned = MappingProxyType(dict(sorted(pinned.items())))
        self._make_room()

    def _make_room(self) -> None:
        pinned = {kept.number: kept.nbytes for kept in self._pinned.values()}
        older = sorted(self._runs)[:-1]
        for number in older:
            if number in pinned:
                del self._runs[number]
        held = sum(run.nbytes for run in self._runs.values())
        held += sum(size for number, size in pinned.items() if number not in self._runs)
        for number in older:
            if held <= self.budget:
                break
            if number in self._runs:
                held -= self._runs.pop(number).nbytes


def slimmed(run: KeptRun, room: int) -> KeptRun:
    """The run with what fits into `room` bytes: its logits go first, then its largest captures."""
    if run.nbytes <= room:
        return run
    left_out = list(run.left_out)
    if run.logits is not None:
        size = byte_size(run.logits.nbytes)
        why = f"The logits of run {run.number} ({size}) are not kept: pinned runs may hold {byte_size(BUDGET)}."
        run = replace(run, logits=None, no_logits=why)
        left_out.append(why)
    frames = dict(run.frames)
    gone: list[str] = []
    for place in sorted(frames, key=lambda place: frames[place].values.nbytes, reverse=True):
        if sum(frame.values.nbytes for frame in frames.values()) <= room:
            break
        del frames[place]
        gone.append(place[0])
    if gone:
        what = plural(len(gone), "capture")
        left_out.append(
            f"{what} of run {run.number} did not fit into the {byte_size(BUDGET)} of pinned runs: {', '.join(gone)}."
        )
    return replace(run, frames=MappingProxyType(frames), left_out=tuple(left_out))
