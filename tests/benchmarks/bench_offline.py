"""What a person waits for in an open capture of a million tokens, without the model; measures, never gates.

Run it with ``python -m tests.benchmarks.bench_offline [--tokens N] [--channels N] [--folder DIR]``. Each row is
the first time, with the pages of the file as the writing left them, and the best of the next ones.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.analysis.nearest_tokens import examples_along, nearest_tokens
from core_hooks.analysis.site_statistics import site_statistics
from core_hooks.analysis.text_search import TextQuery, find_texts, find_tokens
from core_hooks.capture.reader import Capture, open_capture
from mi_crow_gui.plotdata.corpus_projection import (
    CorpusProjection,
    CorpusProjectionSettings,
    prepare_corpus_projection,
    read_corpus_projection,
)
from mi_crow_gui.plotdata.neuron_card import ABOVE, NeuronCardSettings, prepare_neuron_card, read_neuron_card
from mi_crow_gui.plotdata.projection import TOKEN
from mi_crow_gui.wiring.text_reading import read_rows, read_text
from tests.benchmarks.bench_capture import write_capture

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN = 3


def measure(words: str, work: Callable[[int], object]) -> None:
    times = []
    for number in range(1 + AGAIN):
        began = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - began)
    print(f"  {words:46} first {times[0] * 1e3:8,.1f} ms, then {min(times[1:]) * 1e3:8,.1f} ms")


def run(capture: Capture) -> None:
    site, texts = "h.0", capture.texts
    direction = np.random.default_rng(0).standard_normal(capture.site(site).channels).astype(np.float32)

    def card(number: int) -> None:
        settings = NeuronCardSettings(channel=7 + 31 * number)
        prepare_neuron_card(read_neuron_card(capture, site, settings), settings)

    def nearest(number: int) -> None:
        found = nearest_tokens(capture, site, direction, one_of_a_text=True)
        examples_along(capture, site, found, direction)

    measure("neuron card, another channel each time", card)
    measure("neuron card, another threshold of one channel", lambda number: read_neuron_card(
        capture, site, NeuronCardSettings(channel=7, passing=ABOVE, threshold=0.5 + number)
    ))  # fmt: skip
    measure(
        "a page of 99 texts for the table", lambda number: read_rows(capture, range(number * 999, number * 999 + 99))
    )
    measure("a text with its tokens and frames", lambda number: read_text(capture, texts // (number + 2), 0, 0, number))
    measure("statistics of every channel, as they were kept", lambda number: site_statistics(capture, site))
    measure("texts with a word", lambda number: find_texts(capture, TextQuery("31")))
    measure("tokens that match an expression", lambda number: find_tokens(capture, TextQuery(r"3\d", is_regex=True)))
    measure("tokens nearest to a direction", nearest)
    for most in (10_000, 100_000):
        settings = CorpusProjectionSettings(most=most)
        content = read_projection(capture, site, settings)
        measure(f"{most:,} tokens placed", lambda number, settings=settings: read_projection(capture, site, settings))  # type: ignore[misc]
        measure(
            f"{most:,} points coloured by their tokens",
            lambda number, content=content: prepare_corpus_projection(content, CorpusProjectionSettings(TOKEN)),  # type: ignore[misc]
        )


def read_projection(capture: Capture, site: str, settings: CorpusProjectionSettings) -> CorpusProjection:
    return read_corpus_projection(capture, site, settings.reading, lambda done, total: None, threading.Event())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-offline-", dir=arguments.folder))
    try:
        write_capture(folder / "c", arguments.tokens, arguments.channels)
        with open_capture(folder / "c") as capture:
            print(f"{capture.rows:,} tokens of {arguments.channels} channels in {capture.texts:,} texts, float16")
            run(capture)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
