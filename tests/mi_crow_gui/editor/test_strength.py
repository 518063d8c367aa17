"""The slider for the strength in the real window: when it is there, what it changes, and when that acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QDoubleSpinBox, QPlainTextEdit, QSlider, QSpinBox

from mi_crow_gui.document.session_codec import workspace_from_data, workspace_to_data
from mi_crow_gui.document.strength import DEFAULT, Strength, read, written

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

SITE = "transformer.h.1.mlp"
PROMPT = "marble owl ticket Grace storm marble owl"
SCALED = "lambda x, ctx: x * ctx.strength"


@pytest.fixture
def ready(driver: Driver) -> Driver:
    driver.open_demo()
    driver.prompt(PROMPT)
    return driver


def slider(driver: Driver) -> Any:
    return driver.find(QSlider, "strengthSlider")


def test_the_slider_is_there_for_a_text_that_asks_for_the_strength_alone(ready: Driver) -> None:
    ready.select(SITE)
    edit = ready.find(QPlainTextEdit, "controllerEdit")
    edit.setPlainText("lambda x: x * 2")
    assert not slider(ready).isVisible()
    edit.setPlainText(SCALED)
    assert slider(ready).isVisible()
    edit.setPlainText(SCALED + " +")
    assert slider(ready).isVisible(), "in the middle of typing it stays"
    ready.select("transformer.h.0.mlp")
    assert not slider(ready).isVisible()


def test_the_strength_changes_what_the_next_run_gives_and_undo_takes_a_drag_back_at_once(ready: Driver) -> None:
    clean = ready.run()
    ready.write_controller(SITE, SCALED)
    np.testing.assert_array_equal(ready.run().losses, clean.losses)
    for place in (150, 120, 100):
        slider(ready).setValue(place)
    box = ready.find(QDoubleSpinBox, "strengthValue")
    assert box.value() == -2.0
    turned = ready.run()
    assert not np.array_equal(turned.losses[1:], clean.losses[1:])
    ready.act("undo")
    assert box.value() == 1.0
    np.testing.assert_array_equal(ready.run().losses, clean.losses)
    assert ready.find(QPlainTextEdit, "controllerEdit").toPlainText() == SCALED
    ready.act("redo")
    assert (box.value(), slider(ready).value()) == (-2.0, 100)
    np.testing.assert_array_equal(ready.run().losses, turned.losses)


def test_a_strength_that_was_set_before_applying_is_applied_with_the_text(ready: Driver) -> None:
    clean = ready.run()
    ready.select(SITE)
    ready.find(QPlainTextEdit, "controllerEdit").setPlainText(SCALED)
    ready.find(QDoubleSpinBox, "strengthValue").setValue(0)
    ready.find(QAbstractButton, "controllerApply").click()
    assert not np.array_equal(ready.run().losses[1:], clean.losses[1:])
    ready.act("undo")
    np.testing.assert_array_equal(ready.run().losses, clean.losses)


def test_the_slider_acts_while_a_text_is_generated_without_a_new_hook(ready: Driver, qtbot: QtBot) -> None:
    text = (
        "def control(x, ctx):\n    seen = ctx.state.setdefault('seen', [])\n    seen.append(ctx.strength)\n"
        "    assert len(seen) == ctx.step + 1, 'another hook began anew'\n    return x * ctx.strength\n"
    )
    ready.write_controller(SITE, text)
    ready.find(QSpinBox, "maxNewTokens").setValue(60)
    service = ready.window.service
    failures: list[Any] = []
    service.hookFailed.connect(failures.append)
    arrived: list[int] = []

    def turn(steps: Any) -> None:
        arrived.append(len(steps))
        slider(ready).setValue(max(0, 200 - 4 * len(steps)))

    service.stepsArrived.connect(turn)
    outcome = ready.run("generate")
    assert len(outcome.generated) == 60
    assert failures == []
    assert arrived
    assert ready.find(QDoubleSpinBox, "strengthValue").value() < 1


def test_the_ends_can_be_moved_and_a_number_beyond_them_moves_them(ready: Driver, qtbot: QtBot) -> None:
    ready.write_controller(SITE, SCALED)
    value, least, most = (
        ready.find(QDoubleSpinBox, name) for name in ("strengthValue", "strengthLeast", "strengthMost")
    )
    most.setValue(2)
    least.setValue(0)
    assert slider(ready).value() == 200
    value.setValue(7.5)
    assert (most.value(), slider(ready).value()) == (7.5, 400)
    least.setValue(9)
    assert least.value() == 0, "ends that are not in order are no range"
    slider(ready).setFocus()
    qtbot.keyClick(slider(ready), Qt.Key.Key_Home)
    assert value.value() == 0


def test_strengths_are_read_back_from_a_session_and_nonsense_is_no_strength() -> None:
    from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
    from mi_crow_gui.document.workspace import Workspace

    strength = Strength(0.25, -1.0, 3.0)
    hook = HookSpec(SITE, CONTROLLER, code=SCALED, options=written((("other", "1"),), strength))
    kept, _ = workspace_from_data(workspace_to_data(Workspace(hooks=(hook,))))
    assert read(kept.hooks[0]) == strength
    assert dict(kept.hooks[0].options)["other"] == "1"
    assert written(hook.options, DEFAULT) == (("other", "1"),)
    for wrong in ("NaN", "[]", "true", "1e400", "", "Infinity"):
        assert read(HookSpec(SITE, CONTROLLER, options=(("strength", wrong),))) == DEFAULT
    assert read(HookSpec(SITE, CONTROLLER, options=(("strength", "9"),))) == Strength(9.0, -4.0, 9.0)
