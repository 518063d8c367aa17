"""The hooks list of the document, made real on the model: lives on the model thread, changes only between forwards."""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core_hooks.capture.recorder import RecordingDetector
from core_hooks.hooks.attachment import attach
from core_hooks.hooks.function_controller import FunctionController
from core_hooks.hooks.hook_type import HookType
from core_hooks.model.user_controller import ControllerCodeError, UserController
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.engine.messages import HookFailure, HookReport, HookState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from core_hooks.capture.record import CaptureRecord
    from core_hooks.hooks.attachment import Attachment
    from core_hooks.hooks.errors import HookError
    from core_hooks.hooks.hook import Hook
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.interrupt import UserCodeGuard

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """One row of the hooks list with what became of it."""

    spec: HookSpec
    hook: Hook | None = None
    code: UserController | None = None
    error: str = ""
    line: int = 0
    last_shape: tuple[int, ...] = ()
    fired_before: int = 0


class Attachments:
    """Keeps the model's hooks equal to a list of specs.

    Parameters
    ----------
    on_record
        Receives every capture, in the thread of the forward.
    on_failure
        Told once for each hook that could not be built or disabled itself.
    """

    def __init__(
        self,
        guard: UserCodeGuard,
        on_record: Callable[[CaptureRecord], None],
        on_failure: Callable[[HookFailure], None],
    ) -> None:
        self._guard = guard
        self._on_record = on_record
        self._on_failure = on_failure
        self._entries: dict[str, _Entry] = {}
        self._model: torch.nn.Module | None = None
        self._sites: frozenset[str] = frozenset()
        self._attachment: Attachment | None = None
        self._run = 0
        self._serial = 0

    def set_model(self, model: torch.nn.Module | None, sites: frozenset[str]) -> None:
        """Leave the old model clean and forget it; `apply` puts the hooks on the new one."""
        self._detach()
        self._model = model
        self._sites = sites
        self._entries = {}

    def apply(self, specs: Sequence[HookSpec], again: frozenset[str] = frozenset()) -> None:
        """Make the model carry exactly the enabled, trusted hooks of `specs`, in their order.

        Hooks that did not change stay what they are, a failed one stays off; those of `again` are made anew.
        """
        before = self._entries
        self._entries = {}
        for spec in specs:
            old = before.get(spec.id)
            self._entries[spec.id] = (
                old if old is not None and old.spec == spec and spec.id not in again else self._build(spec)
            )
        self._attach()

    def suspend(self) -> None:
        """Take everything off the model; `resume` brings it back."""
        self._detach()

    def resume(self) -> None:
        """Put back what `suspend` took off."""
        self._attach()

    @contextmanager
    def aside(self, number: int, tokens: TokenSequence | None) -> Iterator[None]:
        """Let controllers act in a forward that is no run's: nothing is captured, and nothing counted as fired."""
        hooks = [entry.hook for entry in self._entries.values() if entry.hook is not None]
        looking = [hook for hook in hooks if isinstance(hook, RecordingDetector) and hook.enabled]
        fired = {hook: hook.fired for hook in hooks}
        for hook in looking:
            hook.disable()
        for entry in self._entries.values():
            if entry.code is not None and tokens is not None:
                entry.code.begin(number, tokens)
        try:
            yield
        finally:
            for hook in looking:
                hook.enable()
            for entry in self._entries.values():
                if entry.hook in fired:
                    entry.fired_before += entry.hook.fired - fired[entry.hook]

    def begin_run(self, number: int, tokens: TokenSequence) -> None:
        """Give every hook a fresh start for a run over `tokens`."""
        self._run = number
        for entry in self._entries.values():
            entry.fired_before = entry.hook.fired if entry.hook is not None else 0
            if isinstance(entry.hook, RecordingDetector):
                entry.hook.prompt_tokens = len(tokens)
            if entry.code is not None:
                entry.code.begin(number, tokens)

    def set_step(self, step: int, tokens: TokenSequence, prompt_tokens: int) -> None:
        """The next forward is generation step `step`; hooks attached since the prompt learn of the run here."""
        for entry in self._entries.values():
            if isinstance(entry.hook, RecordingDetector):
                entry.hook.prompt_tokens = prompt_tokens
            if entry.code is not None:
                if entry.code.context.run != self._run:
                    entry.code.begin(self._run, tokens)
                entry.code.set_step(step, tokens)

    def note_shape(self, record: CaptureRecord) -> None:
        """Remember the newest shape that a detector saw."""
        entry = self._entries.get(record.hook_id)
        if entry is not None:
            entry.last_shape = record.shape

    def controlled(self) -> frozenset[str]:
        """Sites with a controller on the model now."""
        return frozenset(
            e.spec.site for e in self._entries.values() if e.code is not None and e.hook and e.hook.enabled
        )

    def captures(self) -> int:
        """How many capture hooks are on the model now."""
        return sum(isinstance(e.hook, RecordingDetector) and e.hook.attached for e in self._entries.values())

    def states(self) -> tuple[HookState, ...]:
        """One state a spec, in the order of the list."""
        return tuple(self._state(entry) for entry in self._entries.values())

    def report(self) -> HookReport:
        """The states, with a serial number greater than that of any report before."""
        self._serial += 1
        return HookReport(self._serial, self.states())

    def _state(self, entry: _Entry) -> HookState:
        hook = entry.hook
        return HookState(
            id=entry.spec.id,
            site=entry.spec.site,
            attached=hook is not None and hook.attached,
            enabled=hook is not None and hook.enabled and entry.spec.enabled,
            fired=hook.fired - entry.fired_before if hook is not None else 0,
            failures=hook.failures if hook is not None else 0,
            last_shape=entry.last_shape,
            error=entry.error,
            error_line=entry.line,
        )

    def _build(self, spec: HookSpec) -> _Entry:
        entry = _Entry(spec)
        if self._model is None or not (spec.enabled and spec.trusted):
            return entry
        if spec.site not in self._sites:
            entry.error = f"This model has no layer '{spec.site}'."
            return entry
        if spec.kind == CAPTURE:
            entry.hook = RecordingDetector(
                spec.site, self._record, hook_id=spec.id, stage="after" if spec.stage == "after" else "before"
            )
        elif spec.kind == CONTROLLER:
            self._build_controller(entry)
        else:
            entry.error = f"No plugin provides hooks of kind '{spec.kind}'."
        if entry.hook is not None:
            entry.hook.errors = "disable"
            entry.hook.on_failure = self._hook_failed
        return entry

    def _build_controller(self, entry: _Entry) -> None:
        spec = entry.spec
        try:
            with self._guard:
                code = UserController(spec.id, spec.site, spec.code)
        except ControllerCodeError as error:
            entry.error, entry.line = str(error), error.line
            self._on_failure(HookFailure(spec.id, spec.site, str(error), error.line, 0, traceback.format_exc()))
            return

        def guarded(tensor: torch.Tensor) -> torch.Tensor:
            with self._guard:
                return code(tensor)

        entry.code = code
        entry.hook = FunctionController(
            spec.site,
            guarded,
            hook_type=HookType.PRE_FORWARD if code.acts_on_input else HookType.FORWARD,
            hook_id=spec.id,
            refuse_nan=True,
        )

    def _record(self, record: CaptureRecord) -> None:
        self.note_shape(record)
        self._on_record(record)

    def _hook_failed(self, hook: Hook, error: HookError) -> None:
        entry = self._entries[hook.id]
        cause = error.original_error
        entry.line = entry.code.line_of(cause) if entry.code is not None else 0
        entry.error = sentence(cause)
        details = "".join(traceback.format_exception(cause))
        log.warning("Hook %s at '%s' failed and is off now.\n%s", hook.id, entry.spec.site, details)
        self._on_failure(HookFailure(hook.id, entry.spec.site, entry.error, entry.line, self._run, details))

    def _attach(self) -> None:
        self._detach()
        if self._model is None:
            return
        by_site: dict[str, list[Hook]] = {}
        for entry in self._entries.values():
            if entry.hook is not None and entry.hook.enabled:
                by_site.setdefault(entry.spec.site, []).append(entry.hook)
        if by_site:
            self._attachment = attach(self._model, by_site)

    def _detach(self) -> None:
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.close()


def sentence(error: BaseException) -> str:
    """The user's exception as one line: its type tells what kind, its text what."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if not text:
        return f"{name} was raised."
    return text if name in ("RuntimeError", "ControllerCodeError") else f"{name}: {text}"
