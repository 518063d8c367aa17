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
