"""Patching against plain forwards into which what the clean run held is put by plain hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from core_hooks.analysis.metrics import LogitDifference, Loss, Probability
from core_hooks.analysis.patching import patch, patch_one
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.subjects import CAUSAL, FOUR, IDS, OTHER, Subject, held, hooked, lively

MLPS = {"gpt2": "transformer.h.{}.mlp", "gpt_neox": "gpt_neox.layers.{}.mlp"}


def difference(subject: Subject, ids: tuple[int, ...], words: tuple[int, int]) -> float:
    last = subject.logits(ids)[-1]
    return float(last[words[0]] - last[words[1]])


def likeliest(subject: Subject) -> tuple[int, int]:
    return int(subject.logits(IDS)[-1].argmax()), int(subject.logits(OTHER)[-1].argmax())


def telling(subject: Subject) -> tuple[int, int]:
    """The words whose logits the two prompts push furthest apart."""
    change = subject.logits(IDS)[-1] - subject.logits(OTHER)[-1]
    return int(change.argmax()), int(change.argmin())


def recovered(subject: Subject, path: str, before: bool, channels: slice, rows: slice, words: tuple[int, int]) -> float:
    clean = held(subject, path, before)

    def change(tensor: torch.Tensor) -> torch.Tensor:
        new = tensor.clone()
        new[0, rows, channels] = clean[rows, channels]
        return new

    whole, nothing = difference(subject, IDS, words), difference(subject, OTHER, words)
    with hooked(subject.module(path), change, before):
        return (difference(subject, OTHER, words) - nothing) / (whole - nothing)


@pytest.mark.parametrize("family", FOUR)
@pytest.mark.parametrize("part", ["residual", "attention", "mlp"])
def test_each_token_brings_back_what_a_plain_hook_does(family: str, part: str) -> None:
    subject = lively(family)
    words = telling(subject)
    prompts, metric = (subject.tokens(), subject.tokens(OTHER)), LogitDifference(*words)
    found = patch(subject.opened, subject.anatomy, *prompts, part, metric)  # type: ignore[arg-type]
    assert found.recovered.shape == (3, len(IDS))
    assert found.clean == pytest.approx(difference(subject, IDS, words), abs=1e-4)
    assert found.corrupted == pytest.approx(difference(subject, OTHER, words), abs=1e-4)
    for index, block in enumerate(subject.anatomy.blocks):
        mlp = MLPS.get(family, "model.layers.{}.mlp").format(index)
        path = {"residual": block.path, "attention": block.output_projection, "mlp": mlp}[part]
        for token in range(len(IDS)):
            wanted = recovered(subject, path, False, slice(None), slice(token, token + 1), words)
            assert found.recovered[index, token] == pytest.approx(wanted, abs=1e-3)
    assert found.failures == {}


@pytest.mark.parametrize("family", FOUR)
def test_each_head_brings_back_what_a_plain_hook_does(family: str) -> None:
    subject = lively(family)
    words = telling(subject)
    prompts, metric = (subject.tokens(), subject.tokens(OTHER)), LogitDifference(*words)
    found = patch(subject.opened, subject.anatomy, *prompts, "heads", metric)
    assert found.recovered.shape == (3, 4)
    for index, block in enumerate(subject.anatomy.blocks):
        for head in range(4):
            channels = slice(head * 8, head * 8 + 8)
            wanted = recovered(subject, block.output_projection, True, channels, slice(None), words)
            assert found.recovered[index, head] == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("family", CAUSAL)
def test_the_last_block_at_the_last_token_brings_everything_back_and_what_is_the_same_nothing(family: str) -> None:
    subject = lively(family)
    found = patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(OTHER), "residual", Probability(7))
    assert found.recovered[-1, -1] == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(found.recovered[-1, :-1], 0, atol=1e-3)
    np.testing.assert_allclose(found.recovered[:, :2], 0, atol=1e-3)


@pytest.mark.parametrize("family", FOUR)
def test_divergence_runs_from_that_of_the_corrupted_run_to_none(family: str) -> None:
    subject = lively(family)
    found = patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(OTHER), metric="divergence")
    clean, corrupted = (subject.logits(ids)[-1].log_softmax(-1) for ids in (IDS, OTHER))
    wanted = float(functional.kl_div(corrupted, clean, reduction="sum", log_target=True))
    assert found.clean == pytest.approx(0, abs=1e-6)
    assert found.corrupted == pytest.approx(wanted, abs=1e-4)
    assert found.recovered[-1, -1] == pytest.approx(1, abs=1e-3)
    assert found.metric == "KL divergence (nats)"


def test_the_probability_is_that_of_the_word_the_clean_run_finds_likeliest() -> None:
    subject = lively("llama")
    found = patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(OTHER), metric="probability")
    word = likeliest(subject)[0]
    assert found.clean == pytest.approx(float(subject.logits(IDS)[-1].softmax(-1)[word]), abs=1e-5)
    assert found.corrupted == pytest.approx(float(subject.logits(OTHER)[-1].softmax(-1)[word]), abs=1e-5)


def test_a_metric_over_all_tokens_can_be_patched_too() -> None:
    subject = lively("gpt2")
    found = patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(OTHER), metric=Loss((5, 6)))
    wanted = functional.cross_entropy(subject.logits(IDS)[4:6], torch.tensor(IDS[5:]))
    assert found.clean == pytest.approx(float(wanted), abs=1e-4)


def test_two_words_are_chosen_when_none_are_named() -> None:
    subject = lively("gpt2")
    found = patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(OTHER))
    assert found.clean == pytest.approx(difference(subject, IDS, likeliest(subject)), abs=1e-4)
    assert found.corrupted == pytest.approx(difference(subject, OTHER, likeliest(subject)), abs=1e-4)


def test_a_single_cell_can_be_asked_for() -> None:
    subject = lively("gpt2")
    prompts = subject.tokens(), subject.tokens(OTHER)
    whole = patch(subject.opened, subject.anatomy, *prompts)
    cell = patch(subject.opened, subject.anatomy, *prompts, places={(1, 2)})
    assert np.isfinite(cell.recovered).sum() == 1
    assert cell.recovered[1, 2] == pytest.approx(whole.recovered[1, 2], abs=1e-5)
    assert cell.failures == {}


def test_one_place_can_be_sent_alone_to_the_same_place() -> None:
    subject = lively("gpt2")
    prompts = subject.tokens(), subject.tokens(OTHER)
    for part, place in (("residual", (1, 2)), ("mlp", (0, 2)), ("heads", (2, 3))):
        whole = patch(subject.opened, subject.anatomy, *prompts, part)  # type: ignore[arg-type]
        sent = patch_one(subject.opened, subject.anatomy, *prompts, place, part=part)  # type: ignore[arg-type]
        assert sent.recovered == pytest.approx(whole.recovered[place], abs=1e-5)
        assert (sent.clean, sent.words) == (pytest.approx(whole.clean), whole.words)
        torch.testing.assert_close(sent.before, subject.logits(OTHER)[-1])


def test_one_place_can_be_sent_to_another_place_of_a_longer_prompt() -> None:
    subject = lively("llama")
    longer = (3, 9, *OTHER)
    sent = patch_one(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(longer), (1, 2), (2, 6))
    kept = held(subject, "model.layers.1")

    def put(tensor: torch.Tensor) -> torch.Tensor:
        new = tensor.clone()
        new[0, 6] = kept[2]
        return new

    with hooked(subject.module("model.layers.2"), put):
        torch.testing.assert_close(sent.after, subject.logits(longer)[-1], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("source", "target"), [((3, 0), None), ((0, 7), None), ((0, 0), (0, 9)), ((-1, 0), None)])
def test_a_place_that_is_not_there_is_refused(source: tuple[int, int], target: tuple[int, int] | None) -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="has no place"):
        patch_one(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(OTHER), source, target)


def test_a_head_goes_to_all_tokens_so_the_prompts_must_be_equally_long() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="the prompts have 7 and 8"):
        patch_one(subject.opened, subject.anatomy, subject.tokens(), subject.tokens((*OTHER, 6)), (0, 1), part="heads")


def test_words_can_be_named_one_or_both() -> None:
    subject = lively("gpt2")
    prompts = subject.tokens(), subject.tokens(OTHER)
    found = patch(subject.opened, subject.anatomy, *prompts, words=(7, -1))
    assert found.words == (7, likeliest(subject)[1])
    assert found.clean == pytest.approx(difference(subject, IDS, found.words), abs=1e-4)  # type: ignore[arg-type]
    assert patch(subject.opened, subject.anatomy, *prompts, metric="probability", words=(7, -1)).words == (7,)


def test_prompts_that_do_not_align_are_refused() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="at token 7 the first has nothing where the second has '6'"):
        patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens([*IDS, 6]))


def test_prompts_that_a_metric_does_not_tell_apart_are_refused() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="logit difference is 0"):
        patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens())
    with pytest.raises(ModelError, match="nothing to bring back"):
        patch(subject.opened, subject.anatomy, subject.tokens(), subject.tokens(), metric="probability")


def test_the_demo_models_answer_hangs_on_the_name_that_was_changed(demo: Subject) -> None:
    tokenizer = demo.opened.tokenizer
    texts = [f"When Mary and John went to the store , {name} gave a drink to" for name in ("John", "Mary")]
    clean, corrupted = (demo.tokens(tokenizer(text)["input_ids"]) for text in texts)
    found = patch(demo.opened, demo.anatomy, clean, corrupted)
    changed = next(i for i, (a, b) in enumerate(zip(clean.ids, corrupted.ids, strict=True)) if a != b)
    assert found.clean > 1 > -1 > found.corrupted
    assert found.recovered[0].argmax() == changed
    assert found.recovered[-1, -1] == pytest.approx(1, abs=1e-3)
