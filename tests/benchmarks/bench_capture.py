"""What capturing a corpus costs next to the forward alone, and captures next to the disk; measures, never gates.

Run it with ``python tests/benchmarks/bench_capture.py [--lines N] [--tokens N] [--folder DIR]``. Contestants are run in
turns in one process, and the best round of each counts.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import psutil
import torch

from core_hooks.capture import sealing
from core_hooks.capture.batching import batches
from core_hooks.capture.channel_statistics import ChannelStatistics
from core_hooks.capture.channels import channel_card
from core_hooks.capture.corpus import Corpus, CorpusText
from core_hooks.capture.corpus_writer import CorpusSite, CorpusWriter
from core_hooks.capture.durable import sync_folder, write_durably
from core_hooks.capture.index import FORMAT, VERSION, CaptureIndex, IndexFile, write_index
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.job_settings import JobProgress, JobSettings
from core_hooks.capture.reader import open_capture
from core_hooks.capture.row_detector import widened_by_torch
from core_hooks.capture.shard import ShardWriter
from core_hooks.capture.shard_plan import plan_shards
from core_hooks.capture.tokenizing import tokenizer_of
from core_hooks.hooks import StopForward
from core_hooks.hooks.stop_after import StopAfter
from core_hooks.model.opened import OpenedModel
from core_hooks.model.reference import ModelReference
from core_hooks.model.summary import summarise
from core_hooks.model.tree import build_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 3
BATCH_TOKENS = 2048
WORDS = ["the", "store", "Mary", "John", "went", "gave", "a", "drink", "to", "."]


def a_model(width: int, layers: int) -> OpenedModel:
    """A random GPT-2 with a tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=64,
        n_embd=width,
        n_layer=layers,
        n_head=max(1, width // 64),
        n_positions=512,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config).eval()
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["<pad>", *WORDS])}, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<pad>")
    tree = build_tree(model)
    return OpenedModel(model, tokenizer, tree, summarise(model, tree, ModelReference("bench"), "bench", True))


def write_corpus(path: Path, lines: int, longest: int = 60) -> None:
    rng = random.Random(0)
    with path.open("w") as file:
        for _ in range(lines):
            file.write(" ".join(rng.choices(WORDS, k=rng.randint(2, longest))) + "\n")


def forward_alone(opened: OpenedModel, corpus: Path, sites: tuple[str, ...], shard_rows: int) -> list[float]:
    """Seconds of the forwards of each shard over the very batches of the job, stopped behind the last site."""
    shards = []
    for plan in plan_shards(Corpus(corpus).texts(), tokenizer_of(opened), shard_rows=shard_rows, context=512):
        lengths, inputs = plan.lengths, []
        for batch in batches(lengths, BATCH_TOKENS):
            real = np.arange(int(lengths[batch].max()))[None, :] < lengths[batch][:, None]
            ids = np.zeros(real.shape, np.int64)
            ids[real] = plan.ids[plan.rows_of(batch)]
            mask = None if real.all() else torch.from_numpy(real.astype(np.int64))
            inputs.append((torch.from_numpy(ids), mask))
        shards.append(inputs)
    stop = StopAfter(opened.model, sites)
    stop.__enter__()
    seconds = []
    try:
        with torch.no_grad():
            for inputs in shards:
                started = time.perf_counter()
                for ids, mask in inputs:
                    try:
                        opened.model(input_ids=ids, attention_mask=mask, use_cache=False)
                    except StopForward:
                        continue
                seconds.append(time.perf_counter() - started)
    finally:
        stop.__exit__(None, None, None)
    return seconds


def job_seconds(opened: OpenedModel, settings: JobSettings) -> tuple[float, list[float], int, int]:
    """Seconds of a whole job and of each of its shards, tokens of all and of a shard at most."""
    ends: list[tuple[int, float]] = []

    def note(progress: JobProgress) -> None:
        ends.append((progress.tokens, time.perf_counter()))

    started = time.perf_counter()
    rows = CaptureJob(opened, settings).run(note).rows
    whole = time.perf_counter() - started
    with open_capture(settings.out) as capture:
        behind = {shard["first_row"] + shard["rows"] for shard in capture.index.shards}
        shard_rows = capture.index.settings["shard_rows"]
    marks = [at for tokens, at in ends if tokens in behind]
    shutil.rmtree(settings.out)
    return whole, [b - a for a, b in itertools.pairwise(marks)], rows, shard_rows


