"""The classic experiments on the demo model, through actions and clicks alone, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QLineEdit, QPushButton

from mi_crow_gui.plotdata.head_map import SCORES

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.experiments.conftest import Lab

KINDS = [name for name, _ in SCORES]


class Counted:
    """What a person does, each counted: an action of the menu, a click, one text typed to its Enter."""

    def __init__(self, lab: Lab, qtbot: QtBot) -> None:
        self.lab, self.qtbot, self.count = lab, qtbot, 0

    def act(self, name: str) -> None:
        self.count += 1
        action = self.lab.window.findChild(QAction, name)
        assert action.isEnabled(), name
        action.trigger()

    def click(self, name: str) -> None:
        self.count += 1
        button = self.lab.window.findChild(QPushButton, name)
        assert button is not None, name
        assert button.isVisible()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def type(self, name: str, text: str) -> None:
        self.count += 1
        edit = self.lab.window.findChild(QLineEdit, name)
        edit.setFocus()
        edit.selectAll()
        self.qtbot.keyClicks(edit, text)
        self.qtbot.keyClick(edit, Qt.Key.Key_Return)


@pytest.fixture
def hand(lab: Lab, qtbot: QtBot) -> Counted:
    return Counted(lab, qtbot)


def drawn(hand: Counted, kind: str) -> Any:
    panel = hand.lab.panel(kind)
    hand.lab.shown(panel)
    hand.lab.idle()
    return panel


def test_induction_heads_are_found_by_1_action_and_zeroed_with_their_loss_seen_by_3(hand: Counted) -> None:
    whole = hand.lab.driver.run()
    hand.act("mapHeads")
    content = drawn(hand, "head_map").drawing.content
    assert hand.count == 1
    scores = content.scores[KINDS.index("induction")]
    assert {(int(b), int(h)) for b, h in np.argwhere(scores > 0.5)} == {(1, head) for head in range(4)}

    hand.count = 0
    hand.act("zeroHeads")
    finished: list[Any] = []
    hand.lab.window.service.runFinished.connect(finished.append)
    dialog = hand.lab.window.findChild(QDialog, "zeroHeadsDialog")
    assert dialog.heads == tuple(sorted(dialog.heads, key=lambda place: -scores[place]))
    hand.click("zeroHeadsOk")
    hand.qtbot.waitUntil(lambda: bool(finished), timeout=20_000)
    hand.lab.window.service.runFinished.disconnect(finished.append)
    assert hand.count <= 3
    second = slice(13, None)
    assert whole.losses[second].mean() < 0.5
    assert finished[0].losses[second].mean() > 5
    assert f"{finished[0].loss:.3f}"[:4] in hand.lab.window.status._loss.text()
    hand.lab.driver.act("undo")
    assert hand.lab.driver.run().loss == pytest.approx(whole.loss, abs=1e-6)


def test_one_prompt_is_patched_into_another_by_3_actions(hand: Counted) -> None:
    hand.lab.driver.prompt("When Mary and John went to the store , John gave a drink to")
    hand.act("patchPrompts")
    hand.lab.idle()
    hand.type("patching_corrupted", "When Mary and John went to the store , Mary gave a drink to")
    hand.qtbot.waitUntil(
        lambda: (d := hand.lab.panel("patching").drawing) is not None and d.content.made, timeout=20_000
    )
    assert hand.count <= 3
    content = hand.lab.panel("patching").drawing.content
    assert content.recovered[0].argmax() == 9
    assert content.recovered[0, 9] == pytest.approx(1, abs=0.05)


def test_the_model_is_steered_by_4_actions(hand: Counted) -> None:
    hand.lab.driver.prompt("When Mary and John went to the store , Mary gave a drink to")
    assert hand.lab.driver.run().candidates[0].text.strip() == "John"
    hand.act("steer")
    hand.lab.idle()
    hand.click("steeringMeasure")
    panel = drawn(hand, "steering")
    hand.click("steeringApply")
    hand.qtbot.waitUntil(lambda: any("ctx.vector" in hook.code for hook in hand.lab.store.workspace.hooks))
    finished: list[Any] = []
    hand.lab.window.service.runFinished.connect(finished.append)
    hand.act("run")
    hand.qtbot.waitUntil(lambda: bool(finished), timeout=20_000)
    hand.lab.window.service.runFinished.disconnect(finished.append)
    assert hand.count == 4
    # What the curve promises at strength 1 is what the run gives.
    content = panel.drawing.content
    mary, john = (next(c.logit for c in finished[0].candidates if c.text.strip() == name) for name in ("Mary", "John"))
    column = int(np.flatnonzero(content.strengths == 1)[0])
    assert mary - john == pytest.approx(content.values[panel.row, column], abs=1e-2)
