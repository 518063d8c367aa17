"""Capturing a corpus: what is stored is what the model gave, whatever interrupts the job."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from core_hooks.capture import job as job_module
from core_hooks.capture.index import CaptureError
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.job_settings import JobSettings
from core_hooks.capture.reader import open_capture
from core_hooks.capture.verify import verify_capture
from core_hooks.hooks import FunctionController
from core_hooks.model.opened import OpenedModel
from core_hooks.model.opening import open_model
from core_hooks.model.reference import ModelReference
from core_hooks.model.summary import summarise
from core_hooks.model.tree import build_tree
from tests.core_hooks.capture.corpora import sentences, write_lines
from tests.core_hooks.model.tiny import tiny_model

if TYPE_CHECKING:
    from pathlib import Path

SITES = ("transformer.h.0", "transformer.h.1.mlp")
LINES = sentences(60)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a few batches, so that a small corpus has many."""
    monkeypatch.setattr(job_module, "_SHARD_BYTES", 1)
    monkeypatch.setattr(job_module, "_SHARD_BATCHES", 2)


def settings(tmp_path: Path, lines: list[str] = LINES, **changed: Any) -> JobSettings:
    corpus = write_lines(tmp_path / "corpus.txt", lines)
    return JobSettings(**{"out": tmp_path / "out", "texts": corpus, "sites": SITES, "batch_tokens": 24, **changed})


def expected(opened: OpenedModel, line: str, site: str, window: int = 64) -> np.ndarray:
    """What a module gives for one text alone, window by window."""
    ids = opened.tokenizer(line)["input_ids"]
    kept: list[np.ndarray] = []
    handle = opened.model.get_submodule(site).register_forward_hook(
        lambda module, args, output: kept.append((output[0] if isinstance(output, tuple) else output)[0].numpy())
    )
    try:
        with torch.no_grad():
            for start in range(0, len(ids), window):
                opened.model(input_ids=torch.tensor([ids[start : start + window]]))
    finally:
        handle.remove()
    return np.concatenate(kept)


def hook_count(opened: OpenedModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in opened.model.modules())


def same_files(one: Path, other: Path) -> bool:
    def contents(folder: Path) -> dict[str, Any]:
        found: dict[str, Any] = {p.name: p.read_bytes() for p in folder.iterdir()}
        index = json.loads(found["capture.json"])
        found["capture.json"] = {key: value for key, value in index.items() if key not in ("created", "crc32")}
        found["capture.json"]["source"].pop("path", None)
        return found

    return contents(one) == contents(other)


def test_every_row_is_what_the_module_gave_and_padding_is_not_stored(tmp_path: Path, tiny: OpenedModel) -> None:
    before = hook_count(tiny)
    result = CaptureJob(tiny, settings(tmp_path)).run()
    assert hook_count(tiny) == before
    assert result.state == "finished"
    with open_capture(tmp_path / "out") as capture:
        assert len(capture.index.shards) > 3
        assert capture.index.finished
        assert capture.texts == len(LINES)
        for number in (0, 1, 17, 59):
            rows = capture.rows_of(number)
            assert capture.text(number) == LINES[number]
            assert capture.token_texts(rows.start, rows.stop) == LINES[number].split()
            for site in SITES:
                found = capture.read(site, rows.start, rows.stop)
                np.testing.assert_allclose(found, expected(tiny, LINES[number], site), atol=2e-5)
    assert not [check for check in verify_capture(tmp_path / "out") if check.problem]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_values_are_rounded_once_to_the_dtype_asked_for(tmp_path: Path, tiny: OpenedModel, dtype: str) -> None:
    CaptureJob(tiny, settings(tmp_path)).run()
    CaptureJob(tiny, settings(tmp_path, dtype=dtype, out=tmp_path / "half")).run()
    with open_capture(tmp_path / "out") as whole, open_capture(tmp_path / "half") as half:
        values = torch.tensor(np.array(whole.read(SITES[0], 0, whole.rows)))
        rounded = values.to(getattr(torch, dtype)).float().numpy()
        np.testing.assert_array_equal(half.read(SITES[0], 0, half.rows).astype(np.float32), rounded)
        assert half.index.sites[0]["stored_dtype"] == dtype
        np.testing.assert_array_equal(half.statistics(SITES[0]).maximum, rounded.max(axis=0))


def test_texts_longer_than_the_context_are_windowed(tmp_path: Path, tiny: OpenedModel) -> None:
    long = " ".join(sentences(1, longest=1) * 200)
    CaptureJob(tiny, settings(tmp_path, ["the store", long, "a drink"], context=16)).run()
    with open_capture(tmp_path / "out") as capture:
        rows = capture.rows_of(1)
        assert len(rows) == len(long.split())
        assert capture.positions(rows.start, rows.stop).tolist() == list(range(len(rows)))
        assert len(capture.index.shards) > 2
        found = capture.read(SITES[0], rows.start, rows.stop)
        np.testing.assert_allclose(found, expected(tiny, long, SITES[0], 16), atol=2e-5)
        assert capture.text(1) == long
        assert capture.text(2) == "a drink"


