"""Several sequences that go through a model together, padded to one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """The rows of a batch, and on which side the shorter ones are padded.

    On the right, what a causal model computes for a token never sees the padding, whatever the model knows of masks:
    so for a single forward. On the left, the next token of every row comes right behind its last one: so for
    generating, where a gap in the middle would be counted by attention windows that go by distance.

    `number` is that of the first row: not 0 for a prompt that was taken out of a larger batch.
    """

    rows: tuple[TokenSequence, ...]
    side: Side = "right"
    number: int = 0

    @property
    def width(self) -> int:
        """Length of the longest row."""
        return max((len(row) for row in self.rows), default=0)

    @property
    def spans(self) -> tuple[range, ...]:
        """Columns of each row that hold its tokens; all others are padding."""
        width = self.width
        if self.side == "right":
            return tuple(range(len(row)) for row in self.rows)
        return tuple(range(width - len(row), width) for row in self.rows)

    @property
    def padded(self) -> bool:
        """Whether the rows differ in length."""
        return len({len(row) for row in self.rows}) > 1

    def real(self) -> np.ndarray:
        """Booleans [rows, width]: True where a token is, False where padding is."""
        mask = np.zeros((len(self.rows), self.width), bool)
        for row, span in zip(mask, self.spans, strict=True):
            row[span.start : span.stop] = True
        return mask

    def ids(self, pad: int) -> np.ndarray:
        """Vocabulary ids as int64 [rows, width], `pad` where padding is."""
        ids = np.full((len(self.rows), self.width), pad, np.int64)
        for row, span, tokens in zip(ids, self.spans, self.rows, strict=True):
            row[span.start : span.stop] = tokens.ids
        return ids


def encode_batch(opened: OpenedModel, texts: Sequence[str]) -> tuple[TokenSequence, ...]:
    """Return the tokens of each text, as `encode` does.

    Raises
    ------
    ModelError
        One of them can't be encoded; its number is named.
    """
    if not texts:
        raise ModelError("The batch is empty; type a prompt on each line.")
    rows = []
    for number, text in enumerate(texts, 1):
        try:
            rows.append(encode(opened, text))
        except ModelError as error:
            if len(texts) == 1:
                raise
            raise ModelError(f"Prompt {number} of {len(texts)}: {error}") from error
    return tuple(rows)


def row_seed(seed: int, row: int) -> int:
    """Return the seed with which a row of a batch draws its tokens: that of the first is `seed` itself.

    A prompt that is run alone with this seed draws the same tokens.
    """
    return (seed + 1_000_003 * row) % 2**63
