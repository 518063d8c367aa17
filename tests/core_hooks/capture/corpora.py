"""Small corpora, jobs over the tiny model, and captures without any model, for the tests of this room."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.corpus import CorpusText
from core_hooks.capture.corpus_writer import CorpusSite, CorpusWriter, write_vocabulary
from core_hooks.capture.index import FORMAT, VERSION, VOCABULARY, CaptureIndex, write_index
from core_hooks.capture.shard_plan import plan_shards

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["the", "store", "Mary", "John", "went", "gave", "a", "drink", "to", "."]
CHANNELS = 6


def sentences(count: int, seed: int = 0, longest: int = 12) -> list[str]:
    """Texts of words that the tiny tokenizer knows."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(count)]


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def token_values(ids: np.ndarray, channels: int = CHANNELS) -> np.ndarray:
    """What the stand-in for a model gives for each token: float32 [tokens, channels]."""
    grid = ids[:, None].astype(np.float32) * 3 + np.arange(channels, dtype=np.float32)[None, :]
    return np.sin(grid) * (1 + np.arange(channels, dtype=np.float32))


def new_index(sites: list[CorpusSite], **changed: Any) -> CaptureIndex:
    fields: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "created": "2026-01-01T00:00:00+00:00", "finished": False,
        "model": {"name": "stand-in"}, "prompts": [], "tokens": [], "token_ids": [],
        "sites": [site.as_json(0) for site in sites], "settings": {}, "kind": "corpus", "source": {},
    }  # fmt: skip
    return CaptureIndex(**{**fields, **changed})


def write_corpus_capture(
    folder: Path, texts: list[list[int]], *, dtype: str = "float32", shard_rows: int = 16, labels: bool = False
) -> np.ndarray:
    """A finished capture of two sites without a model; returns the float32 values of the first."""
    folder.mkdir(parents=True)
    sites = [
        CorpusSite("h.0", "after", "float32", dtype, (CHANNELS,)),
        CorpusSite("rows.x", "after", dtype, dtype, (2, 3)),
    ]
    entry = write_vocabulary(folder, [f"<{i}>" for i in range(50)])
    index = new_index(sites, source={"label": "mood"} if labels else {}, files={VOCABULARY: entry})
    write_index(folder, index)
    writer = CorpusWriter(folder, index, sites)
    corpus = [CorpusText(i, " ".join(map(str, ids)), f"mood {i % 2}" if labels else "") for i, ids in enumerate(texts)]
    kept = []
    try:
        for plan in plan_shards(corpus, read_numbers, shard_rows=shard_rows, context=8):
            writer.begin(plan)
            for window in reversed(range(len(plan.windows))):  # in another order than that of the rows
                values = stored(token_values(plan.windows[window].ids), dtype)
                writer.write(plan.rows_of([window]), {"h.0": values, "rows.x": values})
            kept += [token_values(window.ids) for window in plan.windows]
            writer.end()
        writer.finish()
    finally:
        writer.close()
    return np.concatenate(kept)


def read_numbers(texts: list[str]) -> list[list[int]]:
    """The stand-in for a tokenizer."""
    return [[int(word) for word in text.split()] for text in texts]


def stored(values: np.ndarray, dtype: str) -> np.ndarray:
    """Values as a shard holds them; bfloat16 by cutting off half of the bits."""
    if dtype == "bfloat16":
        return (values.view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(dtype)


def number_texts(count: int, seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(50) for _ in range(rng.randint(1, 12))] for _ in range(count)]
