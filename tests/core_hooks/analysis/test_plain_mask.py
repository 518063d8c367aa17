"""Masks of a single new token are all zeros, at no cost, and what is computed with them is the same to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from core_hooks.analysis.plain_mask import plain_masks

SMALL: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "attn_implementation": "eager",
}


def models() -> dict[str, Any]:
    torch.manual_seed(0)
    gpt2 = GPT2Config(vocab_size=32, n_embd=16, n_layer=2, n_head=2, n_positions=32, attn_implementation="eager")
    sliding = MistralConfig(**SMALL, sliding_window=3)
    made = {
        "gpt2": GPT2LMHeadModel(gpt2),
        "llama": LlamaForCausalLM(LlamaConfig(**SMALL)),
        "sliding": MistralForCausalLM(sliding),
    }
    return {name: model.eval() for name, model in made.items()}


@torch.no_grad()
def written(model: Any, rows: list[list[int]], padding: list[list[int]] | None = None) -> list[torch.Tensor]:
    """Logits of every forward while six tokens are written one by one."""
    ids, found, cache = torch.tensor(rows), [], None
    mask = torch.tensor(padding) if padding is not None else None
    for _ in range(6):
        out = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        cache, ids = out.past_key_values, out.logits[:, -1:].argmax(-1)
        mask = torch.cat([mask, torch.ones_like(ids)], 1) if mask is not None else None
        found.append(out.logits)
    return found


@pytest.mark.parametrize("name", ["gpt2", "llama", "sliding"])
@pytest.mark.parametrize("padding", [None, [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]])
def test_logits_are_the_same_to_the_last_bit(name: str, padding: list[list[int]] | None) -> None:
    model = models()[name]
    rows = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    before = written(model, rows, padding)
    with plain_masks():
        after = written(model, rows, padding)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)


def test_the_usual_masks_come_back_whatever_happens() -> None:
    usual = ALL_MASK_ATTENTION_FUNCTIONS["eager"]
    with plain_masks():
        assert ALL_MASK_ATTENTION_FUNCTIONS["eager"] is not usual
    assert ALL_MASK_ATTENTION_FUNCTIONS["eager"] is usual
    with pytest.raises(ZeroDivisionError), plain_masks():
        raise ZeroDivisionError
    assert ALL_MASK_ATTENTION_FUNCTIONS["eager"] is usual


def test_a_single_new_token_costs_the_usual_masks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    usual = ALL_MASK_ATTENTION_FUNCTIONS["eager"]

    def counted(*args: Any, **options: Any) -> Any:
        asked.append(options.get("q_length") or args[1])
        return usual(*args, **options)

    ALL_MASK_ATTENTION_FUNCTIONS["eager"] = counted
    try:
        with plain_masks():
            written(models()["llama"], [[1, 2, 3, 4, 5]])
    finally:
        ALL_MASK_ATTENTION_FUNCTIONS["eager"] = usual
    assert asked == [5]
