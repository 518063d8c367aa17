"""Which texts and tokens go into which shard: decided before anything is computed, the same every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from core_hooks.capture.corpus import CorpusText

_TOGETHER = 64  # texts tokenised in one call
_TOGETHER_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Consecutive tokens of one text that the model sees together.

    Attributes
    ----------
    text
        Number of the text in the capture.
    first
        Position in the text of the first token.
    ids
        int32 [tokens].
    """

    text: int
    first: int
    ids: np.ndarray


@dataclass(frozen=True, slots=True)
class Place:
    """Where a corpus is to be read on: a record of the source, the number of its text, a position in it."""

    record: int = 0
    text: int = 0
    position: int = 0

    def as_json(self) -> dict[str, int]:
        """As the index holds it."""
        return {"record": self.record, "text": self.text, "position": self.position}

    @classmethod
    def of_json(cls, value: Any) -> Place | None:
        """The place that `as_json` gave, None for anything else."""
        if not isinstance(value, dict) or set(value) != set(cls.__slots__):
            return None
        sane = all(isinstance(number, int) and number >= 0 for number in value.values())
        return cls(**value) if sane else None


@dataclass(frozen=True, slots=True, eq=False)
class ShardPlan:
    """The windows of one shard in the order of their rows.

    Attributes
    ----------
    texts
        Those that begin in the shard; a text whose windows go on from the shard before is in that one.
    first_row, first_text
        Numbers in the capture of the first row and of the first of `texts`.
    empty
        Records without any token that were passed over.
    next
        Where the shard behind this one begins.
    starts
        int64 [windows + 1], the row in the shard at which each window begins.
    """

    windows: tuple[Window, ...]
    texts: tuple[CorpusText, ...]
    first_row: int
    first_text: int
    empty: int
    next: Place
    starts: np.ndarray

    @property
    def rows(self) -> int:
        """Tokens in the shard."""
        return int(self.starts[-1])


def plan_shards(
    texts: Iterable[CorpusText],
    tokenize: Callable[[list[str]], Sequence[Sequence[int]]],
    *,
    shard_rows: int,
    context: int,
    first_row: int = 0,
    place: Place = Place(),
    cancel: threading.Event | None = None,
) -> Iterator[ShardPlan]:
    """Cut a corpus into shards of about `shard_rows` tokens, with windows of at most `context` tokens.

    Parameters
    ----------
    texts
        The records of the source from ``place.record`` on, empty ones included.
    tokenize
        From texts to token ids, special tokens included; a text it makes no token of counts as empty.
    first_row, place
        Where to go on.
    cancel
        Once set, the plans end.

    Yields
    ------
    ShardPlan
        No plan is empty; a window is never split.
    """
    windows: list[Window] = []
    begun: list[CorpusText] = []
    number, rows, empty, first_text = place.text, 0, 0, place.text
    if place.position:
        first_text += 1  # the text at hand began in an earlier shard

    def plan(behind: Place) -> ShardPlan:
        nonlocal windows, begun, rows, empty, first_row, first_text
        starts = np.zeros(len(windows) + 1, np.int64)
        np.cumsum([len(window.ids) for window in windows], out=starts[1:])
        made = ShardPlan(tuple(windows), tuple(begun), first_row, first_text, empty, behind, starts)
        first_row, first_text = first_row + rows, first_text + len(begun)
        windows, begun, rows, empty = [], [], 0, 0
        return made

    record = place.record
    for text, ids in _tokenized(texts, tokenize):
        if cancel is not None and cancel.is_set():
            return
        record = text.record + 1
        if not len(ids):
            empty += 1
            continue
        begin = place.position if text.record == place.record else 0
        for first in range(begin, len(ids), context):
            piece = ids[first : first + context]
            if windows and rows + len(piece) > shard_rows:
                yield plan(Place(text.record, number, first))
            if first == 0:
                begun.append(text)
            windows.append(Window(number, first, piece))
            rows += len(piece)
        number += 1
    if windows:
        yield plan(Place(record, number, 0))


def _tokenized(
    texts: Iterable[CorpusText], tokenize: Callable[[list[str]], Sequence[Sequence[int]]]
) -> Iterator[tuple[CorpusText, np.ndarray]]:
    held: list[CorpusText] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text.text)
        if len(held) >= _TOGETHER or size >= _TOGETHER_CHARACTERS:
            yield from _together(held, tokenize)
            held, size = [], 0
    yield from _together(held, tokenize)


def _together(
    texts: list[CorpusText], tokenize: Callable[[list[str]], Sequence[Sequence[int]]]
) -> Iterator[tuple[CorpusText, np.ndarray]]:
    # An empty line is nothing to capture, even where a tokenizer would put a special token before it.
    full = [text for text in texts if text.text.strip()]
    found = dict(zip((text.record for text in full), tokenize([t.text for t in full]) if full else (), strict=True))
    for text in texts:
        yield text, np.asarray(found.get(text.record, ()), np.int32)
