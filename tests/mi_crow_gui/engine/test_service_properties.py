"""Whatever is attached, detached, raised and cancelled, in whatever order: the model ends as it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core_hooks.hooks.registration import hooks_of
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from mi_crow_gui.engine.service import ModelService

SITES = [
    "",
    "transformer",
    "transformer.h.0",
    "transformer.h.1.attn",
    "transformer.h.2.mlp.c_proj",
    "lm_head",
    "nowhere",
]
CODES = [
    "lambda x: x * 2",
    "lambda x: x[:1, :1]",
    "def control(x, ctx):\n    raise ValueError(ctx.step)",
    "def control_input(x):\n    return x * 0",
    "def control(x):\n    return x.nothing",
    "def control(x:",
    "def control(x):\n    import torch\n    return torch.full_like(x, float('inf'))",
]
captures = st.builds(HookSpec, site=st.sampled_from(SITES), stage=st.sampled_from(["before", "after"]))
controllers = st.builds(
    HookSpec, site=st.sampled_from(SITES), kind=st.just(CONTROLLER), code=st.sampled_from(CODES), enabled=st.booleans()
)
acts = st.one_of(
    st.tuples(st.just("hooks"), st.lists(captures | controllers, max_size=4)),
    st.tuples(st.sampled_from(["run", "generate", "cancel", "retry"]), st.none()),
)
SETTINGS = GenerationSettings(max_new_tokens=4)
PROMPT = "w1 w2 w3"


def finish(qtbot: QtBot, service: ModelService, kind: Any, *, cancel: bool = False) -> Any:
    with qtbot.waitSignal(service.runFinished, timeout=20_000) as blocker:
        assert service.start(kind, PROMPT, SETTINGS)
        if cancel:
            service.stop()
    return blocker.args[0]


@settings(max_examples=25)
@given(sequence=st.lists(acts, min_size=1, max_size=6))
def test_no_order_of_acts_leaves_a_trace(qtbot: QtBot, service: ModelService, sequence: list[tuple[str, Any]]) -> None:
    service.set_hooks([])
    before = finish(qtbot, service, "run")
    specs: list[HookSpec] = []
    for name, given_specs in sequence:
        if name == "hooks":
            specs = given_specs
            service.set_hooks(specs)
        elif name == "retry":
            service.retry([spec.id for spec in specs])
        else:
            finish(qtbot, service, "generate" if name == "cancel" else name, cancel=name == "cancel")
    service.set_hooks([])
    after = finish(qtbot, service, "run")
    np.testing.assert_array_equal(after.losses, before.losses)
    assert [candidate.logit for candidate in after.candidates] == [candidate.logit for candidate in before.candidates]
    model = service._worker._model
    assert model is not None
    assert [name for name, module in model.model.named_modules() if hooks_of(module)] == []
    assert service.state == "ready"
