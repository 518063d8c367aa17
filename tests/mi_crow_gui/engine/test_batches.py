"""Batches through the service: frames, outcomes, steps and kept runs are those of each prompt alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core_hooks.model.batch import row_seed
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
from mi_crow_gui.plotdata.prompt_frame import frame_of_prompt, was_kept

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from pytestqt.qtbot import QtBot

    from mi_crow_gui.engine.messages import RunOutcome
    from mi_crow_gui.engine.service import ModelService
    from mi_crow_gui.plotdata.frame import Frame

PROMPTS = ["w1 w2 w3 w4 w5", "w9", "w7 w8 w7"]
TEXT = "\n".join(PROMPTS)
SITE = "transformer.h.1"
SETTINGS = GenerationSettings(max_new_tokens=4)


def run(qtbot: QtBot, service: ModelService, kind: str, text: str = TEXT, **options: Any) -> RunOutcome:
    options.setdefault("batch", True)
    with qtbot.waitSignal(service.runFinished, timeout=20_000) as blocker:
        assert service.start(kind, text, options.pop("settings", SETTINGS), **options)  # type: ignore[arg-type]
    return blocker.args[0]


def frame(service: ModelService) -> Frame:
    (update,) = service.frames().values()
    return update.frame


def test_every_line_of_a_batch_is_a_prompt_of_its_own(
    qtbot: QtBot, service: ModelService, plain: Callable[[str, str], tuple[torch.Tensor, torch.Tensor]]
) -> None:
    service.set_hooks([HookSpec(SITE)])
    outcome = run(qtbot, service, "run", f"{PROMPTS[0]}\n\n  \n{PROMPTS[1]}\r\n{PROMPTS[2]}\n")
    assert outcome.info.texts == tuple(PROMPTS)
    assert [len(one.losses) for one in outcome.prompts] == [5, 1, 3]
    whole = frame(service)
    assert whole.shape == (3, 5, 32)
    for number, prompt in enumerate(PROMPTS):
        values, logits = plain(prompt, SITE)
        mine = frame_of_prompt(whole, number)
        np.testing.assert_allclose(mine.values, values.numpy(), atol=1e-4)
        assert (mine.tokens, mine.prompt, mine.prompts) == (tuple(prompt.split()), number, 3)
        probabilities = logits[0].softmax(-1)
        for place, word in enumerate(outcome.of_prompt(number).info.tokens.ids[1:]):
            found = outcome.of_prompt(number).probabilities[place + 1]
            assert found == pytest.approx(float(probabilities[place, word]), abs=1e-4)
    counted = [loss for one in outcome.prompts for loss in one.losses[1:]]
    assert outcome.loss == pytest.approx(float(np.mean(counted)))


def test_a_generated_batch_is_each_prompt_generated_alone(qtbot: QtBot, service: ModelService) -> None:
    service.set_hooks([HookSpec(SITE)])
    outcome = run(qtbot, service, "generate")
    whole = frame(service)
    assert outcome.text.count("\n") == 2
    for number, prompt in enumerate(PROMPTS):
        alone = run(qtbot, service, "generate", prompt, batch=False)
        mine = frame_of_prompt(whole, number)
        one = outcome.of_prompt(number)
        assert [step.token_id for step in one.generated] == [step.token_id for step in alone.generated]
        assert (one.info.prompt, one.info.rows, one.stopped) == (prompt, (), "length")
        np.testing.assert_allclose(mine.values, frame(service).values, atol=1e-4)
        assert mine.tokens == frame(service).tokens
        assert mine.first_token == 0


def test_steps_of_a_batch_continue_every_prompt(qtbot: QtBot, service: ModelService) -> None:
    service.set_hooks([HookSpec(SITE)])
    whole = run(qtbot, service, "generate")
    continued: Any = ()
    for step in range(3):
        outcome = run(qtbot, service, "step", continued=continued)
        for one, complete in zip(outcome.prompts, whole.prompts, strict=True):
            assert one.generated[0].token_id == complete.generated[step].token_id
        tokens = type(outcome.info.tokens)
        continued = tuple(
            tokens(
                (*one.info.tokens.ids[len(one.info.tokens) - step :], one.generated[0].token_id),
                (*one.info.tokens.texts[len(one.info.tokens) - step :], one.generated[0].text),
                (False,) * (step + 1),
            )
            for one in outcome.prompts
        )


def test_sampled_rows_draw_with_seeds_of_their_own(qtbot: QtBot, service: ModelService) -> None:
    settings = GenerationSettings(max_new_tokens=5, temperature=2.0, seed=4)
    outcome = run(qtbot, service, "generate", "w1\nw1\nw1", settings=settings)
    drawn = [[step.token_id for step in one.generated] for one in outcome.prompts]
    assert len({tuple(ids) for ids in drawn}) > 1
    own = GenerationSettings(max_new_tokens=5, temperature=2.0, seed=row_seed(4, 2))
    alone = run(qtbot, service, "generate", "w1", settings=own, batch=False)
    assert [step.token_id for step in alone.generated] == drawn[2]


def test_a_stopped_batch_keeps_what_every_prompt_has(qtbot: QtBot, service: ModelService) -> None:
    seen: list[Any] = []

    def stop(steps: Any) -> None:
        seen.append(steps)
        service.stop()

    # The second step never ends by itself: only Stop can end it, however fast or busy the machine is.
    waits = "import time\ndef control(x, ctx):\n    while ctx.step:\n        time.sleep(0.01)\n    return x"
    service.set_hooks([HookSpec(SITE, kind=CONTROLLER, code=waits)])
    service.promptStepsArrived.connect(stop)
    outcome = run(qtbot, service, "generate", settings=GenerationSettings(max_new_tokens=50))
    assert outcome.stopped == "cancelled"
    assert [len(one.generated) for one in outcome.prompts] == [1, 1, 1]
    assert [len(step) for step in seen[0]] == [1, 1, 1]


def test_a_controller_reaches_one_prompt_of_the_batch(qtbot: QtBot, service: ModelService) -> None:
    code = (
        "def control(x, ctx):\n"
        "    x = x.clone()\n"
        "    for row in ctx.rows:\n"
        "        if row.prompt == 2:\n"
        "            x[row.index, row.columns.start:row.columns.stop] = row.positions.stop\n"
        "    return x\n"
    )
    service.set_hooks([HookSpec(SITE, kind=CONTROLLER, code=code), HookSpec(SITE, stage="after")])
    run(qtbot, service, "generate")
    values = frame(service)
    assert values.stage == "after"
    np.testing.assert_array_equal(frame_of_prompt(values, 2).values[0, :, 0], [3, 3, 3, 4, 5, 6])
    assert not np.isin(frame_of_prompt(values, 1).values, [3, 4, 5, 6]).any()


def test_a_batch_beyond_the_budget_keeps_its_first_prompts_and_says_so(qtbot: QtBot, service: ModelService) -> None:
    service.memory_budget = 2 * 5 * 32 * 4
    service.set_hooks([HookSpec(SITE)])
    run(qtbot, service, "run")
    whole = frame(service)
    assert (whole.dropped_prompts, whole.values.shape) == (1, (2, 5, 32))
    assert [was_kept(frame_of_prompt(whole, number)) for number in range(3)] == [True, True, False]
    assert frame_of_prompt(whole, 2).values.size == 0


def test_a_kept_batch_has_every_prompt_and_says_why_there_are_no_logits(qtbot: QtBot, service: ModelService) -> None:
    service.set_hooks([HookSpec(SITE)])
    outcome = run(qtbot, service, "generate")
    kept = service.kept(outcome.info.number)
    assert kept is not None
    assert [len(row) for row in kept.rows] == [9, 5, 7]
    assert kept.logits is None
    assert "batch" in kept.no_logits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n \n", "The batch is empty"),
        ("w1\n" + "w2 " * 70, "Prompt 2 of 2: The prompt has 70 tokens"),
    ],
)
def test_a_batch_that_cannot_run_says_why(qtbot: QtBot, service: ModelService, text: str, words: str) -> None:
    with qtbot.waitSignal(service.failed, timeout=20_000) as blocker:
        service.start("run", text, SETTINGS, batch=True)
    assert words in blocker.args[0].message


def test_a_line_break_in_a_single_prompt_is_a_part_of_it(qtbot: QtBot, service: ModelService) -> None:
    outcome = run(qtbot, service, "run", batch=False)
    assert len(outcome.info.tokens) == 9
    assert outcome.info.rows == ()
