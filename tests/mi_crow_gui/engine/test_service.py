"""The model service against plain torch, and against everything that goes wrong."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
from mi_crow_gui.engine.service import ModelService
from tests.mi_crow_gui.stopwatch import within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from pytestqt.qtbot import QtBot

    Plain = Callable[[str, str], tuple[torch.Tensor, torch.Tensor]]

SETTINGS = GenerationSettings(max_new_tokens=12)
PROMPT = "w1 w2 w3 w4 w5 w1 w2"
SITE = "transformer.h.1.attn"


def run(qtbot: QtBot, service: ModelService, kind: Any = "run", prompt: str = PROMPT, **options: Any) -> Any:
    with qtbot.waitSignal(service.runFinished, timeout=20_000) as blocker:
        assert service.start(kind, prompt, options.pop("settings", SETTINGS), **options)
    return blocker.args[0]


def controller(code: str, site: str = SITE) -> HookSpec:
    return HookSpec(site, kind=CONTROLLER, code=code)


def test_what_is_captured_equals_a_plain_torch_hook_exactly(qtbot: QtBot, service: ModelService, plain: Plain) -> None:
    service.set_hooks([HookSpec(SITE)])
    outcome = run(qtbot, service)
    expected, logits = plain(PROMPT, SITE)
    np.testing.assert_array_equal(service.latest(SITE), expected.numpy())
    ids = list(outcome.info.tokens.ids)
    losses = -logits[0].log_softmax(-1)[range(len(ids) - 1), ids[1:]]
    np.testing.assert_allclose(outcome.losses[1:], losses.numpy(), rtol=1e-5)
    assert np.isnan(outcome.losses[0])


def test_a_generation_joins_its_tokens_and_equals_one_forward_over_all(
    qtbot: QtBot, service: ModelService, plain: Plain
) -> None:
    service.set_hooks([HookSpec(SITE)])
    outcome = run(qtbot, service, "generate")
    assert len(outcome.generated) == 12
    text = PROMPT + " " + " ".join(step.text.strip() for step in outcome.generated[:-1])
    (update,) = service.frames().values()
    expected, _ = plain(text, SITE)
    np.testing.assert_allclose(update.frame.values, expected.numpy(), atol=1e-5)
    assert update.frame.step == 11
    assert len(update.frame.tokens) == update.frame.values.shape[1] == 18
    assert not update.frame.live


def test_detector_and_controller_share_a_layer_in_the_stated_order(
    qtbot: QtBot, service: ModelService, plain: Plain
) -> None:
    before, after = HookSpec(SITE), HookSpec(SITE, stage="after")
    service.set_hooks([after, controller("lambda x: x * 2"), before, controller("lambda x: x + 1")])
    run(qtbot, service)
    expected, _ = plain(PROMPT, SITE)
    frames = {hook_id: update.frame.values for hook_id, update in service.frames().items()}
    np.testing.assert_array_equal(frames[before.id], expected.numpy())
    np.testing.assert_array_equal(frames[after.id], (expected * 2 + 1).numpy())
    np.testing.assert_array_equal(service.latest(SITE), frames[after.id])


def test_a_controller_changes_the_model_and_its_removal_gives_the_same_bits_as_before(
    qtbot: QtBot, service: ModelService
) -> None:
    clean = run(qtbot, service)
    service.set_hooks([controller("lambda x: x * 0")])
    changed = run(qtbot, service)
    service.set_hooks([])
    again = run(qtbot, service)
    assert not np.array_equal(clean.losses[1:], changed.losses[1:])
    np.testing.assert_array_equal(clean.losses, again.losses)
    assert [c.logit for c in clean.candidates] == [c.logit for c in again.candidates]


@pytest.mark.parametrize(
    ("code", "words", "line"),
    [
        ("def control(x, ctx):\n    y = x\n    raise KeyError('mine')", "mine", 3),
        ("def control(x):\n    return 'text'", "returned a str", 2),
        ("def control(x):\n    return x[:, :2]", "is needed", 2),
        ("import torch\ndef control(x):\n    return x * float('nan')", "NaN", 3),
        ("def control(x):\n    return control(x)", "recursion", 2),
        ("def control(x:\n    return x", "was never closed", 1),
    ],
)
def test_a_controller_that_cannot_work_is_off_after_one_message_and_the_run_is_clean(
    qtbot: QtBot, service: ModelService, code: str, words: str, line: int
) -> None:
    clean = run(qtbot, service)
    failures: list[Any] = []
    service.hookFailed.connect(failures.append)
    service.set_hooks([controller(code)])
    outcome = run(qtbot, service, "generate")
    assert len(failures) == 1
    assert words in failures[0].message
    assert "\n" not in failures[0].message
    assert failures[0].line == line
    assert "Traceback" in failures[0].details
    np.testing.assert_array_equal(outcome.losses, clean.losses)
    assert len(outcome.generated) == 12


def test_stop_ends_a_generation_within_one_token(qtbot: QtBot, service: ModelService) -> None:
    arrived: list[Any] = []

    def stop_at_three(steps: Any) -> None:
        arrived.append(len(steps))
        if len(steps) >= 3:
            service.stop()

    # From the fourth step on only Stop ends a step, however fast or busy the machine is.
    waits = "import time\ndef control(x, ctx):\n    while ctx.step > 2:\n        time.sleep(0.01)\n    return x"
    service.set_hooks([controller(waits)])
    service.stepsArrived.connect(stop_at_three)
    outcome = run(qtbot, service, "generate", settings=GenerationSettings(max_new_tokens=50))
    assert outcome.stopped == "cancelled"
    assert len(outcome.generated) == 3


def test_a_controller_that_loops_forever_is_ended_by_stop_within_two_seconds(
    qtbot: QtBot, service: ModelService
) -> None:
    service.set_hooks([controller("def control(x):\n    while True:\n        pass")])
    with qtbot.waitSignal(service.runStarted):
        service.start("run", PROMPT, SETTINGS)
    qtbot.waitUntil(lambda: service._guard._thread is not None)
    with within(2), qtbot.waitSignal(service.runFinished) as blocker:
        service.stop()
    assert blocker.args[0].stopped == "cancelled"
    service.set_hooks([HookSpec(SITE)])
    assert run(qtbot, service).stopped == "done"


def test_hooks_changed_during_a_generation_act_from_the_next_token(
    qtbot: QtBot, service: ModelService, tmp_path: Path
) -> None:
    # The third step waits for the change, however fast or busy the machine is.
    changed = tmp_path / "changed"
    waits = (
        "import pathlib, time\n"
        "def control(x, ctx):\n"
        f"    while ctx.step > 1 and not pathlib.Path({str(changed)!r}).exists():\n"
        "        time.sleep(0.01)\n"
        "    return x"
    )
    slow = controller(waits, "transformer.h.0")
    service.set_hooks([slow])

    detector = HookSpec(SITE)

    def add(steps: Any) -> None:
        # Steps arrive several at a time; the same specs again change nothing.
        if len(steps) >= 2:
            service.set_hooks([slow, detector])
            changed.touch()

    service.stepsArrived.connect(add)
    outcome = run(qtbot, service, "generate", settings=GenerationSettings(max_new_tokens=20))
    (update,) = service.frames().values()
    assert 0 < update.frame.values.shape[1] < len(outcome.generated)
    assert update.frame.first_token >= len(outcome.info.tokens)


@pytest.mark.parametrize(("prompt", "words"), [("", "prompt"), ("   ", "prompt"), (" ".join(["w1"] * 65), "64")])
def test_a_prompt_that_cannot_run_is_one_sentence_and_the_model_stays(
    qtbot: QtBot, service: ModelService, prompt: str, words: str
) -> None:
    with qtbot.waitSignal(service.failed, timeout=5_000) as blocker:
        service.start("run", prompt, SETTINGS)
    failure = blocker.args[0]
    assert words in failure.message
    assert "\n" not in failure.message
    assert service.state == "ready"
    assert run(qtbot, service).stopped == "done"


def test_a_model_that_cannot_be_opened_leaves_the_previous_one_usable(
    qtbot: QtBot, service: ModelService, tmp_path: Path
) -> None:
    with qtbot.waitSignal(service.failed, timeout=10_000) as blocker:
        service.open(ModelReference(str(tmp_path)))
    assert "config.json" in blocker.args[0].message
    assert service.state == "ready"
    assert run(qtbot, service).stopped == "done"


def test_opening_another_model_takes_the_hooks_along(qtbot: QtBot, service: ModelService, tiny_folder: Path) -> None:
    service.set_hooks([HookSpec(SITE), HookSpec("no.such.layer")])
    states: list[Any] = []
    service.hookStates.connect(states.append)
    with qtbot.waitSignal(service.modelOpened, timeout=20_000):
        service.open(ModelReference(str(tiny_folder)))
    run(qtbot, service)
    assert service.latest(SITE) is not None
    first, second = states[-1]
    assert first.attached
    assert first.fired == 1
    assert not second.attached
    assert "no layer 'no.such.layer'" in second.error


def test_only_one_thing_goes_on_at_a_time(qtbot: QtBot, service: ModelService, tiny_folder: Path) -> None:
    with qtbot.waitSignal(service.runFinished, timeout=10_000):
        assert service.start("generate", PROMPT, SETTINGS)
        assert service.start("run", PROMPT, SETTINGS) == 0
        assert not service.open(ModelReference(str(tiny_folder)))


def test_untrusted_and_disabled_code_never_runs(qtbot: QtBot, service: ModelService) -> None:
    clean = run(qtbot, service)
    code = "lambda x: x * 0"
    service.set_hooks(
        [
            HookSpec(SITE, kind=CONTROLLER, code=code, trusted=False),
            HookSpec(SITE, kind=CONTROLLER, code=code, enabled=False),
        ]
    )
    np.testing.assert_array_equal(run(qtbot, service).losses, clean.losses)


def test_controllers_can_be_left_out_of_one_run(qtbot: QtBot, service: ModelService) -> None:
    clean = run(qtbot, service)
    service.set_hooks([controller("lambda x: x * 0")])
    np.testing.assert_array_equal(run(qtbot, service, controllers=False).losses, clean.losses)
    assert not np.array_equal(run(qtbot, service).losses[1:], clean.losses[1:])


def test_shutting_down_while_running_ends_the_thread(qtbot: QtBot, tiny_folder: Path) -> None:
    service = ModelService()
    service.open(ModelReference(str(tiny_folder)))
    qtbot.waitUntil(lambda: service.state == "ready", timeout=20_000)
    service.set_hooks([controller("def control(x):\n    while True:\n        pass")])
    with qtbot.waitSignal(service.runStarted):
        service.start("run", PROMPT, SETTINGS)
    service.shutdown()
    assert not service._thread.isRunning()


def test_shutting_down_while_loading_ends_the_thread(qtbot: QtBot, tiny_folder: Path) -> None:
    service = ModelService()
    service.open(ModelReference(str(tiny_folder)))
    service.shutdown()
    assert not service._thread.isRunning()


def test_no_torch_work_happens_in_the_gui_thread(qtbot: QtBot, service: ModelService) -> None:
    code = "import threading\ndef control(x, ctx):\n    raise RuntimeError(str(threading.get_ident()))"
    failures: list[Any] = []
    service.hookFailed.connect(failures.append)
    service.set_hooks([controller(code)])
    run(qtbot, service)
    assert failures[0].message != str(threading.get_ident())
