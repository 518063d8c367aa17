"""Which texts and tokens go into which shard: decided before anything is computed, the same every time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.packed_strings import pack

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from core_hooks.capture.corpus import CorpusText

_TOGETHER = 256  # texts tokenised in one call
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
class PackedTexts:
    """Texts as a shard holds them.

    Attributes
    ----------
    records
        int64 [texts], the record of each in the source.
    data, offsets
        The texts, as `core_hooks.capture.packed_strings.pack` gives them.
    label_data, label_offsets
        Their labels likewise; one offset alone where there are none.
    """

    records: np.ndarray
    data: np.ndarray
    offsets: np.ndarray
    label_data: np.ndarray
    label_offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def of(cls, texts: Sequence[CorpusText]) -> PackedTexts:
        """These texts, packed."""
        labels = [text.label for text in texts] if any(text.label for text in texts) else []
        return cls(
            np.array([text.record for text in texts], np.int64), *pack([text.text for text in texts]), *pack(labels)
        )


@dataclass(frozen=True, slots=True, eq=False)
class ShardPlan:
    """The windows of one shard in the order of their rows.

    Attributes
    ----------
    ids
        int32 [rows], the tokens of all windows.
    starts
        int64 [windows + 1], the row in the shard at which each window begins.
    numbers, firsts
        int32 [windows], of each window the number of its text and the position in it of the first token.
    texts
        Those that begin in the shard; a text whose windows go on from the shard before is in that one.
    first_row, first_text
        Numbers in the capture of the first row and of the first of `texts`.
    empty
        Records without any token that were passed over.
    next
        Where the shard behind this one begins.
    """

    ids: np.ndarray
    starts: np.ndarray
    numbers: np.ndarray
    firsts: np.ndarray
    texts: PackedTexts
    first_row: int
    first_text: int
    empty: int
    next: Place

    @classmethod
    def of(
        cls,
        windows: Sequence[Window],
        texts: Sequence[CorpusText],
        *,
        first_row: int,
        first_text: int,
        empty: int,
        behind: Place,
    ) -> ShardPlan:
        """The plan of these windows; at least one."""
        starts = np.zeros(len(windows) + 1, np.int64)
        np.cumsum([len(window.ids) for window in windows], out=starts[1:])
        return cls(
            np.concatenate([window.ids for window in windows]),
            starts,
            np.array([window.text for window in windows], np.int32),
            np.array([window.first for window in windows], np.int32),
            PackedTexts.of(texts),
            first_row,
            first_text,
            empty,
            behind,
        )

    @property
    def rows(self) -> int:
        """Tokens in the shard."""
        return int(self.starts[-1])

    @property
    def lengths(self) -> np.ndarray:
        """int64 [windows], the tokens of each window."""
        return np.diff(self.starts)

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows one by one."""
        return tuple(
            Window(int(number), int(first), self.ids[begin:end])
            for number, first, begin, end in zip(
                self.numbers, self.firsts, self.starts[:-1], self.starts[1:], strict=True
            )
        )

    def rows_of(self, windows: Sequence[int] | np.ndarray) -> np.ndarray:
        """int64, the rows in the shard of some windows, one window behind the other."""
        chosen = np.asarray(windows, np.int64)
        begins = self.starts[chosen]
        lengths = self.starts[chosen + 1] - begins
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        return np.repeat(begins - ends + lengths, lengths) + np.arange(total)


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
    pieces: list[np.ndarray] = []
    numbers: list[int] = []
    firsts: list[int] = []
    begun: list[CorpusText] = []
    number, rows, empty, first_text = place.text, 0, 0, place.text
    if place.position:
        first_text += 1  # the text at hand began in an earlier shard

    def plan(behind: Place) -> ShardPlan:
        nonlocal pieces, numbers, firsts, begun, rows, empty, first_row, first_text
        starts = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum([len(piece) for piece in pieces], out=starts[1:])
        made = ShardPlan(
            np.concatenate(pieces),
            starts,
            np.array(numbers, np.int32),
            np.array(firsts, np.int32),
            PackedTexts.of(begun),
            first_row,
            first_text,
            empty,
            behind,
        )
        first_row, first_text = first_row + rows, first_text + len(begun)
        pieces, numbers, firsts, begun, rows, empty = [], [], [], [], 0, 0
        return made

    record = place.record
    for text, ids in _tokenized(texts, tokenize):
        if cancel is not None and cancel.is_set():
            return
        record = text.record + 1
        count = len(ids)
        if not count:
            empty += 1
            continue
        begin = place.position if text.record == place.record else 0
        for first in range(begin, count, context):
            piece = ids if first == 0 and count <= context else ids[first : first + context]
            if pieces and rows + len(piece) > shard_rows:
                yield plan(Place(text.record, number, first))
            if first == 0:
                begun.append(text)
            pieces.append(piece)
            numbers.append(number)
            firsts.append(first)
            rows += len(piece)
        number += 1
    if pieces:
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
    full = [text.text for text in texts if text.text and not text.text.isspace()]
    found = iter(tokenize(full) if full else ())
    lists = [next(found) if text.text and not text.text.isspace() else () for text in texts]
    # One array for all of them, each text a view of it.
    ends = list(accumulate(map(len, lists)))
    ids = np.fromiter(chain.from_iterable(lists), np.int32, ends[-1] if ends else 0)
    begin = 0
    for text, end in zip(texts, ends, strict=True):
        yield text, ids[begin:end]
        begin = end
