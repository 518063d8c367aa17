"""A pattern over dotted names taken apart at its dots: what each part must be, and where parts may be skipped.

A tree has a hundred thousand names and a few hundred different parts. Tried part by part, a pattern costs what the
different parts cost; `mi_crow_gui.itemmodels.name_search` does that. The answers are those of `site_pattern`.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Literal

from core_hooks.model.site_pattern import GLOB, glob_pieces, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Each "**" inside a part doubles the ways to match; more of them than these are left to one expression a name.
_MOST_WAYS = 16
_IN_PART = "[^.]*"


@dataclass(frozen=True, slots=True)
class PartTest:
    """What one part of a name must do with `text`; with `lower` it is the part in lower case that must."""

    how: Literal["hold", "end with", "begin with", "be", "match"]
    text: str
    lower: bool = False

    def among(self, parts: Sequence[str]) -> Iterable[object]:
        """Something true for each part that passes; none of it is computed in Python."""
        if self.how == "hold":
            return map(operator.contains, parts, repeat(self.text))
        if self.how == "end with":
            return map(str.endswith, parts, repeat(self.text))
        if self.how == "begin with":
            return map(str.startswith, parts, repeat(self.text))
        if self.how == "be":
            return map(operator.eq, parts, repeat(self.text))
        return map(re.compile(self.text, re.DOTALL).fullmatch, parts)


# A step is a test of one part, or None: any number of parts, none included.
Steps = tuple["PartTest | None", ...]
# The pieces of one part of a glob, see `glob_pieces`.
_Pieces = tuple[str, ...]


def ways(text: str) -> list[Steps] | None:
    """The ways in which a dotted name can match `text`, a name pattern without class; None when that is too many."""
    if not GLOB.search(text):
        return [_word(text.lower())]
    found = _spread(glob_pieces(text))
    if found is None:
        return None
    # A glob may begin at any part of a name.
    return [(None, *(None if pieces is None else _part(pieces) for pieces in steps)) for steps in found]


def _word(word: str) -> Steps:
    """Steps for a word that must occur anywhere in a name."""
    if "." not in word:
        return (None, PartTest("hold", word, lower=True), None)
    first, *middle, last = word.split(".")
    inner = [PartTest("be", part, lower=True) for part in middle]
    return (None, PartTest("end with", first, lower=True), *inner, PartTest("begin with", last, lower=True), None)


def _part(pieces: _Pieces) -> PartTest:
    """The test for one part of a glob; the common ones need no expression."""
    stars = [at for at, piece in enumerate(pieces) if piece == "*"]
    if all(len(piece) == 1 and piece != "?" for piece in pieces):
        plain = "".join(piece for piece in pieces if piece != "*")
        if not stars:
            return PartTest("be", plain)
        if not plain:
            return PartTest("hold", "")
        if stars == [0]:
            return PartTest("end with", plain)
        if stars == [len(pieces) - 1]:
            return PartTest("begin with", plain)
        if stars == [0, len(pieces) - 1]:
            return PartTest("hold", plain)
    return PartTest("match", "".join(translate(piece, _IN_PART) for piece in pieces))


def _spread(pieces: Sequence[str]) -> list[tuple[_Pieces | None, ...]] | None:
    """Pieces by part, None where parts may be skipped, for each way to read what in a glob may cross parts."""
    # Each way: the parts that are complete, and the pieces of the one at hand; None before its first piece.
    found: list[tuple[tuple[_Pieces | None, ...], _Pieces | None]] = [((), None)]
    for piece in pieces:
        if piece == ".":
            found = [((*steps, part or ()), None) for steps, part in found]
        elif piece.startswith("**"):
            rest: _Pieces | None = None if piece.endswith(".") else ("*",)
            further: list[tuple[tuple[_Pieces | None, ...], _Pieces | None]] = []
            for steps, part in found:
                if part is None:
                    further.append(((*steps, None), rest))
                else:
                    further.append((steps, part + (rest or ())))
                    further.append(((*steps, (*part, "*"), None), rest))
            found = further
        else:
            within = [(steps, (*(part or ()), piece)) for steps, part in found]
            # A set of characters may have the dot among them.
            across = [((*steps, part or ()), None) for steps, part in found] if _takes_dot(piece) else []
            found = [*within, *across]
        if len(found) > _MOST_WAYS:
            return None
    return [(*steps, part or ()) for steps, part in found]


def _takes_dot(piece: str) -> bool:
    return len(piece) > 1 and re.fullmatch(translate(piece, _IN_PART), ".") is not None
