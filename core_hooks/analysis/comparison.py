"""Two runs, token by token: how far their predictions and their residual streams lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core_hooks.analysis.alignment import Alignment, align
from core_hooks.analysis.metrics import divergences, token_probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence


_BLOCK = 1 << 22  # logits turned into float32 at a time: 16 MiB


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Run B against run A at each pair of aligned tokens.

    Attributes
    ----------
    alignment
        The pairs, and where there are none.
    divergence
        Kullback-Leibler divergence of B's prediction after the token from A's, float32 ``[pairs]``, in nats; NaN
        where one of the two predicted nothing after it.
    probability_a, probability_b
        Probability that each gave to its own token, given those before it, float32 ``[pairs]``; NaN for first tokens.
    probability_change
        Probability that B gave the token itself, less that of A, float32 ``[pairs]``; NaN where one of the two is the
        first token, or they are not the same token.
    top_a, top_b
        The likeliest next token after each, int64 ``[pairs]``, -1 where nothing was predicted.
    top_probability_a, top_probability_b
        Probabilities of those, float32 ``[pairs]``, NaN where nothing was predicted.
    """

    alignment: Alignment
    divergence: np.ndarray
    probability_a: np.ndarray
    probability_b: np.ndarray
    probability_change: np.ndarray
    top_a: np.ndarray
    top_b: np.ndarray
    top_probability_a: np.ndarray
    top_probability_b: np.ndarray

    @property
    def top_changed(self) -> np.ndarray:
        """Indices of the pairs after which another word is the likeliest."""
        return np.flatnonzero((self.top_a != self.top_b) & (self.top_a >= 0) & (self.top_b >= 0))


def compare(
    ids_a: Sequence[int],
    logits_a: torch.Tensor,
    ids_b: Sequence[int],
    logits_b: torch.Tensor,
    alignment: Alignment | None = None,
) -> Comparison:
    """Compare the predictions of two runs.

    Parameters
    ----------
    ids_a, ids_b
        The tokens of each run.
    logits_a, logits_b
        ``[tokens, vocabulary]`` of each run, any float dtype; worked through in blocks of rows. One row less than
        there are tokens when the last one was generated and never fed.
    alignment
        Of the two, where it is known; else they are aligned as a whole.

    Raises
    ------
    ValueError
        When the logits don't fit the tokens, or the vocabularies differ.
    """
    for ids, logits in ((ids_a, logits_a), (ids_b, logits_b)):
        if logits.dim() != 2 or logits.shape[0] not in (len(ids), len(ids) - 1):
            raise ValueError(f"Logits of shape {tuple(logits.shape)} don't belong to {len(ids)} tokens.")
    if logits_a.shape[1] != logits_b.shape[1]:
        raise ValueError(
            f"The vocabularies differ ({logits_a.shape[1]} and {logits_b.shape[1]} words): predictions of different "
            "models can't be compared."
        )
    alignment = align(ids_a, ids_b) if alignment is None else alignment
    count = len(alignment.pairs)
    at_a, at_b = alignment.pairs[:, 0], alignment.pairs[:, 1]
    predicted = (at_a < len(logits_a)) & (at_b < len(logits_b))
    rows_a, rows_b = (
        logits.index_select(0, torch.from_numpy(np.ascontiguousarray(at[predicted])).to(logits.device))
        for logits, at in ((logits_a, at_a), (logits_b, at_b))
    )
    own_a, own_b = token_probabilities(logits_a, ids_a)[at_a], token_probabilities(logits_b, ids_b)[at_b]
    change = own_b - own_a
    change[~alignment.same] = np.nan
    divergence = np.full(count, np.nan, np.float32)
    divergence[predicted] = divergences(rows_a, rows_b)
    tops, shares = [], []
    for rows in (rows_a, rows_b):
        top, share = np.full(count, -1, np.int64), np.full(count, np.nan, np.float32)
        top[predicted], share[predicted] = _likeliest(rows)
        tops.append(top)
        shares.append(share)
    return Comparison(alignment, divergence, own_a, own_b, change, tops[0], tops[1], shares[0], shares[1])


def _likeliest(rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the likeliest word after each row of logits and its probability."""
    words, shares = [], []
    # A float32 copy of a block of rows, never of all.
    for block in rows.split(max(1, _BLOCK // max(1, rows.shape[1]))):
        values, indices = block.float().max(-1)
        words.append(indices)
        shares.append((values - block.float().logsumexp(-1)).exp())
    if not words:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    return torch.cat(words).cpu().numpy(), torch.cat(shares).cpu().numpy()


def residual_change(a: torch.Tensor, b: torch.Tensor, alignment: Alignment) -> np.ndarray:
    """Return how far the residual streams of two runs lie apart at each pair of tokens.

    Parameters
    ----------
    a, b
        ``[rows, tokens, channels]``, a row for each place in the stack, any float dtype.

    Returns
    -------
    numpy.ndarray
        Euclidean norm of the difference, float32 ``[rows, pairs]``.

    Raises
    ------
    ValueError
        When the numbers of rows or channels differ.
    """
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[2]:
        raise ValueError(f"Residual streams {tuple(a.shape)} and {tuple(b.shape)} are not of the same model.")
    result = np.empty((a.shape[0], len(alignment.pairs)), np.float32)
    at_a, at_b = (torch.from_numpy(np.ascontiguousarray(column)) for column in alignment.pairs.T)
    for row in range(a.shape[0]):
        result[row] = torch.linalg.vector_norm(a[row][at_a].float() - b[row][at_b].float(), dim=-1).cpu().numpy()
    return result
