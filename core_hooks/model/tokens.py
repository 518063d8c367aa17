"""A tokenised prompt, and what a run says about each token: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """The tokens of one sequence.

    Attributes
    ----------
    ids
        Vocabulary ids.
    texts
        Each token decoded alone, with its leading space where the tokenizer keeps one.
    special
        True for tokens such as ``<bos>``.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    special: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __add__(self, other: TokenSequence) -> TokenSequence:
        return TokenSequence(self.ids + other.ids, self.texts + other.texts, self.special + other.special)

    def followed_by(self, steps: Iterable[TokenStep]) -> TokenSequence:
        """Return the sequence with the tokens behind it that were generated, none of them special."""
        steps = tuple(steps)
        ids, texts = tuple(step.token_id for step in steps), tuple(step.text for step in steps)
        return self + TokenSequence(ids, texts, (False,) * len(steps))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One word that could come next, with its probability (0 to 1) and logit."""

    token_id: int
    text: str
    probability: float
    logit: float


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How tokens are chosen.

    `temperature` 0 means greedy (the likeliest token); `top_k` 0 means no limit; `seed` makes sampling repeatable.
    """

    max_new_tokens: int = 40
    temperature: float = 0.0
    top_k: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TokenStep:
    """One generated token: its index in the whole sequence and what else could have been chosen.

    `text` is the token alone; `written` is what it adds to the text before it, with the space that a word-level
    token alone does not have.
    """

    step: int
    position: int
    token_id: int
    text: str
    probability: float
    candidates: tuple[Candidate, ...] = ()
    written: str = ""