def throughput(folder: Path, share: float) -> None:
    print("Throughput of the job against the forward over the same batches, stopped behind the last site, by turns")
    print("with one thread; 'steady' is the middle of all shards but the first, 'whole' has starting and ending too")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for width, layers, lines in ((64, 2, 120_000), (256, 4, 12_000), (576, 12, 2_400)):
        opened = a_model(width, layers)
        corpus = folder / "throughput.txt"
        write_corpus(corpus, int(lines * share))
        sites = ("transformer.h.0", f"transformer.h.{layers - 2}.mlp")
        settings = JobSettings(folder / "throughput", corpus, sites, dtype="float16", batch_tokens=BATCH_TOKENS)
        wholes, steady_job, alones, steady_alone = [], [], [], []
        for _ in range(ROUNDS):
            whole, shards, rows, shard_rows = job_seconds(opened, settings)
            alone = forward_alone(opened, corpus, sites, shard_rows)
            wholes.append(whole)
            alones.append(sum(alone))
            # The last shard is a smaller one.
            steady_job += shards[:-1] or shards
            steady_alone += alone[1:-1] or alone
        job, forward = float(np.median(steady_job)), float(np.median(steady_alone))
        print(
            f"  width {width:4}, {layers:2} layers: forward {rows / min(alones):9,.0f} tokens/s; "
            f"steady {forward / job:.3f} (best against best {min(steady_alone) / min(steady_job):.3f}), "
            f"whole {min(alones) / min(wholes):.3f} of {rows:,} tokens in {min(wholes):.1f} s"
        )
    torch.set_num_threads(threads)


def new_index(sites: list[CorpusSite], rows: int = 0, **changed: Any) -> CaptureIndex:
    fields: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "created": "", "finished": False, "model": {}, "prompts": [],
        "tokens": [], "token_ids": [], "sites": [site.as_json(rows) for site in sites], "settings": {},
        "kind": "corpus",
    }  # fmt: skip
    return CaptureIndex(**{**fields, **changed})


