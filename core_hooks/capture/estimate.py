"""What a capture job will take, from a sample of its corpus and one batch."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.batching import batches, padded_batches
from core_hooks.capture.corpus_writer import GATHERED, SEALED
from core_hooks.capture.index import CaptureError
from core_hooks.capture.job_settings import JobEstimate
from core_hooks.capture.shard_plan import Place, ShardPlan, Window
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from core_hooks.capture.corpus import Corpus, CorpusSize, CorpusText
    from core_hooks.capture.corpus_forward import CorpusForward
    from core_hooks.capture.job_settings import JobSettings

_SAMPLE = 512  # texts, spread over the corpus
_ROW_TABLES = 12  # bytes of token id, text and position
_BATCHES_HELD = 6  # waiting to be written, being written, and being computed


def estimate_job(
    corpus: Corpus,
    size: CorpusSize,
    tokenize: Callable[[list[str]], Sequence[Sequence[int]]],
    forward: CorpusForward,
    settings: JobSettings,
    context: int,
    shard_rows: Callable[[int], int],
    cancel: threading.Event,
) -> JobEstimate:
    """Tokenise a sample of a corpus of the given size, and time the batch of its middle length.

    Raises
    ------
    CaptureError
        The corpus can't be read or holds no text, or a site can't be captured.
    RunCancelled
        `cancel` was set.
    """
    step = max(1, size.records // _SAMPLE)
    sample: list[CorpusText] = []
    full = 0
    for text in corpus.texts():
        if cancel.is_set():
            raise RunCancelled("The estimate was cancelled.")
        if text.text.strip():
            full += 1
            if text.record % step == 0 and len(sample) < 2 * _SAMPLE:
                sample.append(text)
    ids = [np.asarray(found[:], np.int64) for found in tokenize([text.text for text in sample])] if sample else []
    ids = [found for found in ids if len(found)]
    if not ids:
        raise CaptureError(f"'{corpus.path}' holds no text.")
    characters = sum(len(text.text) for text in sample)
    tokens = round(sum(map(len, ids)) * size.nbytes / max(1, characters))
    sites = forward.sites(int(ids[0][0]))
    row_bytes = sum(site.row_bytes for site in sites)
    windows = [Window(0, at, found[at : at + context]) for found in ids for at in range(0, len(found), context)]
    plan = ShardPlan.of(windows, [], first_row=0, first_text=0, empty=0, behind=Place())
    groups = batches(plan.lengths, settings.batch_tokens, same_length=not forward.pads)
    (batch,) = padded_batches(plan, [groups[len(groups) // 2]], forward.pad)
    started = time.perf_counter()
    forward.rows(batch)
    seconds = (time.perf_counter() - started) / len(batch.rows) * tokens
    held = _BATCHES_HELD * settings.batch_tokens * (row_bytes + sum(4 * site.channels for site in sites))
    shard = shard_rows(row_bytes) * row_bytes
    if shard <= GATHERED:
        held += (1 + SEALED) * shard  # one that is filled and those that are being written
    return JobEstimate(
        texts=full,
        tokens=tokens,
        disk=tokens * (row_bytes + _ROW_TABLES) + size.nbytes,
        free_disk=_free_disk(settings.out),
        memory=held,
        seconds=seconds,
    )


def _free_disk(folder: Path) -> int:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
