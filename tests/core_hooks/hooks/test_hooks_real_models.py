"""The hooks on trained models: the demo model, and SmolLM2 where a copy is at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core_hooks import (
    FunctionController,
    HookRun,
    LayerActivationDetector,
    ModelInputDetector,
    ModelOutputDetector,
    ProjectOutController,
    StatisticsDetector,
    StopAfter,
    attach,
)

DEMO = Path(__file__).parents[3] / "resources" / "demo_model"
SMOLLM = os.environ.get("MI_CROW_SMOLLM")


@pytest.fixture(
    params=[
        pytest.param((str(DEMO), "transformer.h"), id="demo"),
        pytest.param(
            (SMOLLM, "model.layers"),
            id="smollm",
            marks=[pytest.mark.smollm, pytest.mark.skipif(not SMOLLM, reason="MI_CROW_SMOLLM is not set")],
        ),
    ]
)
def loaded(request: Any) -> Any:
    folder, blocks = request.param
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    encoding = AutoTokenizer.from_pretrained(folder)("the cat sat on the mat", return_tensors="pt")
    encoding.pop("token_type_ids", None)
    count = len(model.get_submodule(blocks))
    return model, encoding, [f"{blocks}.{index}" for index in range(count)]


@torch.no_grad()
def test_a_trained_model_is_watched_steered_stopped_and_left_as_it_was(loaded: Any) -> None:
    model, encoding, blocks = loaded
    clean = model(**encoding).logits
    names = [name for name, _ in model.named_modules() if name]
    hooks: dict[str, list[Any]] = {name: [LayerActivationDetector(name)] for name in names}
    hooks[""] = [inputs, outputs] = [ModelInputDetector(save_attention_mask=True), ModelOutputDetector()]
    statistics = StatisticsDetector(blocks[-1])
    hooks[blocks[-1]].append(statistics)
    with attach(model, hooks), HookRun(1) as run:
        watched = model(**encoding).logits
    assert torch.equal(watched, clean)
    assert not run.report().failed
    assert torch.equal(outputs.get_captured_output_logits(), clean)
    assert torch.equal(inputs.get_captured_input_ids(), encoding["input_ids"])
    states = model(**encoding, output_hidden_states=True).hidden_states
    for name, state in zip(blocks[:-1], states[1:], strict=False):
        assert torch.equal(hooks[name][0].get_captured(), state)
    last = hooks[blocks[-1]][0].get_captured()
    assert torch.allclose(statistics.token_norms, last.norm(dim=-1))
    direction = torch.randn(last.shape[-1])
    after = LayerActivationDetector(blocks[-1], stage="after")
    with attach(model, {blocks[-1]: [ProjectOutController("last", direction), after]}):
        assert not torch.equal(model(**encoding).logits, clean)
    assert (after.get_captured() @ direction).abs().max() < 1e-3 * last.norm(dim=-1).max()
    with attach(model, {blocks[1]: FunctionController("second", lambda x: x * 0)}):
        assert not torch.equal(model(**encoding).logits, clean)
    with StopAfter(model, blocks[:2]) as stop:
        model(**encoding)
    assert stop.stopped
    assert torch.equal(model(**encoding).logits, clean)
