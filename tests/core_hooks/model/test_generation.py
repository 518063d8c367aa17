from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from core_hooks.hooks.errors import HookError, RunCancelled, StopForward
from core_hooks.hooks.run import HookRun
from core_hooks.model.anatomy import discover
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import forward
from core_hooks.model.generation import generate, why_not_generated
from core_hooks.model.opened import OpenedModel
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode, sequence
from core_hooks.model.readout import verify
from core_hooks.model.reference import ModelReference
from core_hooks.model.summary import summarise
from core_hooks.model.tokens import GenerationSettings, TokenStep
from core_hooks.model.tree import build_tree
from tests.core_hooks.model.tiny import FAMILIES, save_folder, tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core_hooks.model.generation import GenerationResult

GREEDY = GenerationSettings(max_new_tokens=8)


def opened(model: nn.Module, example: Any = None) -> OpenedModel:
    tree = build_tree(model)
    return OpenedModel(model, None, tree, summarise(model, tree, ModelReference("x"), "x", False), (), example)


def tiny(model_type: str) -> OpenedModel:
    return opened(tiny_model(model_type))


def generated(
    model: OpenedModel,
    ids: list[int],
    settings: GenerationSettings = GREEDY,
    on_step: Callable[[TokenStep], None] = lambda step: None,
    cancel: threading.Event | None = None,
    run: HookRun | None = None,
) -> GenerationResult:
    cancel = cancel or threading.Event()
    return generate(model, sequence(model, ids), settings, cancel=cancel, on_step=on_step, run=run)


PROMPT = [5, 9, 2, 40, 33, 7]


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_forward_leaves_the_logits_as_they_are_without_it(model_type: str) -> None:
    model = tiny(model_type)
    seen: list[torch.Tensor] = []
    handle = model.model.register_forward_hook(lambda module, args, output: seen.append(output.logits))
    forward(model, sequence(model, PROMPT))
    generated(model, PROMPT) if model_type != "bert" else None
    handle.remove()
    start = {"decoder_input_ids": torch.tensor([[0]])} if model_type == "t5" else {}
    with torch.no_grad():
        plain = model.model(torch.tensor([PROMPT]), **start).logits
    assert torch.equal(seen[0], plain)
    if model_type != "bert":
        assert torch.equal(seen[1], plain)


@pytest.mark.parametrize("model_type", [name for name in FAMILIES if name != "bert"])
def test_greedy_generation_is_that_of_transformers(model_type: str) -> None:
    model = tiny(model_type)
    result = generated(model, PROMPT, GenerationSettings(max_new_tokens=12))
    ids = torch.tensor([PROMPT])
    expected = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)[0]
    expected = expected[1:] if model_type == "t5" else expected[len(PROMPT) :]
    assert [step.token_id for step in result.steps] == expected.tolist()


def test_losses_are_minus_the_log_probability_of_each_token() -> None:
    model = tiny("gpt2")
    result = forward(model, sequence(model, PROMPT))
    with torch.no_grad():
        logits = model.model(torch.tensor([PROMPT])).logits[0]
    expected = nn.functional.cross_entropy(logits[:-1], torch.tensor(PROMPT[1:]), reduction="none")
    assert np.isnan(result.losses[0])
    np.testing.assert_allclose(result.losses[1:], expected.numpy(), rtol=1e-5)
    np.testing.assert_allclose(result.probabilities[1:], np.exp(-result.losses[1:]))
    assert result.losses.dtype == np.float32
    assert not result.losses.flags.writeable
    assert (result.candidates_at, result.lacks, result.stopped) == (len(PROMPT), (), "")


def test_losses_of_many_blocks_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("gpt2")
    whole = forward(model, sequence(model, PROMPT)).losses
    monkeypatch.setattr("core_hooks.model.forward._BLOCK", 200)
    np.testing.assert_allclose(forward(model, sequence(model, PROMPT)).losses, whole, rtol=1e-6)


def test_candidates_are_the_likeliest_next_tokens() -> None:
    model = tiny("gpt2")
    candidates = forward(model, sequence(model, PROMPT)).candidates
    with torch.no_grad():
        row = model.model(torch.tensor([PROMPT])).logits[0, -1]
    values, ids = row.softmax(-1).topk(10)
    assert [c.token_id for c in candidates] == ids.tolist()
    np.testing.assert_allclose([c.probability for c in candidates], values, rtol=1e-5)
    np.testing.assert_allclose([c.logit for c in candidates], row[ids])


def test_every_step_says_what_was_chosen_and_what_else_could_have_been() -> None:
    model = tiny("llama")
    told: list[TokenStep] = []
    result = generated(model, PROMPT, on_step=told.append)
    assert tuple(told) == result.steps
    assert [step.step for step in told] == list(range(1, len(told) + 1))
    assert [step.position for step in told] == list(range(len(PROMPT), len(PROMPT) + len(told)))
    assert told[0].candidates == result.prompt.candidates
    assert told[0].probability == told[0].candidates[0].probability


