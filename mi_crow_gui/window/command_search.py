"""Which actions a few typed letters mean, the likeliest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.window.actions import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mi_crow_gui.window.actions import ActionSpec


def search(text: str, actions: Iterable[ActionSpec], recent: Sequence[str] = ()) -> list[ActionSpec]:
    """The actions in which every typed word occurs: words that begin so first, then those used recently."""
    typed = text.casefold().split()
    places = {name: place for place, name in enumerate(recent)}
    found: list[tuple[int, int, int, ActionSpec]] = []
    for place, spec in enumerate(actions):
        ranks = [_rank(word, spec) for word in typed]
        if all(rank is not None for rank in ranks):
            found.append((sum(rank or 0 for rank in ranks), places.get(spec.name, len(places)), place, spec))
    return [spec for *_, spec in sorted(found, key=lambda entry: entry[:3])]


def _rank(word: str, spec: ActionSpec) -> int | None:
    """0 for the beginning of a word of the name, 1 within it, 2 and 3 the same in tip and further words."""
    name = plain_text(spec).casefold()
    if any(part.startswith(word) for part in name.split()):
        return 0
    if word in name:
        return 1
    further = f"{spec.tip} {spec.words} {spec.menu.replace('&', '').replace('/', ' ')}".casefold()
    if any(part.startswith(word) for part in further.split()):
        return 2
    return 3 if word in further else None
