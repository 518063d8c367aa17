"""The strength of a controller: what `ctx.strength` is, kept in the options of its hook."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi_crow_gui.document.hook_spec import HookSpec

_STRENGTH, _LEAST, _MOST = "strength", "strength_least", "strength_most"
_NAMES = (_STRENGTH, _LEAST, _MOST)
LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Strength:
    """A number that a controller uses as it likes, and the ends of the slider that sets it."""

    value: float = 1.0
    least: float = -4.0
    most: float = 4.0

    def with_value(self, value: float) -> Strength:
        """Another value; the range grows to hold it."""
        value = max(-LARGEST, min(value, LARGEST))
        return Strength(value, min(self.least, value), max(self.most, value))

    def with_range(self, least: float, most: float) -> Strength:
        """Another range, the value brought into it; ends that are not in order leave it as it was."""
        if not (-LARGEST <= least < most <= LARGEST):
            return self
        return Strength(min(max(self.value, least), most), least, most)


DEFAULT = Strength()


def read(hook: HookSpec | None) -> Strength:
    """The strength of a hook; what its options do not say, or say wrongly, is as it is at first."""
    options = dict(hook.options) if hook is not None else {}
    value = _number(options.get(_STRENGTH), DEFAULT.value)
    least, most = _number(options.get(_LEAST), DEFAULT.least), _number(options.get(_MOST), DEFAULT.most)
    if not least < most:
        least, most = DEFAULT.least, DEFAULT.most
    return Strength(value, min(least, value), max(most, value))


def strength_of(hook: HookSpec) -> float:
    """What `ctx.strength` is for this hook."""
    return read(hook).value


def written(options: tuple[tuple[str, str], ...], strength: Strength) -> tuple[tuple[str, str], ...]:
    """Options with this strength in them; the one that controllers have at first is not written down."""
    others = tuple((name, value) for name, value in options if name not in _NAMES)
    if strength == DEFAULT:
        return others
    own = ((_STRENGTH, strength.value), (_LEAST, strength.least), (_MOST, strength.most))
    return tuple(sorted((*others, *((name, json.dumps(value)) for name, value in own))))


def without_strength(hook: HookSpec) -> HookSpec:
    """The hook but for its strength: what is equal needs not be built anew."""
    others = tuple((name, value) for name, value in hook.options if name not in _NAMES)
    return hook if len(others) == len(hook.options) else replace(hook, options=others)


def _number(text: str | None, instead: float) -> float:
    try:
        value = json.loads(text) if text is not None else instead
    except ValueError:
        return instead
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if fits and math.isfinite(value) and abs(value) <= LARGEST else instead
