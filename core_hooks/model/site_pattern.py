"""Patterns over dotted module names, as typed into the tree's filter and given to ``--attach``.

``attn``                any name that contains it, whatever the case
``model.layers.*.mlp``  ``*`` and ``?`` stay within one part of the name, ``[0-3]`` is one of these characters
``model.**.c_attn``     ``**`` crosses parts
``h.*:GPT2Attention``   what follows the colon is the module's class: part of its name, or a glob

A glob must match to the end of a name, but may begin at any part of it: ``h.*.attn`` finds
``transformer.h.0.attn``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class SitePattern:
    """A pattern compiled once, to be tried on many names."""

    text: str
    _name: _Test | None
    _class_name: _Test | None

    @property
    def is_empty(self) -> bool:
        """True when nothing is asked for, so that everything matches."""
        return self._name is None and self._class_name is None

    @property
    def is_glob(self) -> bool:
        """True when the pattern says which modules it means, rather than a word that names contain."""
        return bool(GLOB.search(self.text)) or self._class_name is not None

    def matches(self, site: str, class_name: str = "") -> bool:
        """Whether a module of this dotted name and class is meant."""
        return bool(
            (self._name is None or self._name.accepts(site))
            and (self._class_name is None or self._class_name.accepts(class_name))
        )

    def select(self, sites: Sequence[str], class_names: Sequence[str] = ()) -> list[int]:
        """The positions of the modules that match, in order; without `class_names` no class matches."""
        if self._name is None:
            found = list(range(len(sites)))
        else:
            found = self._name.select(sites)
        if self._class_name is None:
            return found
        # A model has few classes, so each is tried once
        wanted = {name for name in set(class_names) if self._class_name.accepts(name)}
        return [at for at in found if at < len(class_names) and class_names[at] in wanted]


def compile_pattern(text: str) -> SitePattern:
    """Read a pattern; every text is one, an empty text matches everything."""
    name, _, class_name = text.strip().partition(":")
    return SitePattern(
        text=text.strip(),
        _name=_test(name.strip(), by_parts=True),
        _class_name=_test(class_name.strip(), by_parts=False),
    )


def matching_sites(pattern: str, sites: Sequence[str], class_names: Sequence[str] = ()) -> list[str]:
    """The names that ``--attach`` means by `pattern`: the exact name, or all that a glob or class matches.

    A plain word that is no module's name means nothing here: all names that contain it would be a guess.
    """
    text = pattern.strip()
    compiled = compile_pattern(text)
    if not compiled.is_glob:
        return [text] if text in sites else []
    return [sites[at] for at in compiled.select(sites, class_names)]


@dataclass(frozen=True, slots=True)
class _Test:
    """Half a pattern: a literal text that must occur, and an expression where that is not enough."""

    literal: str
    expression: Callable[[str], object] | None

    def accepts(self, name: str) -> bool:
        if self.expression is None:
            return self.literal in name.lower()
        return self.literal in name and self.expression(name) is not None

    def select(self, names: Sequence[str]) -> list[int]:
        literal, expression = self.literal, self.expression
        if expression is None:
            return [at for at, name in enumerate(names) if literal in name.lower()]
        # The literal is found much faster than the expression is tried
        return [at for at, name in enumerate(names) if literal in name and expression(name)]


def _test(text: str, *, by_parts: bool) -> _Test | None:
    if not text:
        return None
    if not GLOB.search(text):
        return _Test(text.lower(), None)
    if not by_parts:
        return _Test("", re.compile(_expression(text, any_text=".*"), re.IGNORECASE).fullmatch)
    # Greedy to the last part, so that the common case is decided without trying every beginning
    body = _expression(text, any_text="[^.]*")
    return _Test(_longest_literal(text), re.compile(rf"(?:.*\.)?(?:{body})", re.DOTALL).fullmatch)


def _expression(glob: str, any_text: str) -> str:
    """Translate a glob to a regular expression."""
    return "".join(translate(piece, any_text) for piece in glob_pieces(glob))


def glob_pieces(glob: str) -> list[str]:
    """A glob cut into its characters, its sets of them, and its stars."""
    return re.findall(r"\*\*+\.(?:\*\*+\.)*|\*\*+|\*|\?|\[!?[^\]]+\]|.", glob, re.DOTALL)


def translate(piece: str, any_text: str) -> str:
    """One piece of a glob as a regular expression; `any_text` is what one star stands for."""
    if piece.startswith("**"):
        # "a.**.b" also means "a.b": nothing is a way across parts too
        return r"(?:.*\.)?" if piece.endswith(".") else ".*"
    if piece == "*":
        return any_text
    if piece == "?":
        return "[^.]"
    if len(piece) > 2 and piece.startswith("["):
        negated = piece.startswith("[!")
        inner = re.sub(r"([\\^\[&~|])", r"\\\1", piece[2:-1] if negated else piece[1:-1])
        one_of = f"[{'^.' if negated else ''}{inner}]"
        try:
            re.compile(one_of)
        except re.error:  # such as [9-0]: while it is being typed it stands for itself
            return re.escape(piece)
        return one_of
    return re.escape(piece)


def _longest_literal(glob: str) -> str:
    """The longest run of plain characters that every match contains."""
    # "x.**" also matches without what lies between its dots, so dots are not counted on
    runs = re.split(r"\[!?[^\]]+\]|[*?.]", glob)
    return max(runs, key=len)