def test_a_seed_repeats_a_sample_and_leaves_the_global_generator_alone() -> None:
    model = tiny("gpt2")
    hot = GenerationSettings(max_new_tokens=12, temperature=2.0, seed=3)
    before = torch.get_rng_state()
    first, second = generated(model, PROMPT, hot), generated(model, PROMPT, hot)
    other = generated(model, PROMPT, dataclasses.replace(hot, seed=4))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.steps == second.steps != other.steps


def test_a_sample_of_the_top_one_is_greedy() -> None:
    model = tiny("gpt2")
    settings = GenerationSettings(max_new_tokens=8, temperature=1.5, top_k=1, seed=5)
    assert generated(model, PROMPT, settings).steps == generated(model, PROMPT).steps


def test_a_sample_has_the_probability_it_was_drawn_from_the_model_with() -> None:
    model = tiny("gpt2")
    result = generated(model, PROMPT, GenerationSettings(max_new_tokens=6, temperature=8.0, seed=1))
    ids = PROMPT + [step.token_id for step in result.steps]
    losses = forward(model, sequence(model, ids)).losses
    np.testing.assert_allclose([s.probability for s in result.steps], np.exp(-losses[len(PROMPT) :]), rtol=1e-3)


def test_generation_stops_at_the_end_of_text() -> None:
    model = tiny("gpt2")
    third = generated(model, PROMPT).steps[2].token_id
    ends = model.model.generation_config.eos_token_id
    model.model.generation_config.eos_token_id = [1, third]
    try:
        result = generated(model, PROMPT)
    finally:
        model.model.generation_config.eos_token_id = ends
    assert result.stopped == "eos"
    assert result.steps[-1].token_id == third
    assert len(result.steps) <= 3


def test_generation_stops_at_the_end_of_the_context() -> None:
    model = tiny("gpt2")
    result = generated(model, [5] * 62, GenerationSettings(max_new_tokens=20, temperature=50.0))
    assert (result.stopped, len(result.steps)) == ("context", 3)


def test_a_cancel_stops_within_one_token() -> None:
    cancel = threading.Event()
    model = tiny("gpt2")
    settings = GenerationSettings(max_new_tokens=20, temperature=50.0)
    result = generated(model, PROMPT, settings, lambda step: cancel.set() if step.step == 3 else None, cancel)
    assert (result.stopped, len(result.steps)) == ("cancelled", 3)
    result = generated(model, PROMPT, settings, cancel=cancel)
    assert (result.stopped, result.steps, result.prompt.stopped) == ("cancelled", (), "cancelled")


