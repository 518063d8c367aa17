"""How a token is written so that it can be read."""

from __future__ import annotations

import re
from functools import lru_cache

_LONGEST = 40
_SIGNS = {" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥", "\N{NO-BREAK SPACE}": "⍽"}


# Texts say the same words again and again, and a long one is laid out at once.
@lru_cache(1 << 16)
def readable_token(text: str) -> str:
    """A token with its white space and control characters made visible: " the" as "␣the", a line break as "↵"."""
    if not text:
        return "∅"
    if len(text) > 3 and len(set(text)) == 1 and text[0] in _SIGNS:
        return f"{_SIGNS[text[0]]}×{len(text)}"
    shown = "".join(_SIGNS.get(sign, sign) if sign.isprintable() or sign in _SIGNS else _escape(sign) for sign in text)
    # Spaces within a token separate words and can be seen as they are.
    shown = re.sub(r"(?<=[^\s␣])␣(?=[^\s␣])", " ", shown)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
