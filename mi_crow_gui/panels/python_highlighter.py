"""Colours Python code line by line, in colours that can be read on the palette's base."""

from __future__ import annotations

import builtins
import keyword
import re

from PySide6.QtGui import QFont, QPalette, QSyntaxHighlighter, QTextCharFormat, QTextDocument

from mi_crow_gui.panels.look import hue, muted

_QUOTES = ('"""', "'''")
_TOKEN = re.compile(
    r"""
    (?P<comment>\#.*)
    | (?P<text>(?:\b[rbfuRBFU]{1,2})?(?:\"{3}|'{3}|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))
    | (?P<number>\b(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?)[jJ]?)
    | (?P<word>[^\W\d]\w*)
    """,
    re.VERBOSE,
)
_NAMES = frozenset(name for name in dir(builtins) if not name.startswith("_")) | {"torch", "math"}


class PythonHighlighter(QSyntaxHighlighter):
    """Knows comments, text, numbers, keywords, built-in names and what follows def and class."""

    def __init__(self, document: QTextDocument, palette: QPalette) -> None:
        super().__init__(document)
        self._formats: dict[str, QTextCharFormat] = {}
        self._make_formats(palette)

    def set_palette(self, palette: QPalette) -> None:
        """Colour anew for another palette."""
        self._make_formats(palette)
        self.rehighlight()

    def highlightBlock(self, text: str) -> None:  # noqa: D102 - Qt's
        # The block state says which triple quote the line before left open: 1 and 2, nothing for none.
        at = 0
        state = self.previousBlockState()
        self.setCurrentBlockState(0)
        if state in (1, 2):
            at = self._finish_text(text, 0, 0, _QUOTES[state - 1])
        defining = False
        while at < len(text):
            match = _TOKEN.search(text, at)
            if match is None:
                return
            start, at = match.span()
            kind, token = match.lastgroup, match.group()
            if kind == "text" and token[-3:] in _QUOTES and len(token.lstrip("rbfuRBFU")) == 3:
                at = self._finish_text(text, start, at, token[-3:])
                continue
            if kind == "word":
                kind = "definition" if defining else _kind_of_word(token)
            defining = token in ("def", "class")
            if kind in self._formats:
                self.setFormat(start, at - start, self._formats[kind])

    def _finish_text(self, text: str, start: int, search_from: int, quotes: str) -> int:
        """Colour a text in triple quotes up to its end or the line's, and give the place after it."""
        end = text.find(quotes, search_from)
        if end < 0:
            self.setCurrentBlockState(_QUOTES.index(quotes) + 1)
            end = len(text)
        else:
            end += len(quotes)
        self.setFormat(start, end - start, self._formats["text"])
        return end

    def _make_formats(self, palette: QPalette) -> None:
        colours = {
            "comment": muted(palette),
            "text": hue(140, palette),
            "number": hue(28, palette),
            "keyword": hue(275, palette),
            "definition": hue(212, palette),
            "builtin": hue(190, palette),
        }
        for kind, colour in colours.items():
            style = QTextCharFormat()
            style.setForeground(colour)
            # Kinds differ in shape too, for those who do not see the colours apart.
            style.setFontItalic(kind == "comment")
            style.setFontWeight(QFont.Weight.DemiBold if kind in ("keyword", "definition") else QFont.Weight.Normal)
            self._formats[kind] = style


def _kind_of_word(word: str) -> str:
    if keyword.iskeyword(word):
        return "keyword"
    return "builtin" if word in _NAMES else "name"
