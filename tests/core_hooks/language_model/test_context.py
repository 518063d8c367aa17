"""What the parts of a language model share."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch

from core_hooks.hooks import FunctionController, LayerActivationDetector
from core_hooks.language_model.context import LanguageModelContext, special_token_ids
from core_hooks.language_model.language_model import LanguageModel
from tests.core_hooks.language_model.conftest import make_gpt2, make_tokenizer

if TYPE_CHECKING:
    from core_hooks.capture.local_store import LocalStore


def test_a_context_has_the_documented_fields_and_defaults() -> None:
    context = LanguageModelContext()
    assert context.device == "cpu"
    for name in ("language_model", "model_id", "tokenizer_params", "model_params", "dtype", "model"):
        assert getattr(context, name) is None
    assert context.tokenizer is context.store is context.special_token_ids is None


def test_a_language_model_fills_its_context(lm: LanguageModel) -> None:
    context = lm.context
    assert context.language_model is lm
    assert context.model is lm.model
    assert context.tokenizer is lm.tokenizer
    assert context.store is lm.store
    assert (context.model_id, context.device, context.dtype) == ("GPT2LMHeadModel", "cpu", torch.float32)
    assert isinstance(context.device, str)
    assert context.special_token_ids == {0, 1, 2}


def test_special_ids_come_from_all_special_ids() -> None:
    assert special_token_ids(SimpleNamespace(all_special_ids=[3, 5, 3], eos_token_id=9)) == {3, 5}


def test_without_all_special_ids_they_come_from_the_token_id_attributes_with_lists_flattened() -> None:
    tokenizer = SimpleNamespace(eos_token_id=[1, [2]], pad_token_id=0, bos_token_id=None, name="x", n_token_id="7")
    assert special_token_ids(tokenizer) == {0, 1, 2}
    assert special_token_ids(None) == set()


def test_d64_dropping_the_language_model_frees_the_model_without_the_cycle_collector(store: LocalStore) -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), store)
    lm.ensure_input_tracker().enable()
    detector = LayerActivationDetector("transformer.h.0")
    lm.layers.register_hook("transformer.h.0", detector)
    lm.layers.register_hook("transformer.h.1", FunctionController("transformer.h.1", lambda x: x))
    lm.inference.execute_inference(["the cat"])
    model = weakref.ref(lm.model)
    gc.collect()
    gc.disable()
    try:
        del lm
        assert model() is None
    finally:
        gc.enable()
    assert detector.context is None


def test_d64_layers_and_inference_work_as_long_as_they_are_held(store: LocalStore) -> None:
    layers = LanguageModel(make_gpt2(), make_tokenizer(), store).layers
    assert "transformer.h.0" in layers.names.positions
    engine = LanguageModel(make_gpt2(), make_tokenizer(), store).inference
    output, _ = engine.execute_inference(["the cat"])
    assert output.logits.shape == (1, 2, 50)
