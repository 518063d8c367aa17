"""Steering through the window: vectors by hand, the curve, the controller, and files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QPushButton
from safetensors import safe_open

from mi_crow_gui.document.hook_spec import CONTROLLER
from mi_crow_gui.document.steering_file import SteeringFile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mi_crow_gui.experiments.conftest import Lab, PlainModel

TOWARD = "When Mary and John went to the store , John gave a drink to"
AWAY = "When Mary and John went to the store , Mary gave a drink to"


def last_of_block(plain: PlainModel, text: str, block: int) -> torch.Tensor:
    kept: list[torch.Tensor] = []

    def keep(_: Any, args: Any, output: Any) -> None:
        kept.append((output if isinstance(output, torch.Tensor) else output[0])[0, -1].clone())

    handle = plain.model.transformer.h[block].register_forward_hook(keep)
    plain(plain.ids(text))
    handle.remove()
    return kept[0]


def steered(plain: PlainModel, text: str, block: int, vector: torch.Tensor, strength: float) -> torch.Tensor:
    def add(_: Any, args: Any, output: Any) -> Any:
        new = (output if isinstance(output, torch.Tensor) else output[0]) + strength * vector
        return new if isinstance(output, torch.Tensor) else (new, *output[1:])

    handle = plain.model.transformer.h[block].register_forward_hook(add)
    logits = plain(plain.ids(text)).logits[0]
    handle.remove()
    return logits


def test_the_demo_begins_with_a_pair_and_the_map_is_what_plain_hooks_give(lab: Lab, plain: PlainModel) -> None:
    lab.driver.prompt(AWAY)
    panel = lab.act("steer", "steering")
    assert (panel.settings().toward, panel.settings().away) == (TOWARD, AWAY)
    content = lab.measure(panel)
    assert content.values.shape == (4, 9)
    words = [plain.tokenizer(word)["input_ids"][0] for word in ("Mary", "John")]
    for block, column in ((0, 8), (2, 6), (3, 1)):
        vector = last_of_block(plain, TOWARD, block) - last_of_block(plain, AWAY, block)
        np.testing.assert_allclose(content.vectors[block], vector.numpy(), atol=1e-4)
        last = steered(plain, AWAY, block, vector, float(content.strengths[column]))[-1]
        assert content.values[block, column] == pytest.approx(float(last[words[0]] - last[words[1]]), abs=1e-2)
    last = plain(plain.ids(AWAY)).logits[0, -1]
    assert content.baseline == pytest.approx(float(last[words[0]] - last[words[1]]), abs=1e-3)
    assert "rises all the way" in content.rises(3)


def test_steering_is_one_step_of_undo_and_does_what_the_map_says(lab: Lab, plain: PlainModel) -> None:
    lab.driver.prompt(AWAY)
    before = lab.driver.run()
    assert before.candidates[0].text.strip() == "John"
    panel = lab.act("steer", "steering")
    lab.idle()
    content = lab.measure(panel)
    panel._view.clicked.emit((3, 6))
    assert panel.row == 3
    panel.findChild(QPushButton, "steeringApply").click()
    lab.qtbot.waitUntil(lambda: bool(_controllers(lab)), timeout=8_000)
    (spec,) = _controllers(lab)
    assert "return x + ctx.strength * ctx.vector(" in spec.code
    assert "toward 'When Mary" in spec.code
    after = lab.driver.run()
    vector = torch.tensor(content.vectors[3])
    last = steered(plain, AWAY, 3, vector, 2.0)[-1].softmax(-1)
    assert after.candidates[0].token_id == int(last.argmax())
    assert after.candidates[0].probability == pytest.approx(float(last.max()), abs=1e-3)
    assert after.candidates[0].text.strip() == "Mary"
    lab.driver.act("undo")
    assert _controllers(lab) == []
    assert lab.driver.run().candidates[0].text.strip() == "John"


def _controllers(lab: Lab) -> list[Any]:
    return [hook for hook in lab.store.workspace.hooks if hook.kind == CONTROLLER]


def test_a_saved_vector_says_where_it_belongs_and_is_loaded_again(lab: Lab, tmp_path: Path) -> None:
    lab.driver.prompt(AWAY)
    panel = lab.act("steer", "steering")
    content = lab.measure(panel)
    lab.idle()
    path = tmp_path / "toward mary.safetensors"
    file = SteeringFile(content.vectors[2], 2, content.sites[2], content.model, content.pairs, content.prompts)
    file.write(path)
    with safe_open(str(path), "np") as found:
        metadata = found.metadata()
        np.testing.assert_array_equal(found.get_tensor("vector"), content.vectors[2])
    assert (metadata["block"], metadata["site"]) == ("2", "transformer.h.2")
    assert (metadata["model"], metadata["pairs"]) == ("demo_model", "1")
    assert json.loads(metadata["prompts"]) == [[TOWARD, AWAY]]
    lab.choose(panel, "path", str(path))
    again = lab.measure(panel)
    assert again.blocks == (2,)
    np.testing.assert_allclose(again.values[0], content.values[2], atol=1e-3)
    assert again.prompts == ((TOWARD, AWAY),)


@pytest.mark.parametrize("kind", ["missing", "other"])
def test_a_file_that_is_no_vector_says_so(lab: Lab, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.safetensors"
    if kind == "other":
        from safetensors.numpy import save_file

        save_file({"weight": np.zeros((2, 2), np.float32)}, str(path))
    lab.driver.prompt(AWAY)
    panel = lab.act("steer", "steering")
    lab.choose(panel, "path", str(path))
    panel.findChild(QPushButton, "steeringMeasure").click()
    says = "can't be read" if kind == "missing" else "holds no steering vector"
    lab.qtbot.waitUntil(lambda: says in panel._empty.text(), timeout=8_000)


def test_lists_that_do_not_answer_to_each_other_are_refused(lab: Lab) -> None:
    lab.driver.prompt(AWAY)
    panel = lab.act("steer", "steering")
    lab.choose(panel, "toward", f"{TOWARD}\n{TOWARD}")
    panel.findChild(QPushButton, "steeringMeasure").click()
    lab.qtbot.waitUntil(lambda: "There are 2 prompts to steer toward and 1" in panel._empty.text(), timeout=8_000)
