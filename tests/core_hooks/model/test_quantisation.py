"""Weights in fewer bits: offered where a library does it, counted before, and still taken apart after."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import torch

from core_hooks.model import quantisation
from core_hooks.model.anatomy import discover
from core_hooks.model.errors import ModelError
from core_hooks.model.estimate import estimate
from core_hooks.model.forward import forward
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.quantisation import NAMES, QUANTISATIONS, quantised_bytes
from core_hooks.model.readout import verify
from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.tiny import save_tokenizer, tiny_model

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_that_is_none_is_refused_with_those_that_are(gpt2_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"no quantisation 'fp3'; use none, bitsandbytes-8bit"):
        open_model(ModelReference(str(gpt2_folder), quantisation="fp3"))


def test_a_library_that_is_not_installed_is_named_with_how_to_get_it(
    gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_version(library: str) -> str:
        raise quantisation.PackageNotFoundError(library)

    monkeypatch.setattr(quantisation, "version", no_version)
    with pytest.raises(ModelError, match=r"torchao is not installed; install it with: pip install torchao"):
        open_model(ModelReference(str(gpt2_folder), quantisation="torchao-int8"))


def test_weights_that_are_stored_quantised_are_not_quantised_again(
    gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "version", lambda library: "1.0")
    config = tiny_model("llama").config
    quantised = type(config)(**{**config.to_dict(), "quantization_config": {"quant_method": "gptq", "bits": 4}})
    with pytest.raises(ModelError, match="quantised already .gptq"):
        quantisation.check_quantisation("torchao-int8", quantised)


def test_the_estimate_counts_linear_layers_and_leaves_embedding_unembedding_and_norms() -> None:
    model = tiny_model("llama")
    plain = quantised_bytes(model, "none")
    linear = [module.weight for module in model.model.layers.modules() if isinstance(module, torch.nn.Linear)]
    elements, rows = sum(weight.numel() for weight in linear), sum(weight.shape[0] for weight in linear)
    assert quantised_bytes(model, "torchao-int8") == plain - 4 * elements + elements + 4 * rows
    four = quantised_bytes(model, "bitsandbytes-4bit")
    assert plain - 4 * elements + elements // 2 < four < quantised_bytes(model, "torchao-int8")


def test_the_transposed_layers_of_gpt2_are_counted_only_where_they_are_converted() -> None:
    model = tiny_model("gpt2")
    assert quantised_bytes(model, "torchao-int8") == quantised_bytes(model, "none")
    assert quantised_bytes(model, "bitsandbytes-8bit") < 0.6 * quantised_bytes(model, "none")


def wide_llama(folder: Path) -> Path:
    """A random model with rows as long as the groups that share a scale."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=96, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=1,
        )
    ).save_pretrained(folder)  # fmt: skip
    save_tokenizer(folder)
    return folder


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_quantised_model_takes_what_was_estimated_runs_and_has_heads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = next(entry for entry in QUANTISATIONS if entry.name == name)
    if wanted.lacking():
        pytest.skip(wanted.lacking())
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    folder = wide_llama(tmp_path)
    reference = ModelReference(str(folder), quantisation=name)
    needed = estimate(reference).needed
    plain, opened = open_model(ModelReference(str(folder))), open_model(reference)
    assert opened.summary.parameters == plain.summary.parameters
    assert opened.summary.bytes < plain.summary.bytes
    assert opened.summary.bytes == pytest.approx(needed, rel=0.06)
    tokens = encode(opened, "the store went to Mary")
    both = [forward(model, tokens).losses[1:] for model in (plain, opened)]
    assert abs(both[0] - both[1]).max() < 0.5
    assert verify(opened, discover(opened)).reasons == ()
