"""What the hooks of a run did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core_hooks.hooks.errors import HookError
    from core_hooks.hooks.hook import Hook


@dataclass(slots=True, eq=False)
class HookTally:
    """Running counts of one hook in one run; ``calls`` starts again with every forward."""

    fired: int = 0
    calls: int = 0
    failed: int = 0
    missed: int = 0
    error: HookError | None = None
    layer: str | None = None  # where the hook was attached when the run met it


@dataclass(frozen=True, slots=True)
class HookRecord:
    """What one hook did in one run.

    Attributes
    ----------
    hook_id
        ``Hook.id``.
    kind
        Name of the hook's class.
    layer
        Dotted name of the module it is attached to, its ``layer_signature`` as text if that is unknown.
    fired
        How often it was called while enabled.
    failed
        How often it failed.
    missed
        How often it was called and found no tensor.
    enabled
        Whether it was enabled when the report was made.
    error
        The last failure of this run, in one line; ``None`` if it did not fail.
    """

    hook_id: str
    kind: str
    layer: str
    fired: int
    failed: int
    missed: int
    enabled: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What the hooks of one run did; each property names hooks by their ids.

    Attributes
    ----------
    number
        Number of the run.
    cancelled
        Whether the run was cancelled.
    hooks
        One record a hook, in the order in which the run met them.
    """

    number: int
    cancelled: bool
    hooks: tuple[HookRecord, ...]

    @classmethod
    def of(cls, number: int, cancelled: bool, tallies: Mapping[Hook, HookTally]) -> RunReport:
        """Make the report from a run's counts."""
        records = (_record(hook, tally) for hook, tally in list(tallies.items()) if hook.reported)
        return cls(number, cancelled, tuple(records))

    @property
    def fired(self) -> dict[str, int]:
        """Hooks that fired, with how often."""
        return {record.hook_id: record.fired for record in self.hooks if record.fired}

    @property
    def never_fired(self) -> tuple[str, ...]:
        """Enabled hooks that were never called: their modules did not run, or only lent their weights."""
        return tuple(record.hook_id for record in self.hooks if not record.fired and record.enabled)

    @property
    def failed(self) -> dict[str, str]:
        """Hooks that failed, with the last failure in one line."""
        return {record.hook_id: record.error or "" for record in self.hooks if record.failed}

    @property
    def found_nothing(self) -> tuple[str, ...]:
        """Hooks that fired and never found a tensor."""
        return tuple(record.hook_id for record in self.hooks if 0 < record.fired <= record.missed)

    @property
    def disabled(self) -> tuple[str, ...]:
        """Hooks that are disabled now, by a failure or by hand."""
        return tuple(record.hook_id for record in self.hooks if not record.enabled)

    def __str__(self) -> str:
        def sites(ids: tuple[str, ...]) -> str:
            return ", ".join(record.layer or record.hook_id for record in self.hooks if record.hook_id in ids)

        parts = [f"Run {self.number}: {len(self.fired)} of {len(self.hooks)} hooks fired"]
        if self.never_fired:
            parts.append(f"never called: {sites(self.never_fired)}")
        if self.found_nothing:
            parts.append(f"found no tensor: {sites(self.found_nothing)}")
        parts += [f"failed: {error}" for error in self.failed.values()]
        if self.disabled:
            parts.append(f"disabled: {sites(self.disabled)}")
        return "; ".join(parts) + (" (cancelled)" if self.cancelled else "")


def _record(hook: Hook, tally: HookTally) -> HookRecord:
    site = tally.layer if tally.layer is not None else hook.site
    signature = site if site is not None else hook.layer_signature
    return HookRecord(
        hook_id=hook.id,
        kind=type(hook).__name__,
        layer="" if signature is None else str(signature),
        fired=tally.fired,
        failed=tally.failed,
        missed=tally.missed,
        enabled=hook.enabled,
        error=None if tally.error is None else str(tally.error),
    )
