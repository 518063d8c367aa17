"""Parts named by hand, on a model whose names say nothing to the search."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from core_hooks.model.anatomy import discover
from core_hooks.model.anatomy_correction import PARTS, corrected
from core_hooks.model.errors import ModelError
from core_hooks.model.opening import open_model
from core_hooks.model.readout import read_out, verify
from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.test_anatomy import observed
from tests.core_hooks.model.test_generation import PROMPT, opened
from tests.core_hooks.model.tiny import save_folder, tiny_model

if TYPE_CHECKING:
    from pathlib import Path


class Mixer(nn.Module):
    """Attention under names that nobody else uses."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.back = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in self.into(x).chunk(3, -1))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.back(mixed.transpose(1, 2).flatten(2))


class Stage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.mix, self.two = nn.LayerNorm(16), Mixer(), nn.LayerNorm(16)
        self.wide = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.mix(self.one(x))
        return x + self.wide(self.two(x))


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.stages = nn.Embedding(11, 16), nn.ModuleList([Stage() for _ in range(3)])
        self.settle, self.words = nn.LayerNorm(16), nn.Linear(16, 11)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.table(ids)
        for stage in self.stages:
            x = stage(x)
        return self.words(self.settle(x))


NAMES = (
    ("attention", "mix"),
    ("blocks", "stages"),
    ("embedding", "table"),
    ("final_norm", "settle"),
    ("heads", "4"),
    ("mlp", "wide"),
    ("output_projection", "mix.back"),
    ("unembedding", "words"),
)


def named(model: nn.Module, parts: tuple[tuple[str, str], ...]) -> Any:
    made = opened(model)
    made.summary = replace(made.summary, vocabulary=11, reference=replace(made.summary.reference, parts=parts))
    return made


def test_what_the_search_does_not_find_is_named_and_then_confirmed_on_the_model_itself() -> None:
    torch.manual_seed(0)
    model = Odd().eval()
    assert discover(model).lacks("unembedding")
    assert discover(model).lacks("heads")
    made = named(model, NAMES)
    anatomy = verify(made, discover(made))
    assert anatomy.reasons == ()
    assert (anatomy.final_norm, anatomy.readout) == ("settle", ("words",))
    assert [block.path for block in anatomy.blocks] == ["stages.0", "stages.1", "stages.2"]
    assert {(block.n_heads, block.head_dim) for block in anatomy.blocks} == {(4, 4)}
    seen: list[torch.Tensor] = []
    handle = model.stages[-1].register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad():
        logits = model(torch.tensor([[1, 2, 3]]))
        torch.testing.assert_close(read_out(model, anatomy, seen[0]), logits)
    handle.remove()


def test_a_name_that_is_right_in_form_and_wrong_in_fact_is_found_out() -> None:
    torch.manual_seed(0)
    others = (part for part in NAMES if part[0] != "unembedding")
    made = named(Odd().eval(), (*others, ("unembedding", "stages.0.mix.into")))
    assert "do not give the model's logits" in verify(made, discover(made)).lacks("unembedding")


@pytest.mark.parametrize(
    ("part", "path", "sentence"),
    [
        ("nose", "x", "no part called 'nose'; the parts are blocks"),
        ("final_norm", "transformer.lnf", "no module 'transformer.lnf' in GPT2LMHeadModel"),
        ("attention", "atn", "no module 'atn' in transformer.h.0"),
        ("heads", "five", "'five'; it must be a whole number"),
        ("heads", "5", "32 channels .* can't be split among 5 heads"),
        ("heads", "0", "can't be split among 0 heads"),
        ("key_value_heads", "3", "4 heads can't share 3"),
        ("output_projection", "ln_1", "is no linear layer"),
        ("blocks", "lm_head", "holds no modules"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(part: str, path: str, sentence: str) -> None:
    model = tiny_model("gpt2")
    with pytest.raises(ModelError, match=sentence):
        corrected(model, discover(model), {part: path})


def test_an_empty_name_says_that_there_is_no_such_part() -> None:
    model = tiny_model("gpt2")
    found = discover(model)
    bare = corrected(model, found, {"mlp": "", "unembedding": "", "attention": ""})
    assert "By what was named by hand" in bare.lacks("mlp")
    assert bare.lacks("heads")
    assert bare.lacks("unembedding")
    assert corrected(model, found, {}) == found
    whole = {"mlp": "mlp", "unembedding": "lm_head", "attention": "attn", "heads": "4"}
    assert corrected(model, bare, {**whole, "output_projection": "attn.c_proj"}).reasons == ()
    assert set(PARTS) >= {"blocks", "attention", "mlp", "final_norm", "unembedding"}


def test_names_go_with_the_reference_and_those_of_another_model_are_left_out_with_a_note(tmp_path: Path) -> None:
    folder = str(save_folder(tmp_path))
    kept = open_model(ModelReference(folder, parts=(("mlp", "ln_2"),)))
    assert discover(kept).blocks[1].mlp == "transformer.h.1.ln_2"
    other = open_model(ModelReference(folder, parts=(("blocks", "net.stages"),)))
    assert other.summary.reference.parts == ()
    assert "do not fit this model" in other.notes[0]
    assert discover(other) == discover(other.model)


WIDTHS = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "pad_token_id": 0}
OFFSET = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "pad_token_id": 0,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64,
    "vocab_size": 96, "decoder_vocab_size": 96, "eos_token_id": 1, "decoder_start_token_id": 0,
}  # fmt: skip
DISTIL = {"vocab_size": 96, "dim": 32, "hidden_dim": 48, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64}
ESM = {**WIDTHS, "num_attention_heads": 4, "mask_token_id": 3, "position_embedding_type": "rotary"}


@pytest.mark.parametrize(
    ("model_type", "auto", "settings"),
    [
        ("marian", "AutoModelForSeq2SeqLM", OFFSET),
        ("distilbert", "AutoModelForMaskedLM", DISTIL),
        ("esm", "AutoModelForMaskedLM", ESM),
    ],
)
def test_an_offset_an_activation_and_a_norm_after_the_blocks_are_found_where_a_forward_has_them(
    model_type: str, auto: str, settings: dict[str, Any]
) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(model_type, **settings)
    model = getattr(transformers, auto).from_config(config).eval()
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if tensor.is_floating_point() and (tensor.dim() == 1 or name == "final_logits_bias"):
                tensor.add_(torch.randn(tensor.shape) * 0.2)
    made = opened(model)
    anatomy = verify(made, discover(made))
    assert anatomy.reasons == ()
    assert (anatomy.logit_offset == "final_logits_bias") is (model_type == "marian")
    last = anatomy.blocks[-1].path
    seen, logits = observed(model, [last], PROMPT)
    output = seen[last][1]
    with torch.no_grad():
        lens = read_out(model, anatomy, output[0] if isinstance(output, tuple) else output)
    torch.testing.assert_close(lens, logits, rtol=1e-4, atol=1e-4)
