"""Patterns against those that transformers returns, and the switch to eager attention and back."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import numpy as np
import pytest
import torch

from core_hooks import FunctionController, HookType, StopForward, attach, hooks_of
from core_hooks.analysis.attention import attention_patterns, eager_attention, eager_nowhere_else
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.subjects import IDS, hooked, lively

UNSWITCHABLE = {"falcon"}
SHOWN = ("gpt2", "llama", "qwen2", "gpt_neox", "gemma2", "mixtral", "phi", "opt", "bloom", "gptj", "gpt_neo", "olmo2")


@pytest.mark.parametrize("family", SHOWN)
def test_patterns_are_the_models_own_and_rows_sum_to_one(family: str) -> None:
    subject = lively(family)
    implementation = subject.model.config._attn_implementation
    found = attention_patterns(subject.opened, subject.anatomy, subject.tokens())
    twin: Any = copy.deepcopy(subject.model)
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        wanted = twin(torch.tensor([IDS]), output_attentions=True).attentions
    assert sorted(found.patterns) == list(range(len(wanted)))
    for block, weights in enumerate(wanted):
        np.testing.assert_allclose(found.patterns[block], weights[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(found.patterns[block].sum(-1), 1, atol=1e-5)
        assert not np.triu(found.patterns[block], 1).any()
    assert found.switched_from == ("" if implementation == "eager" else implementation)
    assert subject.model.config._attn_implementation == implementation


def test_only_the_blocks_asked_for_are_kept() -> None:
    subject = lively("gpt2")
    assert sorted(attention_patterns(subject.opened, subject.anatomy, subject.tokens(), [2]).patterns) == [2]
    with pytest.raises(ModelError, match="Block 3 of GPT2LMHeadModel has no attention"):
        attention_patterns(subject.opened, subject.anatomy, subject.tokens(), [3])


def test_blocks_behind_the_last_one_asked_for_are_not_computed() -> None:
    subject = lively("gpt2")
    reached: list[int] = []
    with hooked(subject.module("transformer.h.2"), lambda tensor: reached.append(1), before=True):
        attention_patterns(subject.opened, subject.anatomy, subject.tokens(), [0, 1])
        assert reached == []
        attention_patterns(subject.opened, subject.anatomy, subject.tokens(), [2])
        assert reached == [1]


def test_a_model_that_cannot_be_switched_says_what_to_do() -> None:
    subject = lively("falcon")
    with pytest.raises(ModelError, match="open it again with attention 'eager'"):
        attention_patterns(subject.opened, subject.anatomy, subject.tokens())
    assert subject.model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(("family", "says"), [("mamba", "no heads|No attention"), ("t5", "two|one stack")])
def test_a_model_without_such_attention_says_so(family: str, says: str) -> None:
    subject = lively(family)
    with pytest.raises(ModelError, match=says):
        attention_patterns(subject.opened, subject.anatomy, subject.tokens())


def test_the_implementation_comes_back_and_no_hook_stays_whatever_happens() -> None:
    subject = lively("llama")

    def stop(_: torch.Tensor) -> torch.Tensor:
        raise StopForward

    with attach(subject.model, {"model.layers.0": FunctionController("x", stop, HookType.PRE_FORWARD)}):
        with pytest.raises(ModelError, match=r"model\.layers\.0\.self_attn: a hook stopped the forward"):
            attention_patterns(subject.opened, subject.anatomy, subject.tokens())
    with contextlib.suppress(KeyboardInterrupt), eager_attention(subject.opened) as switched_from:
        assert (switched_from, subject.model.config._attn_implementation) == ("sdpa", "eager")
        raise KeyboardInterrupt
    assert subject.model.config._attn_implementation == "sdpa"
    assert not any(hooks_of(module) for module in subject.model.modules())


def test_switching_does_not_change_what_the_model_computes_afterwards() -> None:
    subject = lively("qwen2")
    before = subject.logits()
    attention_patterns(subject.opened, subject.anatomy, subject.tokens())
    assert torch.equal(subject.logits(), before)


@torch.no_grad()
def decoded(model: Any) -> list[torch.Tensor]:
    """Logits of a prompt and of four tokens fed after it one by one, for a batch whose second prompt is padded."""
    ids = torch.tensor([IDS, IDS])
    mask = torch.ones_like(ids)
    mask[1, :2] = 0
    cache, found = None, []
    for step in range(5):
        out = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        cache, ids = out.past_key_values, torch.tensor([[IDS[step]], [IDS[step]]])
        mask = torch.cat([mask, torch.ones_like(ids)], 1)
        # What padding gives is nobody's business.
        found.append(out.logits[:, 2:] if not step else out.logits)
    return found


@pytest.mark.parametrize("family", SHOWN)
def test_where_one_block_is_watched_the_others_compute_as_before_and_the_numbers_stay(family: str) -> None:
    subject = lively(family)
    model: Any = subject.model
    before, configs = decoded(model), [getattr(module, "config", None) for module in model.modules()]
    twin: Any = copy.deepcopy(model)
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        wanted = twin(torch.tensor([IDS]), output_attentions=True).attentions[0]
    paths = [block.attention for block in subject.anatomy.blocks if block.attention]
    kept: list[torch.Tensor] = []

    def keep(module: Any, given: Any, output: Any) -> None:
        kept.extend(tensor for tensor in output if isinstance(tensor, torch.Tensor) and tensor.dim() == 4)

    with eager_attention(subject.opened) as switched_from:
        with eager_nowhere_else(subject.opened, switched_from, paths[1:]):
            own = [model.get_submodule(path) for path in paths[1:]]
            spared = [module for module in own if getattr(module, "config", None) is not None]
            if switched_from == "sdpa" and family in ("gpt2", "llama", "qwen2"):
                assert [module.config._attn_implementation for module in spared] == ["sdpa"] * len(own)
            during = decoded(model)
            handle = model.get_submodule(paths[0]).register_forward_hook(keep)
            with torch.no_grad():
                model(torch.tensor([IDS]))
            handle.remove()
        assert [getattr(module, "config", None) for module in model.modules()] == configs
    for one, other in zip(before, during, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert any(tensor.shape == wanted.shape and torch.allclose(tensor, wanted, atol=1e-6) for tensor in kept)
    assert all(torch.equal(one, other) for one, other in zip(before, decoded(model), strict=True))
