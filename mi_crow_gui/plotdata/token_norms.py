"""One number for each token of each prompt: how long its values at a site are, or how far from those of another run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.blocks import row_blocks
from mi_crow_gui.plotdata.prompt_frame import frame_of_prompt
from mi_crow_gui.plotdata.rows import rows_of

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame


@dataclass(frozen=True, slots=True, eq=False)
class TokenNorms:
    """L2 norms by prompt and position; NaN where a token has no values, or none to compare with.

    Attributes
    ----------
    run, site
        Where they come from.
    values
        float64 [tokens] for each prompt.
    baseline
        Number of the run that was compared with; 0 for plain norms.
    """

    run: int
    site: str
    values: tuple[np.ndarray, ...]
    baseline: int = 0


def prepare_token_norms(frame: Frame, baseline: Frame | None) -> TokenNorms:
    """Norms of the values of every token, or of their difference from those of a baseline.

    A token is compared with the one at the same position of the same prompt, if everything up to it is the same text.
    """
    prompts = max(1, len(frame.rows))
    values = tuple(_of_prompt(frame, number, baseline) for number in range(prompts))
    return TokenNorms(frame.run, frame.site, values, baseline.run if baseline is not None else 0)


def _of_prompt(frame: Frame, number: int, baseline: Frame | None) -> np.ndarray:
    here = frame_of_prompt(frame, number)
    mine = rows_of(here)
    if mine.row != "token":
        return np.empty(0)
    if baseline is None:
        return _placed(mine.first, [_lengths(block) for block in row_blocks(mine.values)])
    if number >= max(1, len(baseline.rows)):
        return np.empty(0)
    there = frame_of_prompt(baseline, number)
    other = rows_of(there)
    end = min(_shared(here.tokens, there.tokens), mine.first + mine.count, other.first + other.count)
    first = max(mine.first, other.first)
    if other.row != "token" or other.columns != mine.columns or end <= first:
        return np.empty(0)
    one = mine.values[first - mine.first : end - mine.first]
    two = other.values[first - other.first : end - other.first]
    blocks = zip(row_blocks(one), row_blocks(two), strict=True)
    return _placed(first, [_lengths(np.subtract(a, b, dtype=np.float64)) for a, b in blocks])


def _lengths(block: np.ndarray) -> np.ndarray:
    wide = block.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", wide, wide)))


def _placed(first: int, parts: list[np.ndarray]) -> np.ndarray:
    """By position, what was dropped before the first one as NaN."""
    return np.concatenate([np.full(first, np.nan), *parts])


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many tokens two sequences begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
