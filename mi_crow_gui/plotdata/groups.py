"""Points in groups that have a colour each: the most frequent texts or labels, and one group for all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 8  # more colours than this nobody tells apart


@dataclass(frozen=True, slots=True)
class Groups:
    """What points are grouped by.

    Attributes
    ----------
    names, counts
        The most frequent ones, the first first, and how many points each has.
    others, rest
        How many further ones are taken together as the last group, and how many points those have.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    others: int = 0
    rest: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Points of every group, the one of all others last, if there is one."""
        return (*self.counts, self.rest) if self.others else self.counts


def coded(texts: Iterable[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each text as a number, and the texts by number."""
    known: dict[str, int] = {}
    codes = np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int64)
    return codes, tuple(known)


def grouped(codes: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, Groups]:
    """Which group each point is in, uint8, `MOST` for what is in none of its own; of like many the first name first."""
    counts = np.bincount(codes, minlength=len(names))
    there = np.flatnonzero(counts).tolist()
    there.sort(key=lambda code: (-int(counts[code]), names[code]))
    shown, further = there[:MOST], there[MOST:]
    group_of = np.full(len(names), MOST, np.uint8)
    group_of[shown] = np.arange(len(shown), dtype=np.uint8)
    rest = int(counts[further].sum()) if further else 0
    groups = Groups(
        tuple(names[code] for code in shown), tuple(int(counts[code]) for code in shown), len(further), rest
    )
    return group_of[codes], groups
