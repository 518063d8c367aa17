"""Several prompts together: each row is what its prompt gives alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from core_hooks.capture.recorder import RecordingDetector
from core_hooks.hooks.attachment import attach
from core_hooks.hooks.run import HookRun
from core_hooks.model import forward as forward_module
from core_hooks.model.batch import TokenBatch, encode_batch, row_seed
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import forward, forward_batch
from core_hooks.model.generation import generate, generate_batch
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import sequence
from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings, TokenStep
from tests.core_hooks.model.test_generation import opened, tiny
from tests.core_hooks.model.tiny import FAMILIES, save_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core_hooks.capture.record import CaptureRecord
    from core_hooks.model.opened import OpenedModel

IDS = [[5, 9, 2, 40, 33, 7, 8, 21, 60, 61, 62, 63], [44], [12, 70, 3, 3, 90], [9, 80, 5, 9, 80, 5, 9]]
GREEDY = GenerationSettings(max_new_tokens=9)
EVERY = [name for name in FAMILIES if name != "bert"]


def rows_of(model: OpenedModel, ids: Sequence[list[int]] = IDS) -> tuple[Any, ...]:
    return tuple(sequence(model, row) for row in ids)


def together(
    model: OpenedModel, settings: GenerationSettings = GREEDY, ids: Sequence[list[int]] = IDS, **options: Any
) -> tuple[Any, ...]:
    options.setdefault("cancel", threading.Event())
    options.setdefault("on_step", lambda steps: None)
    return generate_batch(model, rows_of(model, ids), settings, **options)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_each_row_of_a_forward_is_what_its_prompt_gives_alone(model_type: str) -> None:
    model = tiny(model_type)
    for row, result in zip(rows_of(model), forward_batch(model, rows_of(model)), strict=True):
        alone = forward(model, row)
        np.testing.assert_allclose(result.losses, alone.losses, atol=1e-4)
        np.testing.assert_allclose(result.probabilities, alone.probabilities, atol=1e-4)
        assert [c.token_id for c in result.candidates[:3]] == [c.token_id for c in alone.candidates[:3]]
        assert [c.logit for c in result.candidates] == pytest.approx([c.logit for c in alone.candidates], abs=1e-4)
        assert result.candidates_at == alone.candidates_at
        assert result.lacks == alone.lacks


@pytest.mark.parametrize("model_type", EVERY)
def test_each_row_of_a_generation_is_what_its_prompt_writes_alone(model_type: str) -> None:
    model = tiny(model_type)
    for row, result in zip(rows_of(model), together(model), strict=True):
        alone = generate(model, row, GREEDY, cancel=threading.Event(), on_step=lambda step: None)
        assert [step.token_id for step in result.steps] == [step.token_id for step in alone.steps]
        assert [step.position for step in result.steps] == [step.position for step in alone.steps]
        assert [step.probability for step in result.steps] == pytest.approx(
            [step.probability for step in alone.steps], abs=1e-4
        )
        assert result.stopped == alone.stopped
        np.testing.assert_allclose(result.prompt.losses, alone.prompt.losses, atol=1e-4)


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "bloom", "mamba", "mixtral", "t5"])
def test_detectors_see_rows_that_are_those_of_the_prompts_alone(model_type: str) -> None:
    model = tiny(model_type)
    site = {"gpt2": "transformer.h.1", "bloom": "transformer.h.1", "mamba": "backbone.layers.1"}.get(
        model_type, "encoder.block.1.layer.0" if model_type == "t5" else "model.layers.1"
    )

    def recorded(rows: tuple[Any, ...]) -> list[CaptureRecord]:
        records: list[CaptureRecord] = []
        detector = RecordingDetector(site, records.append)
        detector.prompt_tokens = max(map(len, rows))
        with attach(model.model, {site: [detector]}), HookRun(1) as run:
            generate_batch(model, rows, GREEDY, cancel=threading.Event(), on_step=lambda steps: None, run=run)
        return records

    rows = rows_of(model)
    batch = TokenBatch(rows, "right" if model_type == "t5" else "left")
    records = recorded(rows)
    assert records[0].shape[:2] == (4, 12)
    for place, (row, span) in enumerate(zip(rows, batch.spans, strict=True)):
        alone = recorded((row,))
        here = records[0].values[place, span.start : span.stop]
        np.testing.assert_allclose(here, alone[0].values[0], atol=1e-4)
        for step in range(1, len(alone)):
            np.testing.assert_allclose(records[step].values[place], alone[step].values[0], atol=1e-4)


@pytest.mark.parametrize(
    ("model_type", "window"), [("mistral", {"sliding_window": 4}), ("gpt_neo", {"window_size": 4})]
)
def test_attention_windows_go_by_tokens_and_not_by_padding(model_type: str, window: dict[str, int]) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(model_type, **FAMILIES[model_type], **window)
    model = opened(transformers.AutoModelForCausalLM.from_config(config).eval())
    for row, result in zip(rows_of(model), together(model), strict=True):
        alone = generate(model, row, GREEDY, cancel=threading.Event(), on_step=lambda step: None)
        assert [step.probability for step in result.steps] == pytest.approx(
            [step.probability for step in alone.steps], abs=1e-4
        )


def test_a_row_as_long_as_the_others_is_the_same_to_the_last_bit() -> None:
    model = tiny("gpt2")
    ids = [IDS[0], IDS[0][::-1], IDS[0]]
    first, second, third = forward_batch(model, rows_of(model, ids))
    np.testing.assert_array_equal(first.losses, third.losses)
    assert first.candidates == third.candidates
    assert not np.array_equal(first.losses, second.losses)


def test_a_batch_of_one_is_a_single_run_to_the_last_bit() -> None:
    model = tiny("llama")
    (row,) = rows_of(model, IDS[:1])
    np.testing.assert_array_equal(forward_batch(model, [row])[0].losses, forward(model, row).losses)


@pytest.mark.parametrize("model_type", ["gpt2", "llama"])
def test_sampled_rows_draw_as_their_prompts_alone_with_the_seed_of_the_row(model_type: str) -> None:
    model = tiny(model_type)
    settings = GenerationSettings(max_new_tokens=6, temperature=1.5, seed=3)
    ids = [[5, 9, 2], [5, 9, 2], [5, 9, 2], [7]]
    results = together(model, settings, ids)
    for place, (row, result) in enumerate(zip(rows_of(model, ids), results, strict=True)):
        own = GenerationSettings(max_new_tokens=6, temperature=1.5, seed=row_seed(3, place))
        alone = generate(model, row, own, cancel=threading.Event(), on_step=lambda step: None)
        assert [step.token_id for step in result.steps] == [step.token_id for step in alone.steps]
    assert len({tuple(step.token_id for step in result.steps) for result in results}) > 1
    assert row_seed(3, 0) == 3


def test_a_row_that_ends_waits_for_the_others() -> None:
    model = tiny("gpt2")
    plain = together(model, GenerationSettings(max_new_tokens=6))
    ending = plain[0].steps[2].token_id
    seen: list[Sequence[TokenStep | None]] = []
    generation_config = model.model.generation_config
    before, generation_config.eos_token_id = generation_config.eos_token_id, ending
    try:
        results = together(model, GenerationSettings(max_new_tokens=6), on_step=seen.append)
    finally:
        generation_config.eos_token_id = before
    assert results[0].stopped == "eos"
    for result, free in zip(results, plain, strict=True):
        written = [step.token_id for step in free.steps]
        until = written.index(ending) + 1 if ending in written else 6
        assert [step.token_id for step in result.steps] == written[:until]
    ended_at = len(results[0].steps)
    assert [step[0] is None for step in seen] == [at >= ended_at for at in range(len(seen))]


def test_a_row_whose_context_is_full_ends_alone() -> None:
    model = tiny("gpt2")
    ids = [[n % 90 for n in range(61)], [5, 9]]
    full, short = together(model, GenerationSettings(max_new_tokens=9), ids)
    assert (full.stopped, len(full.steps)) == ("context", 4)
    assert (short.stopped, len(short.steps)) == ("length", 9)


def test_cancelling_ends_every_row_with_what_it_has() -> None:
    model = tiny("gpt2")
    cancel = threading.Event()
    seen = []

    def on_step(steps: Sequence[TokenStep | None]) -> None:
        seen.append(steps)
        if len(seen) == 2:
            cancel.set()

    results = together(model, cancel=cancel, on_step=on_step)
    assert [result.stopped for result in results] == ["cancelled"] * 4
    assert [len(result.steps) for result in results] == [2] * 4


def test_the_padding_id_is_one_that_the_model_has_and_changes_nothing() -> None:
    model = tiny("llama")
    model.model.config.pad_token_id, before = 10_000, model.model.config.pad_token_id
    try:
        beyond = forward_batch(model, rows_of(model))
    finally:
        model.model.config.pad_token_id = before
    for result, usual in zip(beyond, forward_batch(model, rows_of(model)), strict=True):
        np.testing.assert_array_equal(result.losses, usual.losses)


class _Embedding(nn.Module):
    """A model that nothing can be said to about padding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(96, 96)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids)


