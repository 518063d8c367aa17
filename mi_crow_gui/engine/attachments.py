"""The hooks list of the document, made real on the model: lives on the model thread, changes only between forwards."""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core_hooks.capture.recorder import RecordingDetector
from core_hooks.hooks.attachment import attach
from core_hooks.hooks.hook_type import HookType
from core_hooks.hooks.kinds import load
from core_hooks.hooks.registration import hooked_modules, hooks_of
from core_hooks.model.controller_context import Surroundings
from mi_crow_gui.document.folders import vectors_folder
from mi_crow_gui.document.hook_spec import CONTROLLER
from mi_crow_gui.document.strength import strength_of, without_strength
from mi_crow_gui.engine.hook_entry import HookEntry, sentence, user_line
from mi_crow_gui.engine.hook_maker import HookMaker, HooksNotMade
from mi_crow_gui.engine.libraries import Libraries
from mi_crow_gui.engine.messages import HookFailure, HookReport, HookState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import torch

    from core_hooks.capture.record import CaptureRecord
    from core_hooks.hooks.attachment import Attachment
    from core_hooks.hooks.errors import HookError
    from core_hooks.hooks.hook import Hook
    from core_hooks.hooks.kinds import HookKinds
    from core_hooks.model.batch import TokenBatch
    from core_hooks.model.captured_values import RunValues
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.interrupt import UserCodeGuard

log = logging.getLogger(__name__)