def test_the_forward_ends_behind_the_last_site(tmp_path: Path, tiny: OpenedModel) -> None:
    def never(module: object, args: object) -> None:
        raise AssertionError("The block behind the last site was computed.")

    handle = tiny.model.get_submodule("transformer.h.2").register_forward_pre_hook(never)
    try:
        CaptureJob(tiny, settings(tmp_path)).run()
    finally:
        handle.remove()


def test_controllers_act_and_the_stage_says_which_value_is_kept(tmp_path: Path, tiny: OpenedModel) -> None:
    def double() -> dict[str, Any]:
        return {SITES[0]: FunctionController(SITES[0], lambda x: x * 2)}

    CaptureJob(tiny, settings(tmp_path)).run()
    CaptureJob(tiny, settings(tmp_path, out=tmp_path / "after"), controllers=double()).run()
    CaptureJob(tiny, settings(tmp_path, out=tmp_path / "before", stage="before"), controllers=double()).run()
    read = {n: open_capture(tmp_path / n).read(SITES[0], 0, 50) for n in ("out", "after", "before")}
    np.testing.assert_allclose(read["after"], read["out"] * 2)
    np.testing.assert_array_equal(read["before"], read["out"])


def test_a_controller_that_fails_ends_the_job_and_leaves_no_mixed_shard(tmp_path: Path, tiny: OpenedModel) -> None:
    calls = 0

    def fails_later(x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 9:
            raise ValueError("no more")
        return x

    controller = FunctionController(SITES[0], fails_later)
    controller.errors = "disable"
    controller.on_failure = lambda hook, error: None
    before = hook_count(tiny)
    with pytest.raises(CaptureError, match="no more"):
        CaptureJob(tiny, settings(tmp_path), controllers={SITES[0]: controller}).run()
    assert hook_count(tiny) == before
    assert not any(check.problem for check in verify_capture(tmp_path / "out"))
    assert not list((tmp_path / "out").glob("*.tmp"))


def test_pausing_stops_the_clock_and_proceeding_goes_on(tmp_path: Path, tiny: OpenedModel) -> None:
    job = CaptureJob(tiny, settings(tmp_path))
    job.pause()
    released = threading.Timer(0.05, job.proceed)
    released.start()
    seen: list[Any] = []
    assert job.run(seen.append).state == "finished"
    released.join()
    assert seen[-1].records == seen[-1].total_records == 60
    assert seen[-1].rows == open_capture(tmp_path / "out").rows
    assert seen[-1].tokens_per_second > 0


def test_empty_lines_are_passed_over_and_counted(tmp_path: Path, tiny: OpenedModel) -> None:
    CaptureJob(tiny, settings(tmp_path, ["", "the store", "   ", "a drink", ""])).run()
    with open_capture(tmp_path / "out") as capture:
        assert (capture.texts, capture.record(0), capture.record(1)) == (2, 1, 3)
        assert sum(shard["empty"] for shard in capture.index.shards) == 3


def test_what_cannot_be_captured_is_one_sentence_before_anything_is_written(tmp_path: Path, tiny: OpenedModel) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"sites": ()}, "choose a layer"),
        ({"sites": ("nope",)}, "no module 'nope'"),
        ({"sites": ("transformer.h",)}, "does not run"),
        ({"context": 65}, "context holds 64"),
        ({"batch_tokens": 0}, "at least one token"),
        ({"texts": tmp_path / "missing.txt"}, "no corpus at"),
        ({"label": "mood"}, "no columns"),
        ({"encoding": "klingon"}, "no encoding 'klingon'"),
    ]
    for changed, words in cases:
        with pytest.raises(CaptureError, match=words):
            CaptureJob(tiny, settings(tmp_path, **changed)).run()
        assert not (tmp_path / "out" / "capture.json").exists()
    with pytest.raises(CaptureError, match="holds no text"):
        CaptureJob(tiny, settings(tmp_path, ["", "  "])).run()
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "thesis.doc").write_text("precious")
    with pytest.raises(CaptureError, match="is no capture"):
        CaptureJob(tiny, settings(tmp_path)).run(resume=True)
    assert (tmp_path / "out" / "thesis.doc").read_text() == "precious"


