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


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Run B against run A at each pair of aligned tokens.

    Attributes
    ----------
    alignment
        The pairs, and where there are none.
    divergence
        Kullback-Leibler divergence of B's prediction after the token from A's, float32 ``[pairs]``, in nats.
    probability_change
        Probability that B gave the token itself, less that of A, float32 ``[pairs]``; NaN where one of the two is the
        first token, or they are not the same token.
    top_a, top_b
        The likeliest next token after each, int64 ``[pairs]``.
    """

    alignment: Alignment
    divergence: np.ndarray
    probability_change: np.ndarray
    top_a: np.ndarray
    top_b: np.ndarray

    @property
    def top_changed(self) -> np.ndarray:
        """Indices of the pairs after which another word is the likeliest."""
        return np.flatnonzero(self.top_a != self.top_b)


def compare(ids_a: Sequence[int], logits_a: torch.Tensor, ids_b: Sequence[int], logits_b: torch.Tensor) -> Comparison:
    """Compare the predictions of two runs.

    Parameters
    ----------
    ids_a, ids_b
        The tokens of each run.
    logits_a, logits_b
        ``[tokens, vocabulary]`` of each run, any float dtype; worked through in blocks of rows.

    Raises
    ------
    ValueError
        When the logits don't fit the tokens, or the vocabularies differ.
    """
    for ids, logits in ((ids_a, logits_a), (ids_b, logits_b)):
        if logits.dim() != 2 or logits.shape[0] != len(ids):
            raise ValueError(f"Logits of shape {tuple(logits.shape)} don't belong to {len(ids)} tokens.")
    if logits_a.shape[1] != logits_b.shape[1]:
        raise ValueError(
            f"The vocabularies differ ({logits_a.shape[1]} and {logits_b.shape[1]} words): predictions of different "
            "models can't be compared."
        )
    alignment = align(ids_a, ids_b)
    at_a, at_b = (torch.from_numpy(np.ascontiguousarray(column)) for column in alignment.pairs.T)
    rows_a, rows_b = (
        logits_a.index_select(0, at_a.to(logits_a.device)),
        logits_b.index_select(0, at_b.to(logits_b.device)),
    )
    probability_a, probability_b = token_probabilities(logits_a, ids_a), token_probabilities(logits_b, ids_b)
    change = probability_b[alignment.pairs[:, 1]] - probability_a[alignment.pairs[:, 0]]
    change[~alignment.same] = np.nan
    return Comparison(
        alignment, divergences(rows_a, rows_b), change, rows_a.argmax(-1).cpu().numpy(), rows_b.argmax(-1).cpu().numpy()
    )


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