def test_a_model_that_knows_no_padding_takes_prompts_of_one_length_alone() -> None:
    model = opened(_Embedding(), (torch.tensor([[1]]),))
    even = [[1, 2, 3], [4, 5, 6]]
    for row, result in zip(rows_of(model, even), forward_batch(model, rows_of(model, even)), strict=True):
        np.testing.assert_allclose(result.losses, forward(model, row).losses, atol=1e-5)
    with pytest.raises(ModelError, match="equally many tokens .*1 to 12"):
        forward_batch(model, rows_of(model))


def test_a_batch_that_does_not_fit_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("gpt2")
    monkeypatch.setattr(forward_module, "free_memory", lambda device: 10_000)
    with pytest.raises(ModelError, match=r"4 prompts of up to 12 tokens need .* GiB .*: run about 1 at a time"):
        forward_batch(model, rows_of(model))
    with pytest.raises(ModelError, match="at a time"):
        together(model)
    forward_batch(model, rows_of(model)[:1])


def test_the_prompt_that_cannot_be_encoded_is_named(tmp_path: Path) -> None:
    model = open_model(ModelReference(str(save_folder(tmp_path / "tiny"))))
    assert [len(row) for row in encode_batch(model, ["the store", "Mary"])] == [2, 1]
    with pytest.raises(ModelError, match=r"Prompt 2 of 3: The prompt has 70 tokens .* 64"):
        encode_batch(model, ["the", "the " * 70, "a"])
    with pytest.raises(ModelError, match="Prompt 1 of 2: The prompt is empty"):
        encode_batch(model, ["", "a"])
    with pytest.raises(ModelError, match="batch is empty"):
        encode_batch(model, [])


def test_a_batch_of_ids_needs_no_tokenizer() -> None:
    model = tiny("gpt2")
    assert [row.ids for row in encode_batch(model, ["1 2 3", "4,5"])] == [(1, 2, 3), (4, 5)]


def test_masks_of_a_masked_model_are_filled_in_each_row(tmp_path: Path) -> None:
    model = open_model(ModelReference(str(save_folder(tmp_path / "bert", "bert"))))
    model.tokenizer.mask_token = "word5"
    rows = encode_batch(model, ["the word5 store went to", "Mary word5"])
    for row, result in zip(rows, forward_batch(model, rows), strict=True):
        alone = forward(model, row)
        assert result.candidates_at == alone.candidates_at == 1
        assert [c.logit for c in result.candidates] == pytest.approx([c.logit for c in alone.candidates], abs=1e-4)
