"""Which token of one sequence answers to which of another."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.tokens import TokenSequence


@dataclass(frozen=True, slots=True)
class Gap:
    """Tokens ``first[0]`` to ``first[1] - 1`` of one sequence against ``second[0]`` to ``second[1] - 1`` of the other.

    The stretches have different lengths, one may be empty, and no token in them has a partner.
    """

    first: tuple[int, int]
    second: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Pairs of tokens, in order.

    Attributes
    ----------
    pairs
        int64 ``[pairs, 2]``: position in the first sequence and in the second.
    same
        bool ``[pairs]``: both are the same token; else one stands in the other's place.
    gaps
        Where there are no pairs.
    """

    pairs: np.ndarray
    same: np.ndarray
    gaps: tuple[Gap, ...]

    @property
    def one_to_one(self) -> bool:
        """Whether every token of both sequences has its partner at its own position."""
        return not self.gaps


def align(first: Sequence[int], second: Sequence[int]) -> Alignment:
    """Align two token sequences by their longest common stretches (Ratcliff and Obershelp, as in `difflib`).

    Between common stretches, as many tokens on one side as on the other are paired in order: one word replaced by
    another. Stretches of different lengths are gaps.

    Parameters
    ----------
    first, second
        Vocabulary ids.
    """
    pairs: list[tuple[int, int]] = []
    same: list[bool] = []
    gaps: list[Gap] = []
    matcher = difflib.SequenceMatcher(None, list(first), list(second), autojunk=False)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if a1 - a0 != b1 - b0:
            gaps.append(Gap((a0, a1), (b0, b1)))
            continue
        pairs += zip(range(a0, a1), range(b0, b1), strict=True)
        same += [tag == "equal"] * (a1 - a0)
    return Alignment(np.array(pairs, np.int64).reshape(-1, 2), np.array(same, bool), tuple(gaps))


def align_runs(first: Sequence[int], second: Sequence[int], prompts: tuple[int, int]) -> Alignment:
    """Align two runs: prompt with prompt, and what was generated with what was generated.

    Parameters
    ----------
    prompts
        How many tokens of each are its prompt.
    """
    a, b = prompts
    typed, followed = align(first[:a], second[:b]), align(first[a:], second[b:])
    gaps = [Gap((gap.first[0] + a, gap.first[1] + a), (gap.second[0] + b, gap.second[1] + b)) for gap in followed.gaps]
    return Alignment(
        np.concatenate([typed.pairs, followed.pairs + np.array([a, b], np.int64)]),
        np.concatenate([typed.same, followed.same]),
        (*typed.gaps, *gaps),
    )


def insist_on_one_to_one(first: TokenSequence, second: TokenSequence) -> Alignment:
    """Return the alignment of two sequences whose tokens answer to each other position by position.

    Raises
    ------
    ModelError
        They do not; the text names the first place where they part.
    """
    alignment = align(first.ids, second.ids)
    if alignment.one_to_one:
        return alignment
    gap = alignment.gaps[0]
    raise ModelError(
        f"The prompts don't align token by token: at token {gap.first[0]} the first has {_quote(first, gap.first)} "
        f"where the second has {_quote(second, gap.second)}; reword one so that both have as many tokens there."
    )


def _quote(tokens: TokenSequence, span: tuple[int, int]) -> str:
    start, end = span
    if start == end:
        return "nothing"
    words = "|".join(tokens.texts[start : min(end, start + 6)])
    return (
        repr(words + ("|…" if end - start > 6 else ""))
        + f" ({end - start} {'token' if end - start == 1 else 'tokens'})"
    )
