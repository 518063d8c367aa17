"""A hook as the workspace describes it: what to attach where, not the attached thing itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable

CAPTURE = "capture"
CONTROLLER = "controller"


def new_id() -> str:
    """A short identifier, unique within any session."""
    return uuid4().hex[:12]


@dataclass(frozen=True, slots=True)
class HookSpec:
    """One row of the hooks list; the order of the list is the order in which controllers of a site act.

    Attributes
    ----------
    site
        Dotted name of the module.
    kind
        ``"capture"``, ``"controller"`` (user code), or the entry-point name of a plugin.
    stage
        For detectors: ``"before"`` (sees the unmodified value) or ``"after"`` the controllers of the site, or
        ``"input"`` (sees what goes into the module).
    code
        For controllers: the applied text. What is being typed lives in `Workspace.drafts` until applied.
    trusted
        False for code that came with a session this machine did not write: it stays off until reviewed.
    options
        Settings of a plugin's hook, as sorted (name, JSON text) pairs so that the spec stays hashable.
    """

    site: str
    kind: str = CAPTURE
    enabled: bool = True
    stage: str = "before"
    code: str = ""
    trusted: bool = True
    options: tuple[tuple[str, str], ...] = ()
    id: str = field(default_factory=new_id)


def acting(hooks: Iterable[HookSpec]) -> tuple[HookSpec, ...]:
    """The hooks that change what the model computes."""
    return tuple(hook for hook in hooks if hook.kind != CAPTURE and hook.enabled and hook.trusted)
