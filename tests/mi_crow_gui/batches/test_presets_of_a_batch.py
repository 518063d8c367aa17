"""Controllers from presets give every prompt of a batch what they would give it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtWidgets import QAbstractButton, QMenu, QSpinBox

from tests.mi_crow_gui.batches.conftest import PROMPTS, SITE

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.batches.conftest import Batches

ACTS_AT = "transformer.h.0"
PROJECTION = "transformer.h.1.attn.c_proj"


def choose(batches: Batches, site: str, *titles: str) -> None:
    """Choose a preset in the menu and apply it."""
    batches.driver.select(site)
    menu = batches.driver.find(QMenu, "presetMenu")
    for title in titles:
        (action,) = (action for action in menu.actions() if action.text() == title)
        menu = action.menu()
    action.trigger()
    batches.driver.find(QAbstractButton, "controllerApply").click()


def values(batches: Batches, outcome: Any) -> list[np.ndarray]:
    """What each prompt of a run left at the captured site, by the plot of each."""
    panel = batches.only("heatmap")
    batches.driver.select(SITE)
    found = []
    for number in range(len(outcome.prompts)):
        if len(outcome.prompts) > 1:
            batches.click(number, 0)
        found.append(batches.shown(panel, number, outcome.info.number).rows.values.copy())
    return found


@pytest.mark.parametrize("action", ["run", "generate"])
@pytest.mark.parametrize(
    ("site", "titles"),
    [
        (ACTS_AT, ("Mean", "Whole site")),
        (ACTS_AT, ("Noise", "Whole site")),
        (ACTS_AT, ("Noise", "Token range")),
        (ACTS_AT, ("Zero", "Token range")),
        (PROJECTION, ("Mean", "One head", "Head 1")),
        (ACTS_AT, ("Mean", "Chosen steps")),
    ],
    ids=str,
)
def test_a_preset_gives_each_prompt_of_a_batch_what_it_gives_it_alone(
    batches: Batches, site: str, titles: tuple[str, ...], action: str
) -> None:
    batches.driver.find(QSpinBox, "maxNewTokens").setValue(3)
    undisturbed = values(batches, batches.run(action=action))
    choose(batches, site, *titles)
    together = batches.run(action=action)
    of_batch = values(batches, together)
    for number, prompt in enumerate(PROMPTS):
        batches.type([prompt], batch=False)
        alone = batches.driver.run(action)
        (of_one,) = values(batches, alone)
        np.testing.assert_allclose(of_batch[number], of_one, atol=2e-4)
        np.testing.assert_allclose(together.prompts[number].losses[1:], alone.losses[1:], atol=2e-4)
        assert [step.token_id for step in together.prompts[number].generated] == [
            step.token_id for step in alone.generated
        ]
    moved = [np.abs(new - old[: len(new)])[:4].max() for new, old in zip(of_batch, undisturbed, strict=True)]
    assert max(moved) > 1e-2, "the preset acts"


def test_a_preview_is_of_the_selected_prompt_and_takes_its_own_values_of_another_run(
    batches: Batches, qtbot: QtBot
) -> None:
    driver, window = batches.driver, batches.window
    driver.select(SITE)
    first = batches.run()
    window.service.pin(first.info.number, "A")
    # Another prompt that is as long, and the other two as they were.
    batches.run([" ".join(reversed(PROMPTS[0].split())), *PROMPTS[1:]])
    menu = driver.find(QMenu, "presetMenu")
    for title in ("Replace from another run", "Whole site"):
        (action,) = (action for action in menu.actions() if action.text() == title)
        menu = action.menu()
    action.trigger()
    for number, prompt in enumerate(PROMPTS):
        batches.click(number, 0)
        with qtbot.waitSignal(window.service.taskEnded, timeout=20_000) as ended:
            qtbot.waitUntil(driver.find(QAbstractButton, "controllerPreview").isEnabled, timeout=20_000)
            driver.find(QAbstractButton, "controllerPreview").click()
        result = ended.args[0].content
        assert result.problem == ""
        assert result.request.record.shape == (1, len(prompt.split()), 128)
        if number == 0:
            assert result.changed > 128
        else:
            # The same prompt went through the same model: what it is replaced by is what is there.
            assert max(-result.difference.minimum, result.difference.maximum) < 1e-4
