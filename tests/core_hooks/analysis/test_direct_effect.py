"""Direct effects against a decomposition written out by hand, and their sum against the logit."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core_hooks import LayerActivationDetector, RunCancelled, attach
from core_hooks.analysis.direct_effect import direct_effect
from core_hooks.analysis.frozen_norm import FrozenNorm
from core_hooks.analysis.writes import Write, measure_writes
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.subjects import CAUSAL, IDS, Subject, held, lively, subject_of
from tests.core_hooks.model.tiny import tiny_model

WORD, OTHER_WORD = 17, 23


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("against", [-1, OTHER_WORD])
def test_the_parts_add_up_to_the_logit(family: str, against: int) -> None:
    subject = lively(family)
    found = direct_effect(subject.opened, subject.anatomy, subject.tokens(), WORD, against=against, position=4)
    row = subject.logits()[4]
    if family == "gemma2":
        row = torch.atanh(row.double() / 30) * 30  # its logits are squashed
    wanted = float(row[WORD] - (row[against] if against >= 0 else 0))
    assert found.logit == pytest.approx(wanted, abs=1e-3)
    assert found.total == pytest.approx(wanted, abs=1e-3)
    assert abs(found.unexplained) < 1e-3
    if family == "mamba":  # its blocks have no parts to tell apart
        assert np.isfinite(found.block).all()
        assert found.heads.size == 0
    else:
        assert np.isnan(found.block).all()
        assert np.isfinite(found.heads).all()
        assert np.isfinite(found.mlp).all()


def by_hand_gpt2(subject: Subject) -> dict[str, Any]:
    """Every term of the logit by the formulas of a GPT-2: a layer norm with weights and biases, transposed layers."""
    final = subject.module("transformer.ln_f")
    row = subject.model.lm_head.weight[WORD].double()
    last = held(subject, "transformer.h.2")[-1].double()
    sigma = (last.var(correction=0) + final.eps).sqrt()

    def worth(term: torch.Tensor) -> float:
        return float((term.double() - term.double().mean()) / sigma * final.weight.double() @ row)

    heads, beside, mlps = np.zeros((3, 4)), np.zeros(3), np.zeros(3)
    for block in range(3):
        projection = subject.module(f"transformer.h.{block}.attn.c_proj")
        mixed = held(subject, f"transformer.h.{block}.attn.c_proj", True)[-1]
        for head in range(4):
            channels = slice(head * 8, head * 8 + 8)
            heads[block, head] = worth(mixed[channels] @ projection.weight[channels])
        beside[block] = worth(projection.bias)
        mlps[block] = worth(held(subject, f"transformer.h.{block}.mlp")[-1])
    embedding = worth(held(subject, "transformer.h.0", True)[-1])
    return {
        "heads": heads,
        "beside": beside,
        "mlps": mlps,
        "embedding": embedding,
        "bias": float(final.bias.double() @ row),
    }


def by_hand_llama(subject: Subject) -> dict[str, Any]:
    """Every term by the formulas of a Llama: a root mean square norm with weights, no biases."""
    final = subject.module("model.norm")
    row = subject.model.lm_head.weight[WORD].double()
    last = held(subject, "model.layers.2")[-1].double()
    size = (last.square().mean() + final.variance_epsilon).sqrt()

    def worth(term: torch.Tensor) -> float:
        return float(term.double() / size * final.weight.double() @ row)

    heads, mlps = np.zeros((3, 4)), np.zeros(3)
    for block in range(3):
        projection = subject.module(f"model.layers.{block}.self_attn.o_proj")
        mixed = held(subject, f"model.layers.{block}.self_attn.o_proj", True)[-1]
        for head in range(4):
            channels = slice(head * 8, head * 8 + 8)
            heads[block, head] = worth(projection.weight[:, channels] @ mixed[channels])
        mlps[block] = worth(held(subject, f"model.layers.{block}.mlp")[-1])
    embedding = worth(subject.model.model.embed_tokens.weight[IDS[-1]])
    return {"heads": heads, "beside": np.zeros(3), "mlps": mlps, "embedding": embedding, "bias": 0.0}


@pytest.mark.parametrize(("family", "by_hand"), [("gpt2", by_hand_gpt2), ("llama", by_hand_llama)])
def test_each_term_is_what_the_formulas_of_the_architecture_give(family: str, by_hand: Any) -> None:
    subject = lively(family)
    wanted = by_hand(subject)
    found = direct_effect(subject.opened, subject.anatomy, subject.tokens(), WORD)
    np.testing.assert_allclose(found.heads, wanted["heads"], atol=1e-4)
    np.testing.assert_allclose(found.attention_bias, wanted["beside"], atol=1e-4)
    np.testing.assert_allclose(found.mlp, wanted["mlps"], atol=1e-4)
    assert found.embedding == pytest.approx(wanted["embedding"], abs=1e-4)
    assert found.bias == pytest.approx(wanted["bias"], abs=1e-4)
    assert (found.word, found.against, found.position) == (WORD, -1, len(IDS) - 1)


@pytest.mark.parametrize("family", ["gemma2", "olmo2", "granite", "bloom", "opt"])
def test_what_a_block_adds_is_the_sum_of_its_measured_terms(family: str) -> None:
    subject = lively(family)
    found = measure_writes(subject.opened, subject.anatomy, subject.tokens())
    for block, write in zip(subject.anatomy.blocks, found, strict=True):
        assert write.attention is not None
        assert write.mlp is not None
        added = held(subject, block.path) - held(subject, block.path, True)
        terms = [term.scale * held(subject, term.norm or term.path) for term in (write.attention, write.mlp)]
        torch.testing.assert_close(sum(terms), added, rtol=1e-3, atol=1e-4)
    expected = {
        "gemma2": Write("model.layers.0.mlp", "model.layers.0.post_feedforward_layernorm"),
        "olmo2": Write("model.layers.0.mlp", "model.layers.0.post_feedforward_layernorm"),
        "granite": Write("model.layers.0.mlp", scale=0.5),
        "bloom": Write("transformer.h.0.mlp.dense_4h_to_h"),
        "opt": Write("model.decoder.layers.0.fc2"),
    }
    assert found[0].mlp == expected[family]


def test_a_half_precision_model_says_what_its_rounding_leaves_over() -> None:
    import copy

    subject = subject_of(copy.deepcopy(tiny_model("llama")).to(torch.bfloat16))
    found = direct_effect(subject.opened, subject.anatomy, subject.tokens(), WORD)
    assert found.logit == pytest.approx(float(subject.logits()[-1, WORD]), abs=1e-6)
    assert found.unexplained == pytest.approx(found.logit - found.total)
    assert abs(found.unexplained) < 0.02


class Odd(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.tanh()


@pytest.mark.parametrize("channels", [6, 7])
@pytest.mark.parametrize("make", [nn.LayerNorm, nn.RMSNorm])
def test_a_norm_at_fixed_scale_is_linear(channels: int, make: Any) -> None:
    torch.manual_seed(0)
    norm = make(channels)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(channels))
        terms = torch.randn(3, channels) * 5 + 2
        frozen = FrozenNorm(norm, terms.sum(0), "norm")
        torch.testing.assert_close(
            frozen(terms).sum(0) + frozen.bias, norm(terms.sum(0)).double(), rtol=1e-4, atol=1e-4
        )
        torch.testing.assert_close(frozen(2 * terms), 2 * frozen(terms))


def test_what_does_more_than_scale_is_refused() -> None:
    with pytest.raises(ModelError, match="final is not a normalisation that only scales"):
        FrozenNorm(Odd(), torch.tensor([1.0, -2.0, 3.0, 0.5]), "final")


def test_detectors_see_nothing_of_it_and_it_can_be_cancelled() -> None:
    subject = lively("gpt2")
    watcher = LayerActivationDetector("transformer.ln_f")
    cancel = threading.Event()
    cancel.set()
    with attach(subject.model, {"transformer.ln_f": watcher}):
        direct_effect(subject.opened, subject.anatomy, subject.tokens(), WORD)
        assert watcher.get_captured() is None
        with pytest.raises(RunCancelled):
            direct_effect(subject.opened, subject.anatomy, subject.tokens(), WORD, cancel=cancel)


def test_what_cannot_be_split_is_said() -> None:
    bert, gpt2 = lively("bert"), lively("gpt2")
    with pytest.raises(ModelError, match="more than a norm and a linear layer"):
        direct_effect(bert.opened, bert.anatomy, bert.tokens(), WORD)
    with pytest.raises(ModelError, match="no word 96"):
        direct_effect(gpt2.opened, gpt2.anatomy, gpt2.tokens(), 96)
    with pytest.raises(ModelError, match="no word 99"):
        direct_effect(gpt2.opened, gpt2.anatomy, gpt2.tokens(), WORD, against=99)
    with pytest.raises(ModelError, match="no position 7"):
        direct_effect(gpt2.opened, gpt2.anatomy, gpt2.tokens(), WORD, position=7)
    blind = gpt2.anatomy.without("unembedding", "It has none.")
    with pytest.raises(ModelError, match="No direct effect: It has none"):
        direct_effect(gpt2.opened, blind, gpt2.tokens(), WORD)
