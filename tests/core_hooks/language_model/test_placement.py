"""A model is moved only when asked, and never when moving would break it."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from core_hooks.hooks import LayerActivationDetector
from core_hooks.language_model.language_model import LanguageModel
from core_hooks.language_model.placement import input_device, place
from tests.core_hooks.language_model.conftest import make_gpt2, make_tokenizer


def test_d60_without_a_device_the_model_stays_where_it_is() -> None:
    model = nn.Linear(2, 2, device="meta")
    assert place(model, None) == "meta"
    assert model.weight.is_meta


def test_d60_a_meta_model_can_be_wrapped_and_hooked() -> None:
    config = make_gpt2().config
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    lm = LanguageModel(model, make_tokenizer(), None)
    assert lm.context.device == "meta"
    lm.layers.register_hook("transformer.h.0", LayerActivationDetector("transformer.h.0"))


def test_d60_a_meta_model_runs_and_tells_shapes() -> None:
    lm = LanguageModel(nn.Sequential(nn.Embedding(50, 4, device="meta")), make_tokenizer(), None)
    detector = LayerActivationDetector("0")
    lm.layers.register_hook("0", detector)
    output, encodings = lm.inference.execute_inference(["the cat"])
    assert output.is_meta
    assert encodings["input_ids"].is_meta
    assert detector.metadata["activations_shape"] == (1, 2, 4)


def test_d60_a_meta_model_is_not_moved_even_when_asked(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Linear(2, 2, device="meta")
    with caplog.at_level(logging.WARNING):
        assert place(model, "cpu") == "meta"
    assert model.weight.is_meta
    assert "is not moved to cpu: it is without weights" in caplog.text


def test_d60_a_quantised_model_is_not_moved(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Linear(2, 2)
    model.is_quantized = True  # type: ignore[assignment]
    assert place(model, "meta") == "cpu"
    assert not model.weight.is_meta
    assert "quantised" in caplog.text


def test_d60_a_model_spread_over_devices_is_not_moved(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model.hf_device_map = {"0": "cpu", "1": "disk"}  # type: ignore[assignment]
    assert place(model, "meta") == "cpu"
    assert "spread over several devices" in caplog.text


def test_inputs_of_a_model_spread_over_devices_do_not_go_where_nothing_is_computed() -> None:
    model = nn.Linear(2, 2, device="meta")
    model.hf_device_map = {"": "disk"}  # type: ignore[assignment]
    assert input_device(model) == "cpu"


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu")])
def test_d23_a_device_with_an_index_is_accepted(device: str | torch.device) -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), None, device=device)
    assert lm.context.device == str(device)
    output, _ = lm.inference.execute_inference(["the cat"])
    assert output.logits.shape == (1, 2, 50)


def test_a_device_that_is_none_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="'gpu' is no device"):
        LanguageModel(make_gpt2(), make_tokenizer(), None, device="gpu")


def test_a_module_without_parameters_takes_its_inputs_on_the_cpu() -> None:
    assert place(nn.ReLU(), None) == "cpu"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_model_is_moved_to_the_gpu_when_asked_and_inputs_follow() -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), None, device="cuda")
    output, encodings = lm.inference.execute_inference(["the cat"], autocast=False)
    assert encodings["input_ids"].is_cuda
    assert output.logits.dtype is torch.float32
    spread = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).cuda())
    spread.hf_device_map = {"0": "cpu", "1": 0}  # type: ignore[assignment]
    assert input_device(spread) == "cuda:0"
    half, _ = lm.inference.execute_inference(["the cat"])
    assert half.logits.dtype is torch.float16
