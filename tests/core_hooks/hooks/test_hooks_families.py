"""The hooks on random tiny models of many families, without knowing any of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn

from core_hooks import (
    AttentionPatternDetector,
    FunctionController,
    HookError,
    HookRun,
    LayerActivationDetector,
    ModelInputDetector,
    ModelOutputDetector,
    StatisticsDetector,
    attach,
)

_LLAMA_LIKE = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
}
_GPT2_LIKE = {"vocab_size": 32, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
_BERT_LIKE = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 34,
    "pad_token_id": 0,
}
# Family: model class, configuration class, its values, name of a block, name of its attention.
FAMILIES: dict[str, tuple[str, str, dict[str, Any], str, str]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", _GPT2_LIKE, "transformer.h.0", "attn"),
    "gpt_neox": (
        "GPTNeoXForCausalLM",
        "GPTNeoXConfig",
        {**_LLAMA_LIKE, "num_key_value_heads": None},
        "gpt_neox.layers.0",
        "attention",
    ),
    "opt": (
        "OPTForCausalLM",
        "OPTConfig",
        {**_LLAMA_LIKE, "ffn_dim": 32, "word_embed_proj_dim": 16},
        "model.decoder.layers.0",
        "self_attn",
    ),
    "bloom": (
        "BloomForCausalLM",
        "BloomConfig",
        {"vocab_size": 32, "hidden_size": 16, "n_layer": 2, "n_head": 2},
        "transformer.h.0",
        "self_attention",
    ),
    "llama": ("LlamaForCausalLM", "LlamaConfig", _LLAMA_LIKE, "model.layers.0", "self_attn"),
    "mistral": ("MistralForCausalLM", "MistralConfig", _LLAMA_LIKE, "model.layers.0", "self_attn"),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", _LLAMA_LIKE, "model.layers.0", "self_attn"),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {**_LLAMA_LIKE, "head_dim": 8}, "model.layers.0", "self_attn"),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", {**_LLAMA_LIKE, "head_dim": 8}, "model.layers.0", "self_attn"),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", {**_LLAMA_LIKE, "head_dim": 8}, "model.layers.0", "self_attn"),
    "phi": ("PhiForCausalLM", "PhiConfig", {**_LLAMA_LIKE, "num_key_value_heads": 2}, "model.layers.0", "self_attn"),
    "olmo": ("OlmoForCausalLM", "OlmoConfig", _LLAMA_LIKE, "model.layers.0", "self_attn"),
    "mixtral": (
        "MixtralForCausalLM",
        "MixtralConfig",
        {**_LLAMA_LIKE, "num_local_experts": 2, "num_experts_per_tok": 1},
        "model.layers.0",
        "self_attn",
    ),
    "mamba": (
        "MambaForCausalLM",
        "MambaConfig",
        {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4},
        "backbone.layers.0",
        "",
    ),
    "bert": ("BertForMaskedLM", "BertConfig", _BERT_LIKE, "bert.encoder.layer.0", "attention.self"),
    "roberta": ("RobertaForMaskedLM", "RobertaConfig", _BERT_LIKE, "roberta.encoder.layer.0", "attention.self"),
    "distilbert": (
        "DistilBertModel",
        "DistilBertConfig",
        {"vocab_size": 32, "dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 32},
        "transformer.layer.0",
        "attention",
    ),
    "t5": (
        "T5EncoderModel",
        "T5Config",
        {"vocab_size": 32, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2},
        "encoder.block.0",
        "layer.0.SelfAttention",
    ),
}
IDS = torch.tensor([[3, 7, 11, 2, 5]])


def build(family: str, attention: str | None = None) -> nn.Module:
    model_class, config_class, values, _, _ = FAMILIES[family]
    torch.manual_seed(0)
    config = getattr(transformers, config_class)(**values)
    if attention is not None:
        config._attn_implementation = attention
    return getattr(transformers, model_class)(config).eval()


def result_of(output: Any) -> torch.Tensor:
    return output.logits if getattr(output, "logits", None) is not None else output.last_hidden_state


@pytest.fixture(params=list(FAMILIES))
def family(request: Any) -> str:
    return request.param


def test_every_family_is_seen_steered_and_left_as_it_was(family: str) -> None:
    model, block = build(family), FAMILIES[family][3]
    detector, after = LayerActivationDetector(block), LayerActivationDetector(block, stage="after")
    given_to = LayerActivationDetector(block, hook_type="pre_forward")
    inputs, outputs = ModelInputDetector(save_attention_mask=True), ModelOutputDetector()
    statistics = StatisticsDetector(block)
    with torch.no_grad():
        clean = result_of(model(input_ids=IDS))
        hooks: dict[str, Any] = {
            block: [detector, given_to, statistics],
            "": [inputs, outputs],
        }
        with attach(model, hooks), HookRun(1) as run:
            watched = result_of(model(input_ids=IDS, attention_mask=torch.ones_like(IDS)))
        assert torch.allclose(watched, clean, atol=1e-6)
        assert not run.report().never_fired
        assert not run.report().found_nothing or getattr(model(input_ids=IDS), "logits", None) is None
        assert detector.get_captured().shape == given_to.get_captured().shape == (1, 5, 16)
        assert statistics.statistics.mean == pytest.approx(detector.get_captured().mean().item(), abs=1e-6)
        assert torch.equal(inputs.get_captured_input_ids(), IDS)
        assert inputs.get_captured_attention_mask().all()
        if outputs.get_captured_output_logits() is not None:
            assert torch.equal(outputs.get_captured_output_logits(), watched)
        with attach(model, {block: [FunctionController(block, lambda x: x + 3 * x.flip(-1)), detector, after]}):
            steered = result_of(model(input_ids=IDS))
        assert not torch.allclose(steered, clean, atol=1e-4)
        seen = detector.get_captured()
        assert torch.allclose(after.get_captured(), seen + 3 * seen.flip(-1), atol=1e-6)
        again = result_of(model(input_ids=IDS))
    assert torch.equal(again, clean)


@pytest.mark.parametrize("family", [family for family, parts in FAMILIES.items() if parts[4]])
def test_attention_called_by_keyword_is_steered_before_its_forward(family: str) -> None:
    _, _, _, block, attention = FAMILIES[family]
    model, site = build(family), f"{block}.{attention}"
    with torch.no_grad():
        clean = result_of(model(input_ids=IDS))
        with attach(model, {site: FunctionController(site, lambda x: x * 0, "pre_forward")}) as attachment:
            steered = result_of(model(input_ids=IDS))
    assert attachment.closed
    assert not torch.equal(steered, clean)


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert", "opt"])
def test_attention_patterns_need_eager_attention_and_say_so(family: str) -> None:
    _, _, _, block, attention = FAMILIES[family]
    site, detector = f"{block}.{attention}", AttentionPatternDetector("attention")
    with torch.no_grad():
        model = build(family, "eager")
        with attach(model, {site: detector}):
            model(input_ids=IDS)
        pattern = detector.get_captured()
        assert pattern.shape == (1, 2, 5, 5)
        assert torch.allclose(pattern.sum(-1), torch.ones(1, 2, 5), atol=1e-5)
        model = build(family, "sdpa")
        with attach(model, {site: detector}), pytest.raises(HookError, match="attn_implementation"):
            model(input_ids=IDS)


def test_the_steps_of_a_generation_are_all_kept() -> None:
    model = build("llama")
    joined = LayerActivationDetector("model.layers.0", keep="cat")
    every = LayerActivationDetector("model.layers.0", keep="all")
    mask = ModelInputDetector(save_attention_mask=True)
    with attach(model, {"model.layers.0": [joined, every], "": mask}), HookRun(1):
        generated = model.generate(IDS, max_new_tokens=4, do_sample=False, pad_token_id=0, eos_token_id=None)
    assert generated.shape == (1, 9)
    assert [capture.shape[1] for capture in every.captures] == [5, 1, 1, 1]
    assert joined.get_captured().shape == (1, 8, 16)
    with torch.no_grad(), attach(model, {"model.layers.0": joined}):
        model(generated[:, :-1])
    whole = joined.get_captured()
    assert torch.allclose(torch.cat([c.tensor for c in every.captures], 1), whole, atol=1e-5)


def test_hooks_work_on_a_model_that_accelerate_has_dispatched() -> None:
    accelerate = pytest.importorskip("accelerate")
    model = build("llama")
    with torch.no_grad():
        clean = model(IDS).logits
        # Weights wait elsewhere and are brought in by accelerate's own wrapping of each forward.
        accelerate.cpu_offload(model, execution_device="cpu")
        detector = LayerActivationDetector("model.layers.1")
        with attach(model, {"model.layers.1": [detector, FunctionController("l", lambda x: x * 2)]}):
            assert not torch.allclose(model(IDS).logits, clean)
        assert detector.get_captured().shape == (1, 5, 16)
        assert torch.equal(model(IDS).logits, clean)


def test_hidden_states_asked_for_are_found_in_a_causal_language_model() -> None:
    model, detector = build("gpt2"), ModelOutputDetector(save_output_hidden_state=True)
    with torch.no_grad(), attach(model, {"": detector}):
        output = model(IDS, output_hidden_states=True)
    assert torch.equal(detector.get_captured_output_hidden_state(), output.hidden_states[-1])


def test_a_controller_on_the_root_changes_the_logits_and_keeps_the_kind_of_output() -> None:
    model = build("gpt2")
    with torch.no_grad():
        clean = model(IDS, labels=IDS)
        with attach(model, {"": FunctionController("", lambda x: x * 2)}):
            changed = model(IDS, labels=IDS)
    assert type(changed) is type(clean)
    assert torch.equal(changed.logits, clean.logits * 2)
    assert torch.equal(changed["logits"], changed.logits)
    assert torch.equal(changed.loss, clean.loss)
