from __future__ import annotations

import contextlib
import copy
import re
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from torch import nn

from core_hooks.hooks.extraction import extract_tensor_from_output
from core_hooks.model import anatomy_search
from core_hooks.model.anatomy import Anatomy, Block, discover
from core_hooks.model.opened import OpenedModel
from core_hooks.model.readout import head_output, read_out, verify
from core_hooks.model.reference import ModelReference
from core_hooks.model.summary import summarise
from core_hooks.model.tree import build_tree
from tests.core_hooks.model.test_generation import PROMPT, opened, tiny
from tests.core_hooks.model.tiny import FAMILIES, tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator

WITH_HEADS = [name for name in FAMILIES if name != "mamba"]


def observed(model: nn.Module, sites: list[str], ids: list[int]) -> tuple[dict[str, Any], torch.Tensor]:
    """What each site was given and returned in one plain forward, and the logits."""
    seen: dict[str, Any] = {}

    def keep(site: str) -> Any:
        # Copies, because some blocks add to a part's output in place.
        return lambda module, args, output: seen.__setitem__(site, copy.deepcopy((args[0] if args else None, output)))

    handles = [model.get_submodule(site).register_forward_hook(keep(site)) for site in sites]
    inputs = {"input_ids": torch.tensor([ids])}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"]
    with torch.no_grad():
        logits = model(**inputs).logits
    for handle in handles:
        handle.remove()
    return seen, logits


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_logit_lens_of_the_last_block_is_the_models_logits(model_type: str) -> None:
    model = tiny(model_type)
    anatomy = verify(model, discover(model))
    last = anatomy.blocks[-1].path
    seen, logits = observed(model.model, [last], PROMPT)
    residual = extract_tensor_from_output(seen[last][1])
    assert residual is not None
    with torch.no_grad():
        torch.testing.assert_close(read_out(model.model, anatomy, residual), logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model_type", WITH_HEADS)
def test_the_head_slices_rebuild_what_attention_adds(model_type: str) -> None:
    model = tiny(model_type)
    anatomy = discover(model)
    seen, _ = observed(model.model, [block.output_projection for block in anatomy.blocks], PROMPT)
    for block in anatomy.blocks:
        mixed, output = seen[block.output_projection]
        projection = model.model.get_submodule(block.output_projection)
        assert block.n_heads == 4
        assert [s.stop - s.start for s in block.head_slices] == [8] * 4
        assert mixed.shape[-1] == block.head_slices[-1].stop
        with torch.no_grad():
            total = sum(head_output(projection, mixed, head) for head in block.head_slices)
            bias = projection.bias if projection.bias is not None else 0
            torch.testing.assert_close(total + bias, output, rtol=1e-4, atol=1e-5)


VALUES = ("v_proj", "value", "v")  # what the projection of the values is called where it is a module of its own


@pytest.mark.parametrize("model_type", [name for name in WITH_HEADS if name not in ("phi3", "falcon", "bloom")])
def test_each_slice_is_what_its_head_attends_to(model_type: str) -> None:
    model = tiny_model(model_type)
    anatomy = discover(model)
    block = anatomy.blocks[1]
    attention = model.get_submodule(block.attention)
    projection = next((n for n, _ in attention.named_modules() if n.rpartition(".")[2] in VALUES), "")
    fused = next((n for n in ("c_attn", "query_key_value") if hasattr(attention, n)), "")
    values_at = f"{block.attention}.{projection or fused}"
    sites = [values_at, block.output_projection]
    with eager(model):
        seen, _ = observed(model, [*sites, *giving_weights(model, block)], PROMPT)
    given = [part for site in seen if site not in sites for part in seen[site][1][1:]]
    weights = next(p for p in given if p is not None and p.dim() == 4 and torch.allclose(p.sum(-1), torch.ones(())))
    assert weights.shape[1] == block.n_heads
    values = seen[values_at][1][0]
    if fused == "query_key_value":
        values = values.unflatten(-1, (block.n_heads, 3, block.head_dim))[:, :, 2]
    else:
        values = values[..., -block.n_kv_heads * block.head_dim :].unflatten(-1, (block.n_kv_heads, block.head_dim))
    mixed = seen[block.output_projection][0][0]
    for index, head in enumerate(block.head_slices):
        expected = weights[0, index] @ values[:, block.key_value_head(index)]
        torch.testing.assert_close(mixed[:, head], expected, rtol=1e-4, atol=1e-5)


@contextlib.contextmanager
def eager(model: Any) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def giving_weights(model: nn.Module, block: Block) -> list[str]:
    """The attention itself, or the module inside it that returns the weights."""
    attention = model.get_submodule(block.attention)
    inner = [n for n, m in attention.named_modules() if n and "attention" in type(m).__name__.lower()]
    return [block.attention, *(f"{block.attention}.{name}" for name in inner)]


@pytest.mark.parametrize(
    ("model_type", "key_value_heads"),
    [("gpt2", 4), ("llama", 2), ("phi3", 2), ("falcon", 1), ("bloom", 4), ("gpt_neox", 4), ("qwen3", 2), ("t5", 4)],
)
def test_key_and_value_heads_are_counted_from_the_weights(model_type: str, key_value_heads: int) -> None:
    block = discover(tiny_model(model_type)).blocks[1]
    assert block.n_kv_heads == key_value_heads
    assert [block.key_value_head(index) for index in range(4)] == [i * key_value_heads // 4 for i in range(4)]


@pytest.mark.parametrize(
    ("model_type", "attention", "projection", "mlp"),
    [
        ("gpt2", "transformer.h.1.attn", "c_proj", "transformer.h.1.mlp"),
        ("mixtral", "model.layers.1.self_attn", "o_proj", "model.layers.1.mlp"),
        ("opt", "model.decoder.layers.1.self_attn", "out_proj", "model.decoder.layers.1.fc2"),
        ("falcon", "transformer.h.1.self_attention", "dense", "transformer.h.1.mlp"),
        ("bert", "bert.encoder.layer.1.attention", "output.dense", "bert.encoder.layer.1.output.dense"),
        ("t5", "decoder.block.1.layer.0.SelfAttention", "o", "decoder.block.1.layer.2.DenseReluDense"),
        ("gpt_neo", "transformer.h.1.attn.attention", "out_proj", "transformer.h.1.mlp"),
    ],
)
def test_the_parts_of_a_block_are_found(model_type: str, attention: str, projection: str, mlp: str) -> None:
    block = discover(tiny_model(model_type)).blocks[1]
    assert (block.attention, block.output_projection, block.mlp) == (attention, f"{attention}.{projection}", mlp)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_attention_and_mlp_are_what_is_added_to_the_residual_stream(model_type: str) -> None:
    if model_type in ("bert", "olmo2", "gemma2", "gemma3_text", "granite", "mamba", "bloom"):
        pytest.skip("here a norm or a factor stands between part and stream, or the parts add the stream themselves")
    model = tiny(model_type)
    block = discover(model).blocks[1]
    parts = [part for part in (block.attention, block.cross_attention, block.mlp) if part]
    assert len(parts) == (3 if model_type == "t5" else 2)
    before = discover(model).blocks[0].path
    seen, _ = observed(model.model, [before, block.path, *parts], PROMPT)
    total = extract_tensor_from_output(seen[before][1])
    for part in parts:
        total = total + extract_tensor_from_output(seen[part][1])
    torch.testing.assert_close(total, extract_tensor_from_output(seen[block.path][1]), rtol=1e-4, atol=1e-4)


def test_an_encoder_decoder_has_the_blocks_of_both_sides() -> None:
    anatomy = discover(tiny_model("t5"))
    assert [block.path for block in anatomy.blocks] == [f"decoder.block.{i}" for i in range(3)]
    assert [block.path for block in anatomy.encoder_blocks] == [f"encoder.block.{i}" for i in range(3)]
    assert anatomy.blocks[0].cross_attention == "decoder.block.0.layer.1.EncDecAttention"
    assert anatomy.encoder_blocks[0].cross_attention == ""


def test_a_factor_between_readout_and_logits_is_measured() -> None:
    for model_type, factor in {"cohere": 0.5, "granite": 0.5, "t5": 32**-0.5, "gpt2": 1.0}.items():
        model = tiny(model_type)
        assert verify(model, discover(model)).logit_scale == pytest.approx(factor, rel=1e-4)


def test_what_an_architecture_lacks_is_named() -> None:
    anatomy = discover(tiny_model("mamba"))
    assert "MambaForCausalLM" in anatomy.lacks("heads")
    assert anatomy.lacks("unembedding") == ""
    assert len(anatomy.residual_sites) == 3
    bare = discover(nn.Linear(2, 2))
    assert bare.blocks == ()
    assert "no blocks" in bare.lacks("blocks")
    body = discover(tiny_model("gpt2").transformer)
    assert "GPT2Model" in body.lacks("unembedding")
    with pytest.raises(ValueError, match="GPT2Model"):
        read_out(tiny_model("gpt2").transformer, body, torch.zeros(1, 2, 32))


# What is no stream of one vector a token that blocks hand on, and why; no other family is known to be refused.
_UNREADABLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "longformer": (
        "AutoModelForMaskedLM",
        {"attention_window": [4, 4], "max_position_embeddings": 130},
        "work on 8 places where it gives logits for 6 tokens",
    ),
    "prophetnet": ("AutoModelForSeq2SeqLM", {"decoder_start_token_id": 1}, "work on 18 places"),
    "reformer": (
        "AutoModelForCausalLM",
        {
            "attn_layers": ["local", "local"], "attention_head_size": 8, "axial_pos_shape": [8, 8], "is_decoder": True,
            "axial_pos_embds_dim": [16, 16], "max_position_embeddings": 64, "local_attn_chunk_length": 8,
        },
        "do not give the model's logits",
    ),
    "xlm": ("AutoModelForMaskedLM", {"emb_dim": 32, "n_layers": 2, "n_heads": 4}, "do not give the model's logits"),
    "flaubert": ("AutoModelForMaskedLM", {"emb_dim": 32, "n_layers": 2, "n_heads": 4}, "give the model's logits"),
    "funnel": (
        "AutoModelForMaskedLM",
        {"d_model": 32, "d_head": 8, "d_inner": 48, "block_sizes": [2, 2], "n_head": 4},
        "was never called or gave no tensor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("model_type", _UNREADABLE)
def test_an_architecture_without_one_residual_stream_is_refused_with_the_reason(model_type: str) -> None:
    auto, settings, reason = _UNREADABLE[model_type]
    usual = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
        "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "num_encoder_layers": 2, "num_decoder_layers": 2,
        "num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4, "max_position_embeddings": 64,
    }  # fmt: skip
    config = transformers.AutoConfig.for_model(model_type, vocab_size=96)
    accepted = {name: value for name, value in usual.items() if name in config.to_dict()}
    config = transformers.AutoConfig.for_model(model_type, vocab_size=96, **{**accepted, **settings})
    torch.manual_seed(3)
    model = getattr(transformers, auto).from_config(config).eval()
    tree = build_tree(model)
    made = OpenedModel(model, None, tree, summarise(model, tree, ModelReference(model_type), model_type, False))
    anatomy = verify(made, discover(made))
    assert reason in anatomy.lacks("unembedding")
    with pytest.raises(ValueError, match=re.escape(anatomy.lacks("unembedding"))):
        read_out(model, anatomy, torch.zeros(1, 2, 32))


def test_a_block_without_heads_refuses_to_name_one() -> None:
    with pytest.raises(ValueError, match="no head 0"):
        Block("h.0").head(0)
    with pytest.raises(ValueError, match="no head 4"):
        discover(tiny_model("gpt2")).blocks[0].head(4)


def test_a_wrong_anatomy_is_found_out_and_corrected_by_hand() -> None:
    model = tiny("gpt2")
    right = discover(model)
    wrong = verify(model, right.with_(final_norm="transformer.h.0.ln_1"))
    assert "logits can't be read" in wrong.lacks("unembedding")
    assert verify(model, wrong.with_(final_norm="transformer.ln_f", unembedding="lm_head")) == verify(model, right)
    wrong = verify(model, right.with_block(1, n_heads=3))
    assert "transformer.h.1" in wrong.lacks("heads")
    assert right.with_block(1, mlp="").blocks[1].mlp == ""


def test_a_verification_leaves_no_hook_behind_even_when_the_model_fails() -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Sequential(nn.Linear(2, 2)) for _ in range(2)])

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("broken on purpose")

    model = opened(Failing())
    anatomy = verify(model, discover(model))
    assert "broken on purpose" in anatomy.lacks("unembedding")
    assert not any(module._forward_hooks for module in model.model.modules())


