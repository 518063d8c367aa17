"""What a model expects next: the likeliest words with their probabilities, and where the chosen one stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from core_hooks.model.errors import ModelError
from core_hooks.model.forward import top_candidates
from core_hooks.model.prompt import token_text
from core_hooks.model.tokens import Candidate

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel


@dataclass(frozen=True, slots=True)
class NextToken:
    """A prediction.

    Attributes
    ----------
    candidates
        The likeliest tokens, the likeliest first.
    entropy
        Of the whole distribution, in nats: 0 when sure, ``log(vocabulary)`` when all are alike.
    chosen, chosen_rank
        The token that was chosen and its place, 0 for the likeliest; None and -1 when none was.
    """

    candidates: tuple[Candidate, ...]
    entropy: float
    chosen: Candidate | None = None
    chosen_rank: int = -1


def next_token(opened: OpenedModel, logits: torch.Tensor, count: int = 20, chosen: int | None = None) -> NextToken:
    """Return the likeliest next tokens by one row of logits.

    Parameters
    ----------
    logits
        ``[vocabulary]``, any float dtype.
    count
        How many candidates; all when there are fewer.
    chosen
        Vocabulary id of the token that was chosen, if one was.

    Raises
    ------
    ModelError
        The logits hold NaN.
    """
    row = logits.detach().float()
    if row.isnan().any():
        raise ModelError("The logits hold NaN, so there is no next token; look at what the controllers return.")
    log_probabilities = row.log_softmax(-1)
    entropy = float(torch.special.entr(log_probabilities.exp()).sum())
    candidates = top_candidates(opened, row, count)
    if chosen is None:
        return NextToken(candidates, entropy)
    picked = Candidate(chosen, token_text(opened, chosen), float(log_probabilities[chosen].exp()), float(row[chosen]))
    return NextToken(candidates, entropy, picked, int((row > row[chosen]).sum()))
