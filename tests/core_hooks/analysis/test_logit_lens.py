"""The lens against hidden states, norm and unembedding taken from the model by hand."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest
import torch

from core_hooks import FunctionController, LayerActivationDetector, RunCancelled, attach
from core_hooks.analysis import logit_lens as module
from core_hooks.analysis.logit_lens import lens_cell, logit_lens
from core_hooks.analysis.residual_norms import residual_norms
from core_hooks.analysis.residuals import capture_residuals
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.subjects import CAUSAL, FOUR, IDS, Subject, lively

FINAL_NORMS = {"gpt2": "transformer.ln_f", "gpt_neox": "gpt_neox.final_layer_norm"}


def hidden_states(subject: Subject) -> tuple[torch.Tensor, ...]:
    # Of a copy: asking for them makes transformers install hooks of its own that stay.
    with torch.no_grad():
        return copy.deepcopy(subject.model)(torch.tensor([IDS]), output_hidden_states=True).hidden_states


@pytest.mark.parametrize("family", FOUR)
def test_every_row_is_the_hidden_state_through_norm_and_unembedding(family: str) -> None:
    subject = lively(family)
    states = hidden_states(subject)
    norm = subject.module(FINAL_NORMS.get(family, "model.norm"))
    head = subject.model.get_output_embeddings()
    with torch.no_grad():
        # The last hidden state of transformers went through the norm already.
        rows = [head(norm(state))[0] for state in states[:-1]] + [head(states[-1])[0]]
    found = logit_lens(
        subject.opened, subject.anatomy, capture_residuals(subject.opened, subject.anatomy, subject.tokens()), 42
    )
    assert found.target_rank is not None
    assert found.target_probability is not None
    for row, logits in enumerate(rows):
        probabilities = logits.double().softmax(-1)
        best, top = probabilities.max(-1)
        np.testing.assert_array_equal(found.top[row], top)
        np.testing.assert_allclose(found.probability[row], best, atol=1e-5)
        np.testing.assert_allclose(found.entropy[row], -(probabilities * probabilities.log()).sum(-1), atol=1e-4)
        np.testing.assert_array_equal(found.target_rank[row], logits.argsort(descending=True).argsort()[:, 42])
        np.testing.assert_allclose(found.target_probability[row], probabilities[:, 42], atol=1e-5)


@pytest.mark.parametrize("family", [*CAUSAL, "bert"])
def test_the_last_row_is_the_models_own_prediction(family: str) -> None:
    subject = lively(family)
    residuals = capture_residuals(subject.opened, subject.anatomy, subject.tokens())
    own = subject.logits()
    assert residuals.logits is not None
    torch.testing.assert_close(residuals.logits, own)
    found = logit_lens(subject.opened, subject.anatomy, residuals)
    best, top = own.softmax(-1).max(-1)
    np.testing.assert_array_equal(found.top[-1], top)
    np.testing.assert_allclose(found.probability[-1], best, atol=1e-4)
    cell = lens_cell(subject.opened, subject.anatomy, residuals, len(subject.anatomy.blocks), len(IDS) - 1)
    values, order = own[-1].sort(descending=True)
    assert len(cell.candidates) == 20
    assert [c.logit for c in cell.candidates] == pytest.approx(values[:20].tolist(), abs=1e-4)
    assert cell.candidates[0].token_id == order[0]


def test_blocks_of_rows_give_the_same_numbers_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively("llama")
    residuals = capture_residuals(subject.opened, subject.anatomy, subject.tokens())
    whole = logit_lens(subject.opened, subject.anatomy, residuals, 5)
    monkeypatch.setattr(module, "_BLOCK", 200)
    seen: list[tuple[int, int]] = []
    parts = logit_lens(subject.opened, subject.anatomy, residuals, 5, on_progress=lambda *at: seen.append(at))
    assert seen[-1] == (28, 28)
    assert len(seen) == 14
    np.testing.assert_array_equal(whole.top, parts.top)
    np.testing.assert_allclose(whole.entropy, parts.entropy, atol=1e-5)


def test_the_lens_shows_what_controllers_made_of_the_stream_and_detectors_do_not_see_it_read() -> None:
    subject = lively("gpt2")
    norm = LayerActivationDetector("transformer.ln_f", keep="all")
    zero = FunctionController("transformer.h.1", torch.zeros_like)
    with attach(subject.model, {"transformer.ln_f": norm, "transformer.h.1": zero}):
        residuals = capture_residuals(subject.opened, subject.anatomy, subject.tokens())
        before = len(norm.captures)
        found = logit_lens(subject.opened, subject.anatomy, residuals)
        assert len(norm.captures) == before
        assert norm.enabled
        assert zero.enabled
    assert not residuals.stream[2].any()
    assert residuals.stream[1].any()
    assert len(set(found.top[2].tolist())) == 1


def test_a_prediction_of_nan_has_no_rank() -> None:
    subject = lively("gpt2")
    residuals = capture_residuals(subject.opened, subject.anatomy, subject.tokens())
    residuals.stream[1, 2] = float("nan")
    found = logit_lens(subject.opened, subject.anatomy, residuals, 5)
    assert found.target_rank is not None
    assert found.target_rank[1, 2] == -1
    assert found.target_rank[1, 3] >= 0
    assert np.isnan(found.entropy[1, 2])


@pytest.mark.parametrize("family", FOUR)
def test_norms_are_those_of_the_hidden_states(family: str) -> None:
    subject = lively(family)
    found = residual_norms(capture_residuals(subject.opened, subject.anatomy, subject.tokens()))
    wanted: Any = [np.linalg.norm(state[0].double().numpy(), axis=-1) for state in hidden_states(subject)[:-1]]
    assert found.shape == (len(subject.anatomy.blocks) + 1, len(IDS))
    np.testing.assert_allclose(found[:-1], wanted, rtol=1e-5)


def test_what_the_model_does_not_have_is_said() -> None:
    subject = lively("gpt2")
    residuals = capture_residuals(subject.opened, subject.anatomy, subject.tokens())
    blind = subject.anatomy.without("unembedding", "It has none.")
    with pytest.raises(ModelError, match=r"No logit lens: It has none\."):
        logit_lens(subject.opened, blind, residuals)
    with pytest.raises(ModelError, match="no word 96"):
        logit_lens(subject.opened, subject.anatomy, residuals, 96)
    t5 = lively("t5")
    with pytest.raises(ModelError, match="do not see the prompt's tokens"):
        capture_residuals(t5.opened, t5.anatomy, t5.tokens())
    with pytest.raises(ModelError, match="no blocks"):
        capture_residuals(subject.opened, subject.anatomy.with_(blocks=()), subject.tokens())


def test_the_lens_can_be_cancelled() -> None:
    subject = lively("gpt2")
    residuals = capture_residuals(subject.opened, subject.anatomy, subject.tokens())
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RunCancelled):
        logit_lens(subject.opened, subject.anatomy, residuals, cancel=cancel)
