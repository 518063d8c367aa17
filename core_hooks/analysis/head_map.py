"""The scores of every head of a model, by which known kinds of heads are found."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.analysis.attention import visit_patterns
from core_hooks.analysis.head_scores import HeadScores, score_heads
from core_hooks.analysis.undisturbed import undisturbed
from core_hooks.hooks.run import HookRun
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import sequence
from core_hooks.model.summary import context_length

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import torch

    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

KINDS = ("induction", "previous_token", "duplicate_token", "first_token")


@dataclass(frozen=True, slots=True, eq=False)
class HeadMap:
    """Scores of all heads on one sequence; every array is float32 ``[blocks, heads]``, see `HeadScores`.

    NaN for blocks without attention, heads that a block does not have, and scores that the tokens can't give.

    Attributes
    ----------
    tokens
        What they were measured on.
    switched_from
        See `AttentionPatterns`.
    """

    induction: np.ndarray
    previous_token: np.ndarray
    duplicate_token: np.ndarray
    first_token: np.ndarray
    tokens: TokenSequence
    switched_from: str = ""

    def strongest(self, kind: str, count: int = 5) -> list[tuple[int, int, float]]:
        """Return the heads of one kind with the highest scores: block, head, score."""
        scores: np.ndarray = getattr(self, kind)
        order = np.argsort(-np.nan_to_num(scores, nan=-1.0), axis=None, kind="stable")[:count]
        places = zip(*np.unravel_index(order, scores.shape), strict=True)
        return [(int(b), int(h), float(scores[b, h])) for b, h in places if not np.isnan(scores[b, h])]


def map_heads(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    *,
    controllers: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> HeadMap:
    """Score every head on `tokens`, in one forward; one block's pattern is held at a time.

    Parameters
    ----------
    tokens
        From `repeated_random_tokens`, or a text of the user's own.
    controllers
        Whether hooks that are attached act as always, so that the heads are those of the model as it is changed;
        otherwise they look away meanwhile.
    on_progress
        Called with the number of blocks scored and that of all.

    Raises
    ------
    ModelError
        The model has no attention or can't give its weights, or there are fewer than two tokens.
    RunCancelled
        `cancel` was set.
    """
    if len(tokens) < 2:
        raise ModelError("A single token has nothing to attend to; type a longer prompt.")
    found: dict[int, HeadScores] = {}
    blocks = sum(bool(block.attention) for block in anatomy.blocks)

    def score(block: int, weights: torch.Tensor) -> None:
        found[block] = score_heads(weights.float().cpu().numpy(), tokens.ids)
        if on_progress is not None:
            on_progress(len(found), blocks)

    with nullcontext() if controllers else undisturbed(opened.model), HookRun(cancel=cancel):
        switched_from = visit_patterns(opened, anatomy, tokens, score)
    heads = max(len(scores.induction) for scores in found.values())
    maps = {kind: np.full((len(anatomy.blocks), heads), np.nan, np.float32) for kind in KINDS}
    for block, scores in found.items():
        for kind in KINDS:
            values = getattr(scores, kind)
            maps[kind][block, : len(values)] = values
    return HeadMap(**maps, tokens=tokens, switched_from=switched_from)


def repeated_random_tokens(opened: OpenedModel, length: int = 50, seed: int = 0) -> TokenSequence:
    """Return random tokens said twice, behind the token that begins a text where the tokenizer has one.

    Drawn from the vocabulary without its special tokens, none twice where there are enough.

    Parameters
    ----------
    length
        Tokens of one copy; fewer when the model's context is shorter than two.
    seed
        The same seed gives the same tokens.

    Raises
    ------
    ModelError
        The vocabulary or the context is too small for it.
    """
    tokenizer = opened.tokenizer
    special = set(tokenizer.all_special_ids) if tokenizer is not None else set()
    size = len(tokenizer) if tokenizer is not None else opened.summary.vocabulary
    # A tokenizer may know more words than the model has, and the other way round.
    size = min(size, opened.summary.vocabulary or size)
    words = np.array([token_id for token_id in range(size) if token_id not in special])
    first = getattr(tokenizer, "bos_token_id", None)
    begin = [] if first is None else [int(first)]
    limit = context_length(getattr(opened.model, "config", None))
    if limit:
        length = min(length, (limit - len(begin)) // 2)
    if length < 2 or len(words) < 2:
        raise ModelError(f"{opened.summary.name} has no room for two copies of random tokens.")
    drawn = np.random.default_rng(seed).choice(words, length, replace=len(words) < length).tolist()
    return sequence(opened, [*begin, *drawn, *drawn])
