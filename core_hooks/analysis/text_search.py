"""Texts and tokens of a capture that hold a word or match a regular expression."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import regex

from core_hooks.capture.index import CaptureError
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from core_hooks.capture.reader import Capture

    Report = Callable[[int, int], None]

_TEXTS = 256  # looked through between two looks at `cancel`
_PATIENCE = 2.0  # seconds that one text may take
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class TextQuery:
    """What is looked for.

    Attributes
    ----------
    words
        A word or several, taken as they stand, or a regular expression. Words match whole: ``art`` is not in ``party``.
    is_regex
        Whether `words` is a regular expression.
    match_case
        Whether capitals count.
    """

    words: str
    is_regex: bool = False
    match_case: bool = False

    def pattern(self) -> regex.Pattern[str]:
        """The expression to search with; CaptureError, in one sentence, when it is none."""
        if not self.words:
            raise CaptureError("There is nothing to search for: type a word or a regular expression.")
        text = self.words if self.is_regex else _whole(self.words)
        flags = 0 if self.match_case else regex.IGNORECASE
        try:
            # Checked first by the standard library: the other compiler accepts some mistakes.
            if self.is_regex:
                re.compile(text)
            return regex.compile(text, flags)
        except (re.error, regex.error, OverflowError, RecursionError) as error:
            reason = getattr(error, "msg", str(error))
            raise CaptureError(f"'{self.words[:60]}' is no regular expression: {reason}.") from error


def find_texts(
    capture: Capture,
    query: TextQuery,
    *,
    on_progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> np.ndarray:
    """Numbers of the texts, as they stood in the corpus, that match; int64, ascending.

    Raises
    ------
    CaptureError
        The query is no expression, it takes too long on a text, or the capture is damaged.
    RunCancelled
        `cancel` was set.
    """
    pattern = query.pattern()
    found = [number for number in _texts(capture, on_progress, cancel) if _search(pattern, capture.text(number))]
    return np.array(found, np.int64)


def find_tokens(
    capture: Capture,
    query: TextQuery,
    *,
    at_most: int = 10_000,
    on_progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> np.ndarray:
    """Rows of the tokens in which a match begins, int64, ascending; no more than `at_most`.

    A text is what its tokens say one behind the other, so that a match may go over several of them; where tokens are
    words without the spaces between them, as of a vocabulary of whole words, the spaces are put back.

    Raises
    ------
    CaptureError
        As `find_texts`.
    RunCancelled
        `cancel` was set.
    """
    pattern = query.pattern()
    found: list[int] = []
    for number in _texts(capture, on_progress, cancel):
        rows = capture.rows_of(number)
        if not rows:
            continue
        tokens = capture.token_texts(rows.start, rows.stop)
        parts = _spaced(tokens, capture.text(number))
        ends = list(itertools.accumulate(map(len, parts)))
        for begin in _begins(pattern, "".join(parts)):
            row = rows.start + int(np.searchsorted(ends, begin, side="right"))
            if row < rows.stop and (not found or found[-1] != row):
                found.append(row)
                if len(found) >= at_most:
                    return np.array(found, np.int64)
    return np.array(found, np.int64)


def matching_tokens(capture: Capture, query: TextQuery, start: int, stop: int) -> np.ndarray:
    """Whether the query matches in each token alone, bool [rows]; each word of the vocabulary is looked at once."""
    pattern = query.pattern()
    known: dict[str, bool] = {}
    found = np.zeros(stop - start, bool)
    for place, token in enumerate(capture.token_texts(start, stop)):
        answer = known.get(token)
        if answer is None:
            answer = known[token] = _search(pattern, token)
        found[place] = answer
    return found


def _spaced(tokens: list[str], text: str) -> list[str]:
    """The tokens with a space before each that begins a word, where they lack the spaces that their text has."""
    if any(map(_SPACE.search, tokens)) or not _SPACE.search(text):
        return tokens
    rest = [token[2:] if token.startswith("##") and len(token) > 2 else f" {token}" for token in tokens[1:]]
    return [tokens[0], *rest]


def _whole(words: str) -> str:
    """An expression for words that stand by themselves; signs need no space around them."""
    text = regex.escape(words.strip() or words)
    before = r"(?<!\w)" if words.strip()[:1].isalnum() else ""
    after = r"(?!\w)" if words.strip()[-1:].isalnum() else ""
    return before + text + after


def _texts(capture: Capture, report: Report | None, cancel: threading.Event | None) -> Iterator[int]:
    for start in range(0, capture.texts, _TEXTS):
        if cancel is not None and cancel.is_set():
            raise RunCancelled("The search was cancelled.")
        if report is not None:
            report(start, capture.texts)
        yield from range(start, min(start + _TEXTS, capture.texts))


def _search(pattern: regex.Pattern[str], text: str) -> bool:
    try:
        return pattern.search(text, timeout=_PATIENCE, concurrent=len(text) > 1000) is not None
    except TimeoutError as error:
        raise _too_slow(pattern) from error


def _begins(pattern: regex.Pattern[str], text: str) -> list[int]:
    try:
        return [match.start() for match in pattern.finditer(text, timeout=_PATIENCE, concurrent=len(text) > 1000)]
    except TimeoutError as error:
        raise _too_slow(pattern) from error


def _too_slow(pattern: regex.Pattern[str]) -> CaptureError:
    return CaptureError(
        f"'{pattern.pattern[:60]}' takes more than {_PATIENCE:.0f} seconds on one text; simplify the expression."
    )
