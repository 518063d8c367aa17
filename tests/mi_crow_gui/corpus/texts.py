"""Corpora for jobs over the demo model, written by the tests themselves."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [
    "marble",
    "owl",
    "ticket",
    "lemon",
    "queen",
    "river",
    "copper",
    "violin",
    "anchor",
    "pepper",
    "candle",
    "meadow",
]


def lines(count: int, seed: int = 0, longest: int = 14) -> list[str]:
    """Texts of words that the demo model knows."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(count)]


def write_lines(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


_SUBJECTS = ("the old keeper", "a young painter", "my neighbour", "the night train", "an honest judge", "her brother")
_VERBS = ("follows", "remembers", "sells", "draws", "forgets", "paints", "visits", "counts")
_OBJECTS = ("the harbour", "three letters", "a broken clock", "the river", "old maps", "every window", "his garden")
_ENDS = ("before sunrise", "in the rain", "without a word", "again", "near the station", "every winter")


def plain_english(count: int, seed: int = 0) -> list[str]:
    """Short sentences of English that any tokenizer knows, few of them alike."""
    rng = random.Random(seed)
    parts = (_SUBJECTS, _VERBS, _OBJECTS, _ENDS)
    return [
        " ".join(rng.choice(words) for words in parts[: rng.randint(2, 4)]) + f" {number}." for number in range(count)
    ]
