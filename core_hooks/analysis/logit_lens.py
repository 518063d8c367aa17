"""The logit lens: what the model would say if each block were its last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core_hooks.analysis.next_token import NextToken, next_token
from core_hooks.analysis.undisturbed import undisturbed
from core_hooks.hooks.errors import RunCancelled
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import input_device
from core_hooks.model.readout import read_out

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.analysis.residuals import Residuals
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel

_BLOCK = 1 << 22  # logits held at a time
_LARGE_VOCABULARY = 1 << 18  # taken where the size is not known


@dataclass(frozen=True, slots=True, eq=False)
class LogitLens:
    """Predictions read from the residual stream; every array is ``[blocks + 1, tokens]``.

    Row 0 is read before the first block, row ``i`` after block ``i - 1``; the last row is the model's own prediction.

    Attributes
    ----------
    top
        Vocabulary id of the likeliest next token, int64.
    probability
        Its probability, float32, 0 to 1.
    entropy
        Of the whole prediction, float32, in nats.
    target
        The chosen word, -1 for none; without one the next two are None.
    target_rank
        Its place among all words, int64, 0 for the likeliest; -1 where the logits are NaN.
    target_probability
        Its probability, float32, 0 to 1.
    """

    top: np.ndarray
    probability: np.ndarray
    entropy: np.ndarray
    target: int = -1
    target_rank: np.ndarray | None = None
    target_probability: np.ndarray | None = None


def logit_lens(
    opened: OpenedModel,
    anatomy: Anatomy,
    residuals: Residuals,
    target: int = -1,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> LogitLens:
    """Read a prediction from every place of the residual stream, through final norm and unembedding.

    Method: nostalgebraist, "interpreting GPT: the logit lens" (2020). The stream is that which blocks return, so the
    norm is applied to the last row too; it must not be what some libraries call the last hidden state, which went
    through it already.

    Parameters
    ----------
    anatomy
        As `core_hooks.model.readout.verify` returned it, which knows what lies between unembedding and logits.
    target
        Vocabulary id of a word whose rank and probability are wanted too.
    on_progress
        Called with the number of vectors read and that of all.
    cancel
        Checked before every few vectors.

    Raises
    ------
    ModelError
        The model has no unembedding, or no such word.
    RunCancelled
        `cancel` was set.
    """
    _insist_on_unembedding(opened, anatomy)
    rows, tokens, width = residuals.stream.shape
    vectors = residuals.stream.reshape(rows * tokens, width)
    parts: list[LogitLens] = []
    step = max(1, _BLOCK // (opened.summary.vocabulary or _LARGE_VOCABULARY))
    with undisturbed(opened.model):
        for start in range(0, len(vectors), step):
            if cancel is not None and cancel.is_set():
                raise RunCancelled("The lens was cancelled.")
            parts.append(_lens(opened, anatomy, vectors[start : start + step], target))
            if on_progress is not None:
                on_progress(min(start + step, len(vectors)), len(vectors))

    def joined(name: str) -> np.ndarray:
        values: np.ndarray = np.concatenate([getattr(part, name) for part in parts]).reshape(rows, tokens)
        return values

    return LogitLens(
        joined("top"),
        joined("probability"),
        joined("entropy"),
        target,
        joined("target_rank") if target >= 0 else None,
        joined("target_probability") if target >= 0 else None,
    )


def lens_of_vectors(opened: OpenedModel, anatomy: Anatomy, vectors: torch.Tensor, target: int = -1) -> LogitLens:
    """Read predictions from single vectors of the residual stream, ``[vectors, channels]``; of a few at a time.

    Returns
    -------
    LogitLens
        Every array is ``[vectors]``.

    Raises
    ------
    ModelError
        As `logit_lens`.
    """
    _insist_on_unembedding(opened, anatomy)
    with undisturbed(opened.model):
        return _lens(opened, anatomy, vectors, target)


def _lens(opened: OpenedModel, anatomy: Anatomy, vectors: torch.Tensor, target: int) -> LogitLens:
    logits = _read(opened, anatomy, vectors)
    if target >= logits.shape[-1]:
        raise ModelError(f"There is no word {target}: the vocabulary has {logits.shape[-1]:,}.")
    log_probabilities = logits.log_softmax(-1)
    best, top = log_probabilities.max(-1)
    entropy = torch.special.entr(log_probabilities.exp()).sum(-1)
    rank = chance = None
    if target >= 0:
        chosen = logits[:, target, None]
        rank = (logits > chosen).sum(-1).masked_fill_(chosen[:, 0].isnan(), -1).cpu().numpy()
        chance = log_probabilities[:, target].exp().cpu().numpy()
    return LogitLens(top.cpu().numpy(), best.exp().cpu().numpy(), entropy.cpu().numpy(), target, rank, chance)


def lens_cell(
    opened: OpenedModel, anatomy: Anatomy, residuals: Residuals, row: int, token: int, count: int = 20
) -> NextToken:
    """Return the likeliest next tokens read from one place of the residual stream.

    Parameters
    ----------
    row, token
        Place in ``residuals.stream``.
    count
        How many.

    Raises
    ------
    ModelError
        The model has no unembedding.
    """
    _insist_on_unembedding(opened, anatomy)
    with undisturbed(opened.model):
        logits = _read(opened, anatomy, residuals.stream[row, token][None])
    return next_token(opened, logits[0], count)


def _read(opened: OpenedModel, anatomy: Anatomy, vectors: torch.Tensor) -> torch.Tensor:
    """Return the float32 logits [vectors, vocabulary] of residual vectors [vectors, channels]."""
    with torch.no_grad():
        return read_out(opened.model, anatomy, vectors[None].to(input_device(opened)))[0].float()


def _insist_on_unembedding(opened: OpenedModel, anatomy: Anatomy) -> None:
    if anatomy.lacks("unembedding") or not anatomy.readout:
        why = anatomy.lacks("unembedding") or f"{opened.summary.name} has no unembedding that is known."
        raise ModelError(f"No logit lens: {why}")