def test_an_estimate_comes_close_and_writes_nothing(tmp_path: Path, tiny: OpenedModel) -> None:
    job = CaptureJob(tiny, settings(tmp_path))
    estimate = job.estimate()
    assert not (tmp_path / "out").exists()
    result = job.run()
    assert estimate.texts == 60
    assert estimate.tokens == result.rows
    assert estimate.fits
    values = result.rows * 2 * 32 * 4
    assert values < estimate.disk < 1.5 * values
    assert estimate.seconds > 0


def test_a_model_that_cannot_be_told_of_padding_gets_none(tmp_path: Path) -> None:
    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(50, 4)
            self.mix = torch.nn.Linear(4, 4)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            # Every token sees every other: padding would show.
            x = self.table(ids)
            return self.mix(x + x.mean(dim=1, keepdim=True))

    torch.manual_seed(0)
    model = Plain().eval()
    tree = build_tree(model)
    summary = summarise(model, tree, ModelReference("tests:Plain"), "plain", False)
    opened = OpenedModel(model, None, tree, summary, (), (torch.zeros(1, 2, dtype=torch.long),))
    lines = ["1 2 3", "4 5", "6 7 8 9", "1 2", "3 3 3"]
    CaptureJob(opened, settings(tmp_path, lines, sites=("mix",))).run()
    with open_capture(tmp_path / "out") as capture, torch.no_grad():
        for number, line in enumerate(lines):
            rows = capture.rows_of(number)
            alone = model(torch.tensor([[int(word) for word in line.split()]]))[0].numpy()
            np.testing.assert_allclose(capture.read("mix", rows.start, rows.stop), alone, atol=1e-6)
            assert capture.token_texts(rows.start, rows.stop) == line.split()


@pytest.mark.parametrize(
    ("family", "site"),
    [("bert", "bert.encoder.layer.1"), ("t5", "encoder.block.1"), ("mamba", "backbone.layers.1")],
)
def test_padding_changes_nothing_in_other_families(tmp_path: Path, tiny: OpenedModel, family: str, site: str) -> None:
    model = tiny_model(family)
    tree = build_tree(model)
    summary = summarise(model, tree, ModelReference("tiny"), family, True)
    opened = OpenedModel(model, tiny.tokenizer, tree, summary)
    CaptureJob(opened, settings(tmp_path, LINES[:12], sites=(site,))).run()
    CaptureJob(opened, settings(tmp_path, LINES[:12], sites=(site,), batch_tokens=1, out=tmp_path / "alone")).run()
    with open_capture(tmp_path / "out") as together, open_capture(tmp_path / "alone") as alone:
        np.testing.assert_allclose(together.read(site, 0, together.rows), alone.read(site, 0, alone.rows), atol=3e-5)


def test_tokens_are_those_that_the_tokenizer_gives_even_after_it_was_told_to_pad(
    tmp_path: Path, tiny: OpenedModel
) -> None:
    job = CaptureJob(tiny, settings(tmp_path))
    wanted = [tiny.tokenizer(line)["input_ids"] for line in LINES]
    tiny.tokenizer(LINES, padding="max_length", truncation=True, max_length=4)
    job.run()
    with open_capture(tmp_path / "out") as capture:
        for number, ids in enumerate(wanted):
            rows = capture.rows_of(number)
            assert capture.token_ids(rows.start, rows.stop).tolist() == ids


def test_wide_and_narrow_shards_hold_the_same_rows(
    tmp_path: Path, tiny: OpenedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core_hooks.capture import corpus_writer

    CaptureJob(tiny, settings(tmp_path)).run()
    monkeypatch.setattr(corpus_writer, "GATHERED", 0)
    CaptureJob(tiny, settings(tmp_path, out=tmp_path / "direct")).run()
    assert same_files(tmp_path / "out", tmp_path / "direct")


def test_a_model_spread_over_several_places_is_captured_like_one_in_one_place(
    tmp_path: Path, model_folder: Path, tiny: OpenedModel
) -> None:
    """A stand-in for several GPUs: accelerate moves each part to where it computes and its inputs after it."""
    from accelerate import dispatch_model

    CaptureJob(tiny, settings(tmp_path)).run()
    spread = open_model(ModelReference(str(model_folder)))
    here = ("transformer.wte", "transformer.wpe", "transformer.drop", "transformer.h.0", "transformer.ln_f", "lm_head")
    places = {**dict.fromkeys(here, "cpu"), "transformer.h.1": "disk", "transformer.h.2": "disk"}
    dispatch_model(spread.model, places, main_device="cpu", offload_dir=str(tmp_path / "elsewhere"), force_hooks=True)
    try:
        CaptureJob(spread, settings(tmp_path, out=tmp_path / "spread")).run()
    finally:
        spread.close()
    with open_capture(tmp_path / "out") as one, open_capture(tmp_path / "spread") as other:
        for site in SITES:
            np.testing.assert_array_equal(other.read(site, 0, other.rows), one.read(site, 0, one.rows))
