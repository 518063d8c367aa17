"""Patching through the window: prompts side by side, the map, and one place that is dragged or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtCore import QByteArray, QMimeData, QPointF, Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QLabel, QPushButton

from mi_crow_gui.panels.plots.pair_strip import CELL_MIME, PairStrip

if TYPE_CHECKING:
    from tests.mi_crow_gui.experiments.conftest import Lab, PlainModel

A = "When Mary and John went to the store , John gave a drink to"
B = "When Mary and John went to the store , Mary gave a drink to"
CHANGED = 9


class Plain:
    """Patching by plain hooks on the plain model."""

    def __init__(self, plain: PlainModel) -> None:
        self.plain = plain
        self.words = [int(self.last(text).argmax()) for text in (A, B)]

    def last(self, text: str) -> torch.Tensor:
        return self.plain(self.plain.ids(text)).logits[0, -1]

    def difference(self, text: str) -> float:
        last = self.last(text)
        return float(last[self.words[0]] - last[self.words[1]])

    def patched(self, block: int, source: int, target: int, target_block: int | None = None) -> torch.Tensor:
        kept: list[torch.Tensor] = []
        blocks = self.plain.model.transformer.h

        def keep(_: Any, args: Any, output: Any) -> None:
            kept.append((output if isinstance(output, torch.Tensor) else output[0]).clone())

        handle = blocks[block].register_forward_hook(keep)
        self.last(A)
        handle.remove()

        def put(_: Any, args: Any, output: Any) -> Any:
            new = (output if isinstance(output, torch.Tensor) else output[0]).clone()
            new[0, target] = kept[0][0, source]
            return new if isinstance(output, torch.Tensor) else (new, *output[1:])

        handle = blocks[block if target_block is None else target_block].register_forward_hook(put)
        last = self.last(B)
        handle.remove()
        return last

    def recovered(self, block: int, source: int, target: int) -> float:
        last = self.patched(block, source, target)
        whole, nothing = self.difference(A), self.difference(B)
        return (float(last[self.words[0]] - last[self.words[1]]) - nothing) / (whole - nothing)


def side_by_side(lab: Lab, clean: str = A, corrupted: str = B) -> Any:
    lab.driver.prompt(clean)
    panel = lab.act("patchPrompts", "patching")
    lab.idle()
    lab.choose(panel, "corrupted", corrupted)
    lab.qtbot.waitUntil(lambda: panel.drawing is not None and not panel.stale, timeout=8_000)
    lab.idle()
    return panel


def test_the_prompts_stand_over_each_other_before_anything_is_computed(lab: Lab) -> None:
    panel = side_by_side(lab)
    content = panel.drawing.content
    assert not content.made
    assert np.isnan(content.recovered).all()
    assert content.recovered.shape == (4, 14)
    assert panel.header.field("clean").text() == A
    strip = panel.findChild(PairStrip, "promptPair")
    assert strip.accessibleDescription() == "Different: John over Mary"
    assert not panel.findChild(QLabel, "pairProblem").isVisible()


def test_prompts_that_do_not_align_say_where_and_are_not_patched(lab: Lab) -> None:
    panel = side_by_side(lab, A, "When Mary and John went to the store , Mary gave to")
    problem = panel.findChild(QLabel, "pairProblem")
    assert problem.isVisible()
    assert "don't align token by token: at token 11" in problem.text()
    panel.findChild(QPushButton, "patchingMeasure").click()
    lab.qtbot.waitUntil(lambda: panel.drawing is None, timeout=8_000)
    assert "don't align" in panel._empty.text()


def test_every_cell_brings_back_what_a_plain_hook_does(lab: Lab, plain: PlainModel) -> None:
    by_hand = Plain(plain)
    panel = side_by_side(lab)
    content = lab.measure(panel)
    assert content.made
    assert content.clean == pytest.approx(by_hand.difference(A), abs=1e-3)
    assert content.corrupted == pytest.approx(by_hand.difference(B), abs=1e-3)
    for cell in ((0, CHANGED), (1, CHANGED), (2, 13), (3, 13), (1, 4)):
        assert content.recovered[cell] == pytest.approx(by_hand.recovered(cell[0], cell[1], cell[1]), abs=1e-3)
    assert content.recovered[0].argmax() == CHANGED
    assert content.recovered[3, 13] == pytest.approx(1, abs=1e-3)
    assert (panel.drawing.scale.low, panel.drawing.scale.high) == (-panel.drawing.scale.high, panel.drawing.scale.high)


@pytest.mark.parametrize(
    ("part", "metric"), [("heads", "probability"), ("mlp", "divergence"), ("attention", "probability")]
)
def test_other_parts_and_metrics_run_from_0_to_1_too(lab: Lab, plain: PlainModel, part: str, metric: str) -> None:
    by_hand = Plain(plain)
    panel = side_by_side(lab)
    lab.choose(panel, "part", part)
    lab.idle()
    lab.choose(panel, "metric", metric)
    content = lab.measure(panel)
    assert content.recovered.shape == ((4, 4) if part == "heads" else (4, 14))
    if metric == "probability":
        word = by_hand.words[0]
        assert content.clean == pytest.approx(float(by_hand.last(A).softmax(-1)[word]), abs=1e-4)
        assert content.corrupted == pytest.approx(float(by_hand.last(B).softmax(-1)[word]), abs=1e-4)
    else:
        assert content.clean == pytest.approx(0, abs=1e-5)
    assert content.failures == {}


def test_a_cell_dropped_on_a_token_of_b_shows_the_patched_forward(lab: Lab, plain: PlainModel) -> None:
    by_hand = Plain(plain)
    panel = side_by_side(lab)
    strip = panel.findChild(PairStrip, "promptPair")
    data = QMimeData()
    data.setData(CELL_MIME, QByteArray(f"0,{CHANGED}".encode()))
    at = QPointF(strip._boxes[CHANGED].center())
    drop = QDropEvent(at, Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    strip.dropEvent(drop)
    box = panel._sent
    lab.qtbot.waitUntil(box.isVisible, timeout=8_000)
    after = by_hand.patched(0, CHANGED, CHANGED)
    shown = box.sent.after
    assert shown[0].token_id == int(after.argmax())
    assert shown[0].probability == pytest.approx(float(after.softmax(-1).max()), abs=1e-3)
    assert box.sent.before[0].token_id == by_hand.words[1]
    assert f"{by_hand.recovered(0, CHANGED, CHANGED):.3f} of the way" in box.words
    assert not panel.drawing.content.made


def test_the_keyboard_sends_a_cell_to_the_token_that_answers_to_it(lab: Lab, plain: PlainModel) -> None:
    by_hand = Plain(plain)
    panel = side_by_side(lab)
    canvas = panel._view.canvas
    canvas.setFocus()
    for _ in range(CHANGED + 1):
        lab.qtbot.keyClick(canvas, Qt.Key.Key_Right)
    lab.qtbot.keyClick(canvas, Qt.Key.Key_Down)
    assert panel._view.cursor_cell == (1, CHANGED)
    lab.qtbot.keyClick(canvas, Qt.Key.Key_Return)
    lab.qtbot.waitUntil(panel._sent.isVisible, timeout=8_000)
    assert f"{by_hand.recovered(1, CHANGED, CHANGED):.3f} of the way" in panel._sent.words


def test_the_prompts_of_the_pinned_runs_are_taken(lab: Lab) -> None:
    for prompt, pin in ((A, "pinA"), (B, "pinB")):
        lab.driver.prompt(prompt)
        lab.driver.run()
        lab.idle()
        lab.driver.act(pin)
    panel = lab.act("patchPrompts", "patching")
    lab.qtbot.waitUntil(lambda: panel.drawing is not None, timeout=8_000)
    lab.idle()
    assert (panel.settings().clean, panel.settings().corrupted) == (A, B)
    assert lab.measure(panel).made


def test_a_prompt_that_can_not_be_read_says_so_once(lab: Lab) -> None:
    lab.driver.prompt(A)
    panel = lab.act("patchPrompts", "patching")
    lab.idle()
    lab.choose(panel, "corrupted", "word " * 200)
    lab.qtbot.waitUntil(lambda: "shorten the prompt" in panel._empty.text(), timeout=8_000)
    lab.idle()
    assert lab.window.service.state == "ready"
