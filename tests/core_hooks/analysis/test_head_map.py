"""The head map finds the heads that the demo model is known to have."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import torch

from core_hooks import LayerActivationDetector, RunCancelled, attach
from core_hooks.analysis.head_map import map_heads, repeated_random_tokens
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.conftest import DEMO
from tests.core_hooks.analysis.subjects import Subject, lively


def test_the_brightest_heads_are_those_that_the_demo_model_was_found_to_have(demo: Subject) -> None:
    circuit = json.loads((DEMO / "circuit.json").read_text())
    found = map_heads(demo.opened, demo.anatomy, repeated_random_tokens(demo.opened, 20))
    induction = [list(place) for *place, _ in found.strongest("induction", len(circuit["induction_heads"]))]
    previous = [list(place) for *place, _ in found.strongest("previous_token", len(circuit["previous_token_heads"]))]
    assert sorted(induction) == sorted(circuit["induction_heads"])
    assert sorted(previous) == sorted(circuit["previous_token_heads"])
    assert found.switched_from == "sdpa"


def test_scores_are_means_over_the_attention_that_transformers_returns(demo: Subject) -> None:
    from transformers import AutoModelForCausalLM

    tokens = repeated_random_tokens(demo.opened, 15, seed=3)
    plain = AutoModelForCausalLM.from_pretrained(DEMO, attn_implementation="eager").eval()
    with torch.no_grad():
        weights = torch.stack(plain(torch.tensor([tokens.ids]), output_attentions=True).attentions)[:, 0]
    offset = len(tokens) - 30
    second = torch.arange(15 + offset, 30 + offset)
    found = map_heads(demo.opened, demo.anatomy, tokens)
    np.testing.assert_allclose(found.induction, weights[..., second, second - 14].mean(-1), atol=1e-5)
    np.testing.assert_allclose(found.duplicate_token, weights[..., second, second - 15].mean(-1), atol=1e-5)
    every = torch.arange(1, len(tokens))
    np.testing.assert_allclose(found.previous_token, weights[..., every, every - 1].mean(-1), atol=1e-5)
    np.testing.assert_allclose(found.first_token, weights[..., 1:, 0].mean(-1), atol=1e-5)


def test_a_text_without_repeats_leaves_two_scores_open(demo: Subject) -> None:
    found = map_heads(demo.opened, demo.anatomy, demo.tokens([5, 6, 7, 8]))
    assert np.isnan(found.induction).all()
    assert found.strongest("induction") == []
    assert not np.isnan(found.first_token).any()


def test_the_tokens_are_said_twice_behind_the_beginning_of_a_text_and_none_is_special(demo: Subject) -> None:
    tokens = repeated_random_tokens(demo.opened, 20, seed=1)
    first = demo.opened.tokenizer.bos_token_id
    ids = list(tokens.ids)
    if first is not None:
        assert ids.pop(0) == first
    assert ids[:20] == ids[20:]
    assert len(set(ids[:20])) == 20
    assert not set(ids) & set(demo.opened.tokenizer.all_special_ids)
    assert tokens == repeated_random_tokens(demo.opened, 20, seed=1)
    assert tokens.ids != repeated_random_tokens(demo.opened, 20, seed=2).ids


def test_the_copies_fit_the_context_and_the_vocabulary() -> None:
    subject = lively("gpt2")
    assert len(repeated_random_tokens(subject.opened, 500)) == 64
    with pytest.raises(ModelError, match="no room"):
        repeated_random_tokens(subject.opened, 1)


def test_detectors_see_nothing_of_it_and_it_can_be_cancelled() -> None:
    subject = lively("llama")
    watcher = LayerActivationDetector("model.layers.0")
    cancel = threading.Event()
    seen: list[tuple[int, int]] = []
    with attach(subject.model, {"model.layers.0": watcher}):
        map_heads(subject.opened, subject.anatomy, subject.tokens(), on_progress=lambda *at: seen.append(at))
        assert watcher.get_captured() is None
        cancel.set()
        with pytest.raises(RunCancelled):
            map_heads(subject.opened, subject.anatomy, subject.tokens(), cancel=cancel)
        assert watcher.enabled
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_single_token_is_refused() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="single token"):
        map_heads(subject.opened, subject.anatomy, subject.tokens([3]))
