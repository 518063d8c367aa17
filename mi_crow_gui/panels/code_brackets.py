"""Which bracket belongs to which, in Python text; brackets within text and comments are passed over."""

from __future__ import annotations

import re

_OPENERS = {"(": ")", "[": "]", "{": "}"}
_CLOSERS = {closer: opener for opener, closer in _OPENERS.items()}
_SIGN = re.compile(
    r"""
    \"{3}.*?(?:\"{3}|\Z) | '{3}.*?(?:'{3}|\Z)
    | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?
    | \#[^\n]*
    | [()\[\]{}]
    """,
    re.DOTALL | re.VERBOSE,
)


def bracket_pair(text: str, cursor: int) -> tuple[int, int] | None:
    """Positions of the bracket beside the cursor and of its partner, which is -1 when it has none."""
    partners: dict[int, int] = {}
    waiting: list[tuple[str, int]] = []
    for match in _SIGN.finditer(text):
        sign, at = match.group(), match.start()
        if sign in _OPENERS:
            waiting.append((sign, at))
            partners[at] = -1
        elif sign in _CLOSERS:
            partners[at] = -1
            if waiting and waiting[-1][0] == _CLOSERS[sign]:
                opened = waiting.pop()[1]
                partners[opened], partners[at] = at, opened
    # The bracket just typed, before the cursor, is what the eye is on.
    for at in (cursor - 1, cursor):
        if at in partners:
            return at, partners[at]
    return None
