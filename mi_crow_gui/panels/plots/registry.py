"""The kinds of plots there are: the built-in ones and those of plugins come through the same entry points."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from mi_crow_gui.plotdata.kind import PlotKind

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "mi_crow_gui.plots"
_OWN = "mi_crow_gui."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registry:
    """`kinds` by name in the order of menus; `unavailable` says of each entry point that failed why."""

    kinds: dict[str, PlotKind]
    unavailable: dict[str, str]


def load(include_plugins: bool = True, found: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every kind of plot; one that fails is left out, logged, and listed as unavailable."""
    kinds: dict[str, PlotKind] = {}
    unavailable: dict[str, str] = {}
    points = list(entry_points(group=GROUP) if found is None else found)
    # Built-ins first: a plugin does not take their names.
    points.sort(key=lambda point: not point.value.startswith(_OWN))
    for point in points:
        if not include_plugins and not point.value.startswith(_OWN):
            continue
        try:
            kind = point.load()
            if not isinstance(kind, PlotKind):
                raise TypeError(f"it gives a {type(kind).__name__}, not a PlotKind")
            if kind.name in kinds:
                raise ValueError(f"there is already a plot of the kind '{kind.name}'")
        except Exception as error:  # a plugin may fail in any way; the others load
            reason = " ".join(str(error).split()) or type(error).__name__
            unavailable[point.name] = reason
            log.exception("The plot '%s' (%s) is unavailable: %s", point.name, point.value, reason)
        else:
            kinds[kind.name] = kind
    return Registry(dict(sorted(kinds.items(), key=lambda item: (item[1].order, item[1].title))), unavailable)