def test_an_anatomy_is_found_without_weights_and_without_running() -> None:
    # Made first: it is shared, and would be without weights for every test after this one.
    model = tiny_model("llama")
    with torch.device("meta"):
        meta = type(model)(model.config)
    assert discover(meta) == discover(model)


def test_every_path_is_a_module_of_the_tree() -> None:
    for model_type in FAMILIES:
        anatomy, tree = discover(tiny_model(model_type)), build_tree(tiny_model(model_type))
        for block in (*anatomy.blocks, *anatomy.encoder_blocks):
            for path in (block.attention, block.output_projection, block.mlp, block.cross_attention, *block.norms):
                assert path in tree
                assert not path or path.startswith(block.path + ".")
        for path in (anatomy.embedding, anatomy.final_norm, anatomy.unembedding, *anatomy.readout):
            assert path in tree


def renaming(root: nn.Module, anatomy: Anatomy) -> Anatomy:
    return anatomy.with_(final_norm="chosen by a plugin")


def failing(root: nn.Module, anatomy: Anatomy) -> Anatomy:
    raise RuntimeError("this plugin is broken")


def test_plugins_correct_what_was_found_and_a_broken_one_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugins = [
        EntryPoint("broken", f"{__name__}:failing", "core_hooks.anatomy"),
        EntryPoint("renaming", f"{__name__}:renaming", "core_hooks.anatomy"),
    ]
    monkeypatch.setattr(anatomy_search, "entry_points", lambda group: plugins if group == "core_hooks.anatomy" else [])
    assert __name__ in sys.modules
    assert discover(tiny_model("gpt2")).final_norm == "chosen by a plugin"
    assert "broken failed" in caplog.text
