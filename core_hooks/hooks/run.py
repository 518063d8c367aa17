"""One run of a model: what its hooks may do, what they did, and how it is cancelled."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

from torch.compiler import is_dynamo_compiling

from core_hooks.hooks.compiled import RunEagerly
from core_hooks.hooks.errors import RunCancelled
from core_hooks.hooks.run_report import HookTally, RunReport

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from core_hooks.hooks.detector import Detector, DetectorState
    from core_hooks.hooks.hook import Hook

_current: ContextVar[HookRun | None] = ContextVar("core_hooks_run", default=None)

# Runs that are open anywhere in the process. Hooks look at this first: while it is empty, which is almost
# always, no hook pays for asking whose run it is in.
active_runs: list[HookRun] = []


class HookRun:
    """One forward or one generation, as the hooks see it; a context manager.

    The run belongs to the thread (or asyncio task) that entered it: what detectors capture, whether
    controllers act and what is counted is kept apart from every other run, also when two threads run the same
    model. When the run ends, what its detectors captured becomes what they show outside of any run, or in the
    run around it.

    Parameters
    ----------
    number
        Number of the run; every capture carries it.
    cancel
        Once set, the next hook that is called raises ``RunCancelled``.
    controllers
        ``False`` switches all controllers off in this run only; compiled models run uncompiled meanwhile.
    hooks
        Hooks to report on even if nothing fires; hooks attached with ``attach`` are found by themselves.

    Attributes
    ----------
    step
        Step of a generation, set by whoever generates; every capture carries it.

    Raises
    ------
    RuntimeError
        When a run that is open, or was, is entered again.
    """

    def __init__(
        self,
        number: int = 0,
        cancel: threading.Event | None = None,
        controllers: bool = True,
        hooks: Iterable[Hook] = (),
    ) -> None:
        self.number = number
        self.step = 0
        self.cancel = cancel
        self.controllers = controllers
        self.states: dict[Detector, DetectorState] = {}
        self._tallies: dict[Hook, HookTally] = {}
        self._token: Token[HookRun | None] | None = None
        self._used = False
        self._eager = None if controllers else RunEagerly()
        self.expect(hooks)

    def __enter__(self) -> HookRun:
        if self._used:
            raise RuntimeError("A HookRun can be entered once; make a new one for each run.")
        self._used = True
        if self._eager is not None:
            self._eager.__enter__()
        active_runs.append(self)
        self._token = _current.set(self)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._token is not None
        _current.reset(self._token)
        active_runs.remove(self)
        if self._eager is not None:
            self._eager.__exit__(*exc)
        outer = _current.get()
        if outer is not None:
            outer.states.update(self.states)
        else:
            for hook, state in self.states.items():
                hook.publish(state)
        # A run that is kept, in a history say, keeps its counts and not the tensors.
        self.states = {}

    @property
    def cancelled(self) -> bool:
        """Whether the run's cancel event is set."""
        return self.cancel is not None and self.cancel.is_set()

    def expect(self, hooks: Iterable[Hook]) -> None:
        """Include these hooks in the report, whether they fire or not."""
        for hook in hooks:
            if not self._silences(hook):
                self.tally(hook)

    def _silences(self, hook: Hook) -> bool:
        return not self.controllers and hook.controls and not hook.detects

    def tally(self, hook: Hook) -> HookTally:
        """Return the counts of one hook in this run."""
        found = self._tallies.get(hook)
        if found is None:
            found = self._tallies[hook] = HookTally(layer=hook.site)
        return found

    def begin_forward(self, hooks: Iterable[Hook]) -> None:
        """Note that a forward of a model with these hooks begins: calls are counted from 0 again."""
        for hook in hooks:
            tally = self._tallies.get(hook)
            if tally is not None:
                tally.calls = 0
            elif self.controllers or not self._silences(hook):
                self.tally(hook)

    def report(self) -> RunReport:
        """Return what every hook of the run did so far."""
        return RunReport.of(self.number, self.cancelled, self._tallies)


def current_run() -> HookRun | None:
    """Return the run that this thread (or task) is in, ``None`` outside of any."""
    if not active_runs or is_dynamo_compiling():
        return None
    return _current.get()


def admit(hook: Hook) -> bool:
    """Count a call of ``hook`` in the current run; return whether its run lets it act.

    Raises
    ------
    RunCancelled
        When the run's cancel event is set.
    """
    if is_dynamo_compiling():
        return True
    run = _current.get()
    if run is None:
        return True
    if run.cancel is not None and run.cancel.is_set():
        raise RunCancelled(f"Run {run.number} was cancelled.")
    if not run.controllers and run._silences(hook):
        return False
    tally = run._tallies.get(hook) or run.tally(hook)
    tally.fired += 1
    tally.calls += 1
    return True


def controllers_on() -> bool:
    """Return whether controllers may act in the current run; ``True`` outside of any."""
    run = current_run()
    return run is None or run.controllers