class Attachments:
    """Keeps the model's hooks equal to a list of specs.

    Parameters
    ----------
    on_record
        Receives every capture, in the thread of the forward.
    on_failure
        Told once for each hook that could not be built or disabled itself.
    kinds
        What hooks there are beside captures and written controllers; default: every kind that is installed.
    """

    def __init__(
        self,
        guard: UserCodeGuard,
        on_record: Callable[[CaptureRecord], None],
        on_failure: Callable[[HookFailure], None],
        kinds: HookKinds | None = None,
    ) -> None:
        self._guard = guard
        self._on_record = on_record
        self._on_failure = on_failure
        self._maker = HookMaker(guard, kinds if kinds is not None else load(), self._record)
        self._entries: dict[str, HookEntry] = {}
        self._model: torch.nn.Module | None = None
        self._sites: frozenset[str] = frozenset()
        self._attachment: Attachment | None = None
        self._run = 0
        self._serial = 0
        self._libraries = Libraries()
        self.surroundings = Surroundings()

    def set_model(
        self,
        model: torch.nn.Module | None,
        sites: Collection[str],
        kinds: Mapping[str, str] = MappingProxyType({}),
        tokenizer: Any = None,
    ) -> None:
        """Leave the old model clean and forget it; `apply` puts the hooks on the new one.

        `kinds` says of every site which part of the model it is; see `core_hooks.model.part_names`.
        """
        self._detach()
        self._model = model
        self._sites = frozenset(sites)
        self._entries = {}
        self.surroundings = Surroundings(tokenizer, kinds, tuple(sites), (vectors_folder(),))

    def apply(self, specs: Sequence[HookSpec], again: frozenset[str] = frozenset()) -> None:
        """Make the model carry exactly the enabled, trusted hooks of `specs`, in their order.

        Hooks that did not change stay what they are, a failed one stays off; those of `again` are made anew.
        """
        before = self._entries
        self._entries = {}
        for spec in specs:
            old = before.get(spec.id)
            if old is not None and spec.id not in again and without_strength(old.spec) == without_strength(spec):
                # The slider moved, or nothing did: the hook stays, and its state with it.
                old.spec = spec
                if old.code is not None:
                    old.code.strength = strength_of(spec)
                self._entries[spec.id] = old
            else:
                self._entries[spec.id] = self._made(spec)
        self._attach()

    def census(self) -> int:
        """How many hooks of ours are on the model now, counted in its modules and not in what was attached."""
        hooked = hooked_modules()
        if self._model is None or not hooked:
            return 0
        # Of this model alone: whoever runs another one in this process answers for that.
        return sum(len(hooks_of(module)) for module in hooked.intersection(self._model.modules()))

    def expected(self) -> int:
        """How many belong there by the hooks list."""
        return sum(hook.attached for entry in self._entries.values() for _, hook in entry.hooks)

    def suspend(self) -> None:
        """Take everything off the model; `resume` brings it back."""
        self._detach()

    def resume(self) -> None:
        """Put back what `suspend` took off."""
        self._attach()

    @contextmanager
    def aside(self, number: int, tokens: TokenSequence | TokenBatch | None) -> Iterator[None]:
        """Let controllers act in a forward that is no run's: nothing is captured, and nothing counted as fired."""
        hooks = [hook for entry in self._entries.values() for _, hook in entry.hooks]
        looking = [hook for hook in hooks if not hook.controls and hook.enabled]
        fired = {entry.spec.id: entry.fired for entry in self._entries.values()}
        for hook in looking:
            hook.disable()
        if tokens is not None:
            self.tell(tokens, number)
        try:
            yield
        finally:
            for hook in looking:
                hook.enable()
            for entry in self._entries.values():
                entry.fired_before += entry.fired - fired.get(entry.spec.id, entry.fired)
            self._tidy()

    def tell(self, tokens: TokenSequence | TokenBatch, number: int = 0) -> None:
        """Say which tokens the next forward has that is no run's; what controllers remember begins anew."""
        for entry in self._entries.values():
            if entry.code is not None:
                entry.code.begin(number, tokens)

    @contextmanager
    def as_of(
        self,
        specs: Sequence[HookSpec],
        number: int,
        tokens: TokenSequence | TokenBatch | None,
        values: RunValues | None = None,
    ) -> Iterator[Sequence[HookFailure]]:
        """Let the hooks of another time act in a forward that is no run's, as in `aside`; those of now come back.

        `values` are those that controllers may ask for. Gives a list that fills with what failed meanwhile.
        """
        failures: list[HookFailure] = []
        self._detach()
        other = Attachments(self._guard, _ignore, failures.append)
        try:
            other.set_model(self._model, self._sites, self.surroundings.kinds, self.surroundings.tokenizer)
            other.surroundings.run, other.surroundings.kept = values, self.surroundings.kept
            other.apply(specs)
            with other.aside(number, tokens):
                yield failures
        finally:
            other.set_model(None, frozenset())
            self._attach()

    def begin_run(
        self,
        number: int,
        batch: TokenBatch,
        values: RunValues | None = None,
        kept: Mapping[str, RunValues] = MappingProxyType({}),
    ) -> None:
        """Give every hook a fresh start for a run over these prompts.

        `values` are those that the run captures, `kept` the runs that are pinned: what controllers may ask for.
        """
        self._run = number
        self.surroundings.run, self.surroundings.kept = values, kept
        self._guard.printed.new_run()
        if any(entry.code is not None for entry in self._entries.values()):
            self._guard.fence.measure()
        for entry in self._entries.values():
            entry.fired_before = entry.fired
            for _, hook in entry.hooks:
                if isinstance(hook, RecordingDetector):
                    hook.prompt_tokens = batch.width
            if entry.code is not None:
                entry.code.begin(number, batch)

    def end_run(self) -> None:
        """The run is over: what a controller changed in the libraries is put back."""
        self._tidy()

    def set_step(self, step: int, batch: TokenBatch, prompt_tokens: int, ended: Collection[int] = ()) -> None:
        """The next forward is generation step `step`; hooks attached since the prompt learn of the run here.

        `ended` are the numbers of the prompts of the batch that are not continued any more.
        """
        for entry in self._entries.values():
            for _, hook in entry.hooks:
                if isinstance(hook, RecordingDetector):
                    hook.prompt_tokens = prompt_tokens
            if entry.code is not None:
                if entry.code.context.run != self._run:
                    entry.code.begin(self._run, batch)
                    entry.code.set_prompt_length(prompt_tokens)
                entry.code.set_step(step, batch, ended)

    def note_shape(self, record: CaptureRecord) -> None:
        """Remember the newest shape that a detector saw."""
        entry = self._entries.get(record.hook_id)
        if entry is not None:
            entry.last_shape = record.shape

    def controlled(self) -> frozenset[str]:
        """Sites with a controller on the model now."""
        return frozenset(
            site
            for entry in self._entries.values()
            for site, hook in entry.hooks
            if hook.controls and hook.enabled and hook.hook_type is HookType.FORWARD
        )

    def captures(self) -> int:
        """How many capture hooks are on the model now."""
        hooks = (hook for entry in self._entries.values() for _, hook in entry.hooks)
        return sum(isinstance(hook, RecordingDetector) and hook.attached for hook in hooks)

    def states(self) -> tuple[HookState, ...]:
        """One state a spec, in the order of the list."""
        return tuple(self._state(entry) for entry in self._entries.values())

    def report(self) -> HookReport:
        """The states, with a serial number greater than that of any report before."""
        self._serial += 1
        return HookReport(self._serial, self.states())

    def _state(self, entry: HookEntry) -> HookState:
        hooks = [hook for _, hook in entry.hooks]
        return HookState(
            id=entry.spec.id,
            site=entry.spec.site,
            attached=any(hook.attached for hook in hooks),
            enabled=entry.enabled and entry.spec.enabled,
            fired=entry.fired - entry.fired_before,
            failures=sum(hook.failures for hook in hooks),
            last_shape=entry.last_shape,
            error=entry.error,
            results=self._maker.results(entry),
            sites=tuple(dict.fromkeys(site for site, _ in entry.hooks)),
        )

    def _made(self, spec: HookSpec) -> HookEntry:
        """The entry of a spec with its hooks, where there can be any."""
        entry = HookEntry(spec)
        if self._model is None or not (spec.enabled and spec.trusted):
            return entry
        try:
            self._maker.make(entry, self._sites, self.surroundings)
        except HooksNotMade as error:
            entry.error, entry.line = str(error), error.line
            details = "".join(traceback.format_exception(error.cause)) if error.cause is not None else ""
            if details:
                self._on_failure(HookFailure(spec.id, spec.site, entry.error, entry.line, 0, details))
        finally:
            if spec.kind == CONTROLLER:
                self._tidy()
        for _, hook in entry.hooks:
            hook.errors = "disable"
            hook.on_failure = self._hook_failed
        return entry

    def _tidy(self) -> None:
        """Put back what user code changed in the libraries that the model is made of."""
        changed = self._libraries.put_back()
        if changed:
            names = ", ".join(changed[:4]) + (" and more" if len(changed) > 4 else "")
            log.warning("A controller had changed %s; it was put back, for it would change the model.", names)

    def _record(self, record: CaptureRecord) -> None:
        self.note_shape(record)
        self._on_record(record)

    def _hook_failed(self, hook: Hook, error: HookError) -> None:
        entry = self._entries[hook.id]
        cause = error.original_error
        entry.line = user_line(entry, hook, cause)
        entry.error = sentence(cause)
        if entry.code is not None:
            # Half a text that acts is none that anybody wrote: its other functions are off too.
            for _, other in entry.hooks:
                other.disable()
        details = "".join(traceback.format_exception(cause))
        self._on_failure(HookFailure(hook.id, entry.spec.site, entry.error, entry.line, self._run, details))

    def _attach(self) -> None:
        self._detach()
        if self._model is None:
            return
        by_site: dict[str, list[Hook]] = {}
        for entry in self._entries.values():
            for site, hook in entry.hooks:
                if hook.enabled:
                    by_site.setdefault(site, []).append(hook)
        if by_site:
            self._attachment = attach(self._model, by_site)

    def _detach(self) -> None:
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.close()


def _ignore(record: CaptureRecord) -> None:
    """What is captured outside a run is nobody's."""
