"""A script's own detectors as what controllers may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from core_hooks import LayerActivationDetector
from core_hooks.hooks.attachment import attach
from core_hooks.hooks.run import HookRun
from core_hooks.model.controller_context import Surroundings
from core_hooks.model.detected_values import DetectedValues
from core_hooks.model.forward import forward
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.reference import ModelReference
from core_hooks.model.user_controller import UserController
from tests.core_hooks.model.tiny import save_folder

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "transformer.h.0.mlp", "transformer.h.1.mlp"


def test_controllers_find_what_detectors_of_this_run_and_of_a_kept_one_hold(tmp_path: Path) -> None:
    opened = open_model(ModelReference(str(save_folder(tmp_path / "model"))))
    tokens, others = encode(opened, "Mary went to the store"), encode(opened, "John went to the store")
    before, after, ingoing, result = (
        LayerActivationDetector(FIRST, keep="cat"),
        LayerActivationDetector(FIRST, stage="after", keep="cat"),
        LayerActivationDetector(FIRST, hook_type="pre_forward", keep="cat"),
        LayerActivationDetector(SECOND, stage="after"),
    )
    values = DetectedValues(3, others, [before, after, ingoing])
    assert values.find(FIRST) is None
    around = Surroundings(sites=[FIRST, SECOND])
    doubled = UserController("d", FIRST, "lambda x: x * 2", surroundings=around)
    asking = UserController(
        "a", SECOND, f"lambda x, ctx: ctx.capture('{FIRST}') - ctx.run('A').capture('{FIRST}')", surroundings=around
    )
    for code in (doubled, asking):
        code.begin(1, tokens)
    hooks = {FIRST: [ingoing, before, *doubled.hooks()[FIRST], after]}
    with attach(opened.model, hooks), HookRun(number=3) as run:
        forward(opened, others, run=run)
    kept = values.kept()
    own, inputs = kept.find(FIRST), kept.find(FIRST, "input")
    assert own is not None
    assert inputs is not None
    assert torch.equal(torch.as_tensor(own.values), before.get_captured() * 2)
    assert torch.equal(torch.as_tensor(inputs.values), ingoing.get_captured())
    assert (kept.number, kept.tokens, kept.prompt_tokens, set(kept.sites())) == (3, others, 5, {FIRST})
    around.kept, around.run = {"A": kept}, DetectedValues(4, tokens, [before, after])
    with attach(opened.model, {**hooks, SECOND: [*asking.hooks()[SECOND], result]}), HookRun(number=4) as run:
        forward(opened, tokens, run=run)
    assert torch.equal(result.get_captured(), after.get_captured() - torch.as_tensor(own.values))
    assert not torch.equal(result.get_captured()[:, :1], torch.zeros_like(result.get_captured()[:, :1]))
    opened.close()