def raising(model: OpenedModel, error: Exception, at_call: int) -> Callable[[], None]:
    calls = 0

    def hook(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at_call:
            raise error

    return model.model.transformer.h[1].register_forward_hook(hook).remove


@pytest.mark.parametrize(("error", "stopped"), [(RunCancelled("x"), "cancelled"), (StopForward(), "early")])
def test_hooks_end_a_forward_and_what_was_generated_stays(error: Exception, stopped: str) -> None:
    model = tiny("gpt2")
    remove = raising(model, error, 1)
    result = forward(model, sequence(model, PROMPT))
    remove()
    assert result.stopped == stopped
    assert np.isnan(result.losses).all()
    assert "No losses" in result.lacks[0]
    remove = raising(model, error, 3)
    whole = generated(model, PROMPT)
    remove()
    assert whole.stopped == stopped
    assert len(whole.steps) == 2
    assert whole.prompt.stopped == ""


def test_the_step_is_that_of_the_token_being_fed() -> None:
    model = tiny("gpt2")
    seen: list[tuple[int, int]] = []
    run = HookRun(1)

    def note(module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        seen.append((run.step, args[0].shape[1]))

    handle = model.model.transformer.h[0].register_forward_pre_hook(note)
    with run:
        result = generated(model, PROMPT, GenerationSettings(max_new_tokens=4, temperature=50.0), run=run)
    handle.remove()
    assert len(result.steps) == 4
    assert seen == [(0, len(PROMPT)), (1, 1), (2, 1), (3, 1)]


def test_nan_logits_are_said_and_never_chosen_from() -> None:
    model = tiny("gpt2")
    handle = model.model.transformer.h[1].register_forward_hook(
        lambda module, args, output: torch.full_like(output, float("nan"))
    )
    try:
        result = forward(model, sequence(model, PROMPT))
        assert "NaN" in result.lacks[0]
        assert result.candidates == ()
        with pytest.raises(ModelError, match="after the prompt hold NaN"):
            generated(model, PROMPT)
    finally:
        handle.remove()


def test_a_masked_model_fills_its_mask_and_cannot_generate() -> None:
    model = tiny("bert")
    result = forward(model, sequence(model, PROMPT))
    assert "masked" in result.lacks[0]
    assert np.isnan(result.losses).all()
    assert result.candidates == ()

    class Tokenizer:
        mask_token_id = 40
        all_special_ids = (40,)

        def decode(self, ids: list[int], **options: object) -> str:
            return f"w{ids[0]} "

        def convert_ids_to_tokens(self, token_id: int) -> str:
            return "w"

    model = dataclasses.replace(model, tokenizer=Tokenizer())
    result = forward(model, sequence(model, PROMPT))
    assert result.candidates_at == 3
    assert len(result.candidates) == 10
    with pytest.raises(ModelError, match="can't generate"):
        generated(model, PROMPT)


def test_an_encoder_decoder_says_what_its_decoder_writes_first() -> None:
    model = tiny("t5")
    result = forward(model, sequence(model, PROMPT))
    assert "encoder-decoder" in result.lacks[0]
    assert result.candidates[0].token_id == generated(model, PROMPT).steps[0].token_id


def test_a_model_without_logits_says_so() -> None:
    model = opened(tiny_model("gpt2").transformer)
    result = forward(model, sequence(model, PROMPT))
    assert "no logits" in result.lacks[0]
    with pytest.raises(ModelError, match="no logits"):
        generated(model, PROMPT)


class Plain(nn.Module):
    """A language model of plain torch that remembers nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 20)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(ids).cumsum(1))


def test_a_plain_torch_model_runs_and_generates_from_the_whole_sequence() -> None:
    torch.manual_seed(0)
    model = opened(Plain())
    ids = [3, 4, 5]
    result = generated(model, ids, GenerationSettings(max_new_tokens=4))
    for step in result.steps:
        with torch.no_grad():
            assert step.token_id == int(model.model(torch.tensor([ids]))[0, -1].argmax())
        ids.append(step.token_id)
    assert np.isfinite(forward(model, sequence(model, ids)).losses[1:]).all()


def test_a_model_that_takes_no_tokens_runs_on_its_example_inputs() -> None:
    model = opened(nn.Linear(3, 2), torch.ones(1, 3))
    seen: list[torch.Tensor] = []
    handle = model.model.register_forward_hook(lambda module, args, output: seen.append(output))
    result = forward(model, None)
    handle.remove()
    assert seen[0].shape == (1, 2)
    assert result.losses.size == 0
    with pytest.raises(ModelError, match="needs tokens"):
        forward(opened(nn.Linear(3, 2)), None)


def test_a_vision_model_runs_on_an_image_of_noise_and_says_so(tmp_path: Path) -> None:
    model = open_model(ModelReference(str(save_folder(tmp_path, "vit", tokenizer=False))))
    assert "noise, 16 by 16" in model.notes[0]
    seen: list[torch.Tensor] = []
    handle = model.model.register_forward_hook(lambda module, args, output: seen.append(output.logits))
    result = forward(model, None)
    handle.remove()
    assert seen[0].shape == (1, 2)
    assert "no logits over a vocabulary" in result.lacks[0]
    with pytest.raises(ModelError, match="takes no text"):
        encode(model, "hello")
    anatomy = verify(model, discover(model))
    assert len(anatomy.blocks) == 3
    assert anatomy.lacks("heads") == ""
    assert "ViTForImageClassification" in anatomy.lacks("unembedding")


def test_what_keeps_a_model_from_running_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="Linear can't be run on this: RuntimeError"):
        forward(opened(nn.Linear(3, 2), torch.ones(1, 5)), None)


def test_a_failing_hook_is_told_from_a_failing_model() -> None:
    model = tiny("gpt2")
    remove = raising(model, HookError("mine", "forward", ValueError("x")), 1)
    with pytest.raises(HookError):
        forward(model, sequence(model, PROMPT))
    remove()


def test_a_prompt_of_words_runs_in_an_opened_folder(gpt2: OpenedModel) -> None:
    tokens = encode(gpt2, "the store went")
    result = generate(gpt2, tokens, GREEDY, cancel=threading.Event(), on_step=lambda step: None)
    assert result.steps[0].text == gpt2.tokenizer.decode([result.steps[0].token_id])


@pytest.mark.parametrize(
    ("model_type", "words"),
    [("bert", "fills in masks"), ("vit", "gives no logits over a vocabulary"), ("t5", ""), ("mamba", "")],
)
def test_what_can_not_generate_is_known_before_it_is_tried(model_type: str, words: str) -> None:
    found = why_not_generated(tiny(model_type))
    assert words in found
    assert bool(words) is bool(found)