def write_capture(folder: Path, tokens: int, channels: int, *, elsewhere: bool = False, seed: int = 0) -> float:
    """Seconds to write random float16 rows, the values made beforehand, sealed in this process or in one beside it."""
    rng = np.random.default_rng(seed)
    block = rng.standard_normal((4096, channels), np.float32).astype(np.float16)
    site = CorpusSite("h.0", "after", "float32", "float16", (channels,))
    folder.mkdir()
    index = new_index([site])
    write_index(folder, index)
    texts = (CorpusText(i, " ".join(str(n % 60) for n in range(i, i + 32))) for i in range(tokens // 32))
    plans = list(
        plan_shards(texts, lambda t: [[int(w) for w in s.split()] for s in t], shard_rows=1 << 16, context=512)
    )
    writer = CorpusWriter(folder, index, [site], widened_by_torch, elsewhere=elsewhere)
    started = time.perf_counter()
    try:
        for plan in plans:
            writer.begin(plan)
            for start in range(0, len(plan.numbers), 128):
                windows = range(start, min(start + 128, len(plan.numbers)))
                rows = plan.rows_of(windows)
                writer.write(rows, {"h.0": block[: len(rows)]})
            writer.end()
        writer.finish()
    finally:
        writer.close()
    return time.perf_counter() - started


def plain_write(path: Path, sizes: list[int]) -> float:
    """Seconds of sequential writes of as many bytes into as many files, an index behind each, synced alike."""
    block = os.urandom(1 << 23)
    path.mkdir()
    started = time.perf_counter()
    for number, size in enumerate(sizes):
        with (path / str(number)).open("wb", buffering=0) as file:
            for at in range(0, size, len(block)):
                file.write(memoryview(block)[: min(len(block), size - at)])
            os.fsync(file.fileno())
        sync_folder(path)
        write_durably(path / "index", block[: 500 * (number + 1)])
    return time.perf_counter() - started


@contextmanager
def without(*parts: str) -> Iterator[None]:
    """The writer without its statistics or its checksums, to see what each costs."""
    statistics, crc = sealing.statistics_of, sealing.zlib
    whole = ShardWriter.checksum
    if "statistics" in parts:
        sealing.statistics_of = lambda values, *rest: ChannelStatistics.of_nothing(values.shape[1])  # type: ignore
    if "checksums" in parts:
        ShardWriter.checksum = lambda self, known: "00000000"  # type: ignore[method-assign]
        sealing.zlib = SimpleNamespace(crc32=lambda data: 0)  # type: ignore[assignment]
    try:
        yield
    finally:
        sealing.statistics_of, sealing.zlib, ShardWriter.checksum = statistics, crc, whole  # type: ignore


def writing(folder: Path, tokens: int, channels: int = 512) -> Path:
    print(
        f"Writing {tokens:,} tokens of {channels} channels as float16, and plain writes with the same syncs, by turns"
    )
    ways: dict[str, tuple[str, ...]] = {
        "values alone": ("statistics", "checksums"), "with checksums": ("statistics",), "and statistics": (),
        "in a process": (),
    }  # fmt: skip
    seconds: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        for name, left_out in ways.items():
            out = folder / f"written-{name}-{number}"
            with without(*left_out):
                seconds.setdefault(name, []).append(
                    write_capture(out, tokens, channels, elsewhere=name == "in a process")
                )
            sizes = [shard["bytes"] for shard in open_capture(out).index.shards]
            if left_out or number < ROUNDS - 1:
                shutil.rmtree(out)
        seconds.setdefault("plain", []).append(plain_write(folder / "plain", sizes))
        shutil.rmtree(folder / "plain")
    size, plain = sum(sizes), float(np.median(seconds["plain"]))
    for name, taken in seconds.items():
        middle = float(np.median(taken))
        print(f"  {name:15} {size / middle / 1e6:6,.0f} MB/s, {plain / middle:.2f} of plain")
    values = np.random.default_rng(0).standard_normal((1 << 15, channels), np.float32).astype(np.float16)
    started = time.perf_counter()
    sealing.statistics_of(values, "float16", 0, widened_by_torch)
    print(f"  statistics alone, in memory, one core: {values.nbytes / (time.perf_counter() - started) / 1e6:,.0f} MB/s")
    return out


def reading(folder: Path) -> None:
    print("Reading, warm")
    with open_capture(folder) as capture:
        rng = random.Random(0)
        for _ in capture.pieces("h.0"):
            pass
        site = capture.site("h.0")
        times = []
        for _ in range(3000):
            start = rng.randrange(capture.rows - 100)
            began = time.perf_counter()
            np.array(capture.read(site, start, start + 100))
            times.append(time.perf_counter() - began)
        print(
            f"  100 rows at random: median {np.median(times) * 1e6:.1f} us, p99 {np.quantile(times, 0.99) * 1e6:.1f} us"
        )
        began = time.perf_counter()
        total = sum(
            int(values.view(np.uint16)[:, 0].sum()) * 0 + values.copy().nbytes for _, values in capture.pieces(site)
        )
        ours = time.perf_counter() - began
        began = time.perf_counter()
        size = 0
        buffer = bytearray(1 << 24)
        for shard in capture.index.shards:
            with (folder / shard["file"]).open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    size += count
        plain = time.perf_counter() - began
        print(f"  whole site {total / ours / 1e6:,.0f} MB/s, plain reads {size / plain / 1e6:,.0f} MB/s")


def cards(folder: Path) -> None:
    with open_capture(folder) as capture:
        times = []
        for channel in (0, 7, 100, 300):
            began = time.perf_counter()
            channel_card(capture, "h.0", channel)
            times.append(time.perf_counter() - began)
        print(
            f"Card of a channel over {capture.rows:,} tokens: the first {times[0] * 1e3:,.0f} ms, "
            f"then {max(times[1:]) * 1e3:,.0f} ms"
        )


def opening(folder: Path) -> None:
    print("Opening by size (an index of shards of 128 MB; their files are not looked at)")
    site = CorpusSite("h.0", "after", "float32", "float16", (576,))
    for shards in (8, 80, 800, 8000):
        rows = 58_000
        listed = [
            {
                "file": f"shard-{n:05d}.safetensors", "bytes": 134_000_000, "crc32": "00000000", "rows": rows,
                "first_row": n * rows, "texts": 100, "first_text": n * 100, "empty": 0,
                "next": {"record": n, "text": n, "position": 0},
            }
            for n in range(shards)
        ]  # fmt: skip
        path = folder / f"opening-{shards}"
        path.mkdir()
        write_index(path, new_index([site], shards * rows, shards=listed))
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            open_capture(path).close()
            best = min(best, time.perf_counter() - began)
        file, more = IndexFile(path), {**listed[-1], "file": "more.safetensors", "first_row": shards * rows}
        file.write(new_index([site], shards * rows, shards=listed))
        began = time.perf_counter()
        file.write(new_index([site], shards * rows + rows, shards=[*listed, more]))
        added = time.perf_counter() - began
        print(f"  {shards * 0.134:8,.0f} GB: {best * 1e3:7.1f} ms; one more shard is listed in {added * 1e3:.1f} ms")


def memory(folder: Path, lines: int) -> None:
    print(f"Memory over a stream of {lines:,} lines: of this process, and of those beside it what they alone have")
    opened = a_model(64, 2)
    corpus = folder / "memory.txt"
    write_corpus(corpus, lines, longest=16)
    process = psutil.Process()
    left = [round(share * lines) for share in (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 1.0)]

    def note(progress: JobProgress) -> None:
        while left and progress.records >= left[0]:
            beside = sum(child.memory_full_info().uss for child in process.children())
            rss = process.memory_info().rss
            print(f"  line {left.pop(0):9,} at {progress.records:9,}: {rss / 1e6:5,.0f} MB and {beside / 1e6:5,.0f} MB")

    started = time.perf_counter()
    settings = JobSettings(folder / "memory", corpus, ("transformer.h.0",), dtype="float16")
    result = CaptureJob(opened, settings).run(note)
    seconds = time.perf_counter() - started
    print(f"  {result.rows:,} tokens in {seconds:.0f} s, {result.rows / seconds:,.0f} tokens/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000, help="lines of the memory benchmark")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="tokens of the write, read and card benchmarks")
    parser.add_argument("--share", type=float, default=1.0, help="of the corpus of the throughput benchmark")
    parser.add_argument("--folder", type=Path, help="where to write; its disk is the one measured")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-capture-", dir=arguments.folder))
    try:
        throughput(folder, arguments.share)
        written = writing(folder, arguments.tokens)
        reading(written)
        cards(written)
        opening(folder)
        memory(folder, arguments.lines)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
