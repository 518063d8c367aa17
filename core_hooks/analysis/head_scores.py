"""What an attention head looks at, as four numbers: the scores by which known kinds of heads are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, eq=False)
class HeadScores:
    """Mean attention of each head, float32 ``[heads]``, between 0 and 1.

    Attributes
    ----------
    previous_token
        From each token to the one before it.
    induction
        From each token that occurred earlier to the tokens that followed its earlier occurrences (Olsson et al.,
        "In-context Learning and Induction Heads", 2022). NaN when no token repeats.
    duplicate_token
        From each token that occurred earlier to its earlier occurrences (Wang et al., "Interpretability in the Wild",
        2022). NaN when no token repeats.
    first_token
        From each token but the first to the first.
    """

    previous_token: np.ndarray
    induction: np.ndarray
    duplicate_token: np.ndarray
    first_token: np.ndarray


def score_heads(pattern: np.ndarray, token_ids: Sequence[int]) -> HeadScores:
    """Score the heads of one block on one sequence.

    Parameters
    ----------
    pattern
        Attention weights ``[heads, tokens, tokens]``, any float dtype; row ``i`` is what token ``i`` attends to.
    token_ids
        The tokens of the sequence.

    Raises
    ------
    ValueError
        When the shapes don't fit, or there are fewer than two tokens.
    """
    tokens = len(token_ids)
    if pattern.ndim != 3 or pattern.shape[1:] != (tokens, tokens):
        raise ValueError(f"The pattern has shape {pattern.shape}; {tokens} tokens need [heads, {tokens}, {tokens}].")
    if tokens < 2:
        raise ValueError("A single token has nothing to attend to: give at least two.")
    weights = pattern.astype(np.float32, copy=False)
    ids = np.asarray(token_ids)
    earlier = (ids[:, None] == ids[None, :]) & np.tri(tokens, k=-1, dtype=bool)
    after = np.zeros_like(earlier)
    # A token that directly repeats itself would count attention to itself: what followed it is itself.
    after[:, 1:] = earlier[:, :-1]
    after &= np.tri(tokens, k=-1, dtype=bool)
    return HeadScores(
        previous_token=weights[:, np.arange(1, tokens), np.arange(tokens - 1)].mean(1),
        induction=_mean_over_rows(weights, after),
        duplicate_token=_mean_over_rows(weights, earlier),
        first_token=weights[:, 1:, 0].mean(1),
    )


def _mean_over_rows(weights: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Attention that falls on `mask`, summed in each row that has any, averaged over those rows."""
    rows = mask.any(1)
    if not rows.any():
        return np.full(weights.shape[0], np.nan, np.float32)
    result: np.ndarray = (weights[:, rows] * mask[rows]).sum(2).mean(1)
    return result
