"""Kinds of hooks that are attached by name: what is behind ``core_hooks.detectors`` and ``core_hooks.controllers``."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core_hooks.hooks.hook import Hook

Role = Literal["detector", "controller"]
Value = int | float | bool | str
GROUPS: dict[Role, str] = {"detector": "core_hooks.detectors", "controller": "core_hooks.controllers"}
# Kinds of the window's own, which are no hooks made by name.
RESERVED = ("capture", "controller")
_OWN = "core_hooks."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HookSetting:
    """One setting of a kind of hook; its type is that of `default`.

    Attributes
    ----------
    name, title
        The key under which ``make`` finds it, and the words that people read.
    default
        A whole number, a number, True or False, or a text.
    least, most
        Limits of a number.
    choices
        The texts that may be chosen from; none: any text.
    tip
        What it does, one sentence.
    """

    name: str
    title: str
    default: Value
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    tip: str = ""

    def fitting(self, value: object) -> Value:
        """Return `value` as this setting takes it; the default for one of another type or beyond the limits."""
        if isinstance(self.default, bool):
            return value if isinstance(value, bool) else self.default
        if isinstance(self.default, str):
            fits = isinstance(value, str) and (not self.choices or value in self.choices)
            return str(value) if fits else self.default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return self.default
        if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            return self.default
        return int(value) if isinstance(self.default, int) else float(value)


@dataclass(frozen=True, slots=True)
class HookKind:
    """A kind of hook: the object behind an entry point.

    Attributes
    ----------
    name
        Identifier that sessions keep.
    title, says
        The words that people read, and one sentence about what it does.
    make
        ``make(site, settings) -> Hook``: a new hook for a dotted name; `settings` has a value for every setting.
    settings
        What can be set.
    results
        ``results(hook) -> rows``: what a detector found in its newest call as (name, value) pairs, in the order in
        which they are shown; nothing before it fired.
    order
        Place in menus.
    """

    name: str
    title: str
    says: str
    make: Callable[[str, Mapping[str, Any]], Hook]
    settings: tuple[HookSetting, ...] = ()
    results: Callable[[Any], Sequence[tuple[str, Value]]] | None = None
    order: int = 100

    def hook(self, site: str, given: Mapping[str, object]) -> Hook:
        """Make a hook with these settings; what is not given, or does not fit, is as it is at first."""
        settings = {one.name: one.fitting(given.get(one.name, one.default)) for one in self.settings}
        return self.make(site, settings)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """An entry point that gives no kind: its name, what it would be, and why."""

    name: str
    role: Role
    reason: str


@dataclass(frozen=True, slots=True)
class HookKinds:
    """`detectors` and `controllers` by name in the order of menus; `unavailable` are the entry points that failed."""

    detectors: dict[str, HookKind] = field(default_factory=dict)
    controllers: dict[str, HookKind] = field(default_factory=dict)
    unavailable: tuple[Unavailable, ...] = ()

    def get(self, name: str) -> HookKind | None:
        """The kind of this name."""
        return self.detectors.get(name) or self.controllers.get(name)

    def named(self, name: str) -> HookKind:
        """The kind of this name.

        Raises
        ------
        LookupError
            No plugin that is installed provides it.
        """
        found = self.get(name)
        if found is None:
            raise LookupError(f"No plugin provides hooks of kind '{name}': install the package that does.")
        return found


def load(include_plugins: bool = True, found: Mapping[Role, Iterable[EntryPoint]] | None = None) -> HookKinds:
    """Load every kind; the built-in ones come through the same door.

    One that fails is left out, logged, and listed as unavailable.

    Parameters
    ----------
    include_plugins
        False for the built-in ones alone.
    found
        Entry points in place of those that are installed.
    """
    kinds: dict[Role, dict[str, HookKind]] = {"detector": {}, "controller": {}}
    unavailable: list[Unavailable] = []
    for role, group in GROUPS.items():
        points = list(entry_points(group=group) if found is None else found.get(role, ()))
        # Built-ins first: a plugin does not take their names.
        for point in sorted(points, key=lambda point: not point.value.startswith(_OWN)):
            if not include_plugins and not point.value.startswith(_OWN):
                continue
            try:
                kind = _checked(point.load(), kinds)
            except Exception as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                unavailable.append(Unavailable(point.name, role, reason))
                log.exception("The %s '%s' (%s) is unavailable: %s", role, point.name, point.value, reason)
            else:
                kinds[role][kind.name] = kind
    return HookKinds(_in_order(kinds["detector"]), _in_order(kinds["controller"]), tuple(unavailable))


def settings_of(options: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Return settings from (name, JSON text) pairs; what is no JSON is left out."""
    settings: dict[str, object] = {}
    for name, text in options:
        try:
            settings[name] = json.loads(text)
        except ValueError:
            continue
    return settings


def _checked(kind: object, known: Mapping[Role, Mapping[str, HookKind]]) -> HookKind:
    if not isinstance(kind, HookKind):
        raise TypeError(f"it gives a {type(kind).__name__}, not a HookKind")
    if not kind.name or kind.name in RESERVED:
        raise ValueError(f"'{kind.name}' is no name that it may have")
    if any(kind.name in kinds for kinds in known.values()):
        raise ValueError(f"there is already a hook of the kind '{kind.name}'")
    return kind


def _in_order(kinds: Mapping[str, HookKind]) -> dict[str, HookKind]:
    return dict(sorted(kinds.items(), key=lambda item: (item[1].order, item[1].title)))
