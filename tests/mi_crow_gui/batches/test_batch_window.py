"""A batch of prompts through the window: typed, run, looked at row by row, saved, read back without the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QLabel, QTextEdit

from mi_crow_gui.document.resource_files import demo_model_folder
from mi_crow_gui.wiring.composition import Composition
from tests.mi_crow_gui.batches.conftest import PROMPTS, SITE

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.batches.conftest import Batches


@pytest.fixture(scope="module")
def plain() -> Any:
    """What a site gives for a prompt alone, by transformers and a plain hook."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(demo_model_folder()).eval()
    tokenizer = AutoTokenizer.from_pretrained(demo_model_folder())

    def run(prompt: str) -> tuple[np.ndarray, np.ndarray]:
        kept: list[Any] = []
        hook = model.get_submodule(SITE).register_forward_hook(
            lambda module, args, out: kept.append(out[0] if isinstance(out, tuple) else out)
        )
        with torch.no_grad():
            ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
            logits = model(input_ids=ids).logits[0]
        hook.remove()
        losses = -logits.log_softmax(-1)[:-1].gather(1, ids[0, 1:, None])[:, 0]
        return kept[0].numpy().reshape(1, len(ids[0]), -1), losses.numpy()

    return run


def store(batches: Batches) -> Any:
    (composition,) = [child for child in batches.window.children() if isinstance(child, Composition)]
    return composition._parts.store


def test_every_line_is_a_row_whose_numbers_are_those_of_the_prompt_alone(batches: Batches, plain: Any) -> None:
    outcome = batches.run()
    assert [row.texts for row in batches.strip._rows] == [tuple(one.info.tokens.texts) for one in outcome.prompts]
    assert [row.after for row in batches.strip._rows] == [0, 4, 1]
    panel = batches.only("heatmap")
    for number, prompt in enumerate(PROMPTS):
        values, losses = plain(prompt)
        batches.click(number, 0)
        drawing = batches.shown(panel, number, outcome.info.number)
        np.testing.assert_allclose(drawing.rows.values, values[0], atol=1e-4)
        np.testing.assert_allclose(batches.strip._values[number][1:], losses, atol=1e-4)
        assert f"prompt {number + 1}/3" in panel._title.when.text()


def test_the_switch_is_undone_kept_in_the_session_and_says_how_many_prompts_there_are(batches: Batches) -> None:
    batches.type([PROMPTS[0], "", PROMPTS[1]])
    switch = batches.driver.find(QCheckBox, "promptBatch")
    assert switch.text() == "Batch · 2 prompts, 1 blank"
    batches.driver.act("undo")
    assert not switch.isChecked()
    assert switch.text() == "Batch"
    batches.driver.act("redo")
    assert switch.isChecked()
    assert store(batches).workspace.batch


def test_several_lines_without_the_switch_are_one_prompt(batches: Batches) -> None:
    batches.type(PROMPTS, batch=False)
    outcome = batches.driver.run()
    assert not outcome.info.rows
    assert len(batches.strip._rows) == 1


def test_keys_go_from_token_to_token_and_from_prompt_to_prompt(batches: Batches, qtbot: QtBot) -> None:
    outcome = batches.run()
    panel = batches.only("trace")
    batches.click(0, 3)
    assert panel._token == 3
    for key, prompt, token in (
        (Qt.Key.Key_Right, 0, 4),
        (Qt.Key.Key_Down, 1, 1),
        (Qt.Key.Key_End, 1, 1),
        (Qt.Key.Key_Down, 2, 1),
        (Qt.Key.Key_Home, 2, 0),
        (Qt.Key.Key_PageUp, 0, 0),
    ):
        qtbot.keyClick(batches.strip, key)
        assert (batches.strip.prompt, batches.strip.selected) == (prompt, token)
        assert store(batches).workspace.selected_prompt == prompt
    batches.shown(panel, 0, outcome.info.number)
    assert batches.strip.accessibleDescription().startswith("prompt 1, token 0 of 6: violin")


def test_the_inspector_counts_the_selected_prompt_alone(batches: Batches, qtbot: QtBot) -> None:
    batches.run()
    channels = 128
    for number, tokens in ((1, 2), (0, 6)):
        batches.click(number, 0)
        counted = f"{tokens * channels:,}"
        qtbot.waitUntil(lambda counted=counted: counted in _statistics(batches.window.inspector), timeout=5_000)


def _statistics(inspector: Any) -> list[str]:
    from PySide6.QtWidgets import QTableView

    found = []
    for view in inspector.findChildren(QTableView):
        model = view.model()
        found += [str(model.index(row, 1).data()) for row in range(model.rowCount())]
    return found


def test_a_generated_batch_shows_what_each_prompt_was_continued_with(batches: Batches, qtbot: QtBot) -> None:
    batches.window.prompt.findChild(object, "maxNewTokens").setValue(5)
    outcome = batches.run(action="generate")
    output = batches.driver.find(QTextEdit, "outputView")
    for number, prompt in enumerate(PROMPTS):
        batches.click(number, 0)
        assert output.toPlainText() == prompt + "".join(s.written for s in outcome.of_prompt(number).generated)
    assert [row.before for row in batches.strip._rows] == [0, 4, 1]
    assert [row.prompt_length for row in batches.strip._rows] == [6, 2, 5]
    panel = batches.only("heatmap")
    batches.click(1, 0)
    drawing = batches.shown(panel, 1, outcome.info.number)
    assert drawing.rows.count == 2 + 4
    bar = batches.window.generation_bar
    assert bar.isVisible()
    bar._slider.setValue(0)
    qtbot.waitUntil(lambda: panel.drawing.rows.count == 2, timeout=5_000)


def test_steps_continue_every_prompt_of_the_batch(batches: Batches) -> None:
    batches.window.prompt.findChild(object, "maxNewTokens").setValue(3)
    whole = batches.run(action="generate")
    batches.driver.run()
    for _ in range(3):
        outcome = batches.driver.run("step")
    assert outcome.info.continued == 2
    for one, complete in zip(outcome.prompts, whole.prompts, strict=True):
        written = [*one.info.tokens.ids[-2:], one.generated[0].token_id]
        assert written == [step.token_id for step in complete.generated]
    output = batches.driver.find(QTextEdit, "outputView").toPlainText()
    assert output == PROMPTS[0] + "".join(step.written for step in whole.of_prompt(0).generated)


@pytest.mark.parametrize("action", ["run", "generate"])
def test_a_saved_batch_is_looked_at_row_by_row_without_the_model(
    batches: Batches, qtbot: QtBot, tmp_path: Path, action: str
) -> None:
    batches.window.prompt.findChild(object, "maxNewTokens").setValue(4)
    outcome = batches.run(action=action)
    panel = batches.only("heatmap")
    live = []
    for number in range(3):
        batches.click(number, 0)
        live.append(batches.shown(panel, number, outcome.info.number).rows.values.copy())
    (composition,) = [child for child in batches.window.children() if isinstance(child, Composition)]
    captures = composition._captures
    captures.save_to(tmp_path / "batch")
    qtbot.waitUntil(lambda: captures.last_saved is not None, timeout=10_000)
    index = json.loads((tmp_path / "batch" / "capture.json").read_text())
    assert index["prompts"] == PROMPTS
    texts = [(*one.info.tokens.texts, *(s.text for s in one.generated)) for one in outcome.prompts]
    assert index["tokens"] == [text for row in texts for text in row]
    captures.open_folder(str(tmp_path / "batch"))
    browse = composition._offline.browse
    qtbot.waitUntil(lambda: browse.text is not None, timeout=10_000)
    for number in (1, 2, 0):
        browse.browser.texts.textChosen.emit(number)
        drawing = batches.shown(panel, number, outcome.info.number)
        np.testing.assert_array_equal(drawing.rows.values, live[number])
        assert browse.text.tokens == texts[number]
        assert drawing.rows.label(0) == texts[number][0]


def test_a_past_batch_is_shown_again_and_restored(batches: Batches, qtbot: QtBot) -> None:
    first = batches.run()
    batches.type(["quiet lemon"], batch=False)
    batches.driver.run()
    assert len(batches.strip._rows) == 1
    batches.window.history.runSelected.emit(first.info.number)
    assert len(batches.strip._rows) == 3
    batches.window.history.restoreRequested.emit(first.info.number)
    workspace = store(batches).workspace
    assert (workspace.batch, workspace.prompt) == (True, "\n".join(PROMPTS))


def test_what_is_wrong_with_a_prompt_of_the_batch_is_said(batches: Batches, qtbot: QtBot) -> None:
    batches.type(["violin", "violin " * 5000])
    with qtbot.waitSignal(batches.window.service.failed, timeout=20_000) as blocker:
        batches.driver.act("run")
    assert "Prompt 2 of 2: The prompt has" in blocker.args[0].message


def test_prompts_are_loaded_from_a_file_as_one_step_that_is_undone(
    batches: Batches, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("one\n\ntwo\nthree\n", encoding="utf-8")
    batches.type(["before"], batch=False)
    (composition,) = [child for child in batches.window.children() if isinstance(child, Composition)]
    composition._prompts.load(str(path))
    qtbot.waitUntil(lambda: store(batches).workspace.batch, timeout=5_000)
    assert store(batches).workspace.prompt == "one\ntwo\nthree"
    batches.driver.act("undo")
    assert (store(batches).workspace.batch, store(batches).workspace.prompt) == (False, "before")
    composition._prompts.load(str(tmp_path / "nowhere.txt"))
    message = batches.driver.find(QLabel, "statusMessage")
    qtbot.waitUntil(lambda: "nowhere.txt" in message.text(), timeout=5_000)


def test_the_next_prompt_is_a_key_away_in_every_plot(batches: Batches) -> None:
    assert not batches.window.action("nextPrompt").isEnabled()
    outcome = batches.run()
    panel = batches.only("trace")
    for action, prompt in (("nextPrompt", 1), ("nextPrompt", 2), ("nextPrompt", 2), ("previousPrompt", 1)):
        batches.driver.act(action)
        batches.shown(panel, prompt, outcome.info.number)
        assert batches.strip.prompt == prompt


def test_tokens_are_coloured_by_what_is_chosen_and_the_legend_says_what(
    batches: Batches, qtbot: QtBot, plain: Any
) -> None:
    first = batches.run()
    strip, legend = batches.strip, batches.window.prompt._legend
    batches.measure("probability")
    np.testing.assert_allclose(strip._values[2][1:], np.exp(-plain(PROMPTS[2])[1]), atol=1e-4)
    assert "Probability" in legend.accessibleName()
    batches.measure("norm")
    qtbot.waitUntil(lambda: "Norm" in legend.accessibleName(), timeout=5_000)
    for number, prompt in enumerate(PROMPTS):
        np.testing.assert_allclose(strip._values[number], np.linalg.norm(plain(prompt)[0][0], axis=-1), rtol=1e-4)
    assert SITE in legend.accessibleName()
    batches.measure("change")
    qtbot.waitUntil(lambda: "no other run" in legend.accessibleName(), timeout=5_000)
    batches.driver.write_controller(SITE, "lambda x: x * 0.5")
    batches.driver.run()
    qtbot.waitUntil(lambda: f"from run {first.info.number}" in legend.accessibleName(), timeout=5_000)
    assert store(batches).workspace.token_measure == "change"
    batches.driver.act("undo")


def test_the_output_takes_room_from_the_plots_only_once_there_is_text_however_low_the_window(
    batches: Batches, qtbot: QtBot
) -> None:
    window, output = batches.window, batches.driver.find(QTextEdit, "outputView")
    window.resize(1024, 700)
    batches.type([" ".join(PROMPTS)], batch=False)
    batches.driver.run()
    qtbot.waitUntil(lambda: not output.isVisible() and window.plot_board.height() >= 140)
    assert batches.strip.height() >= 2 * 28
    window.prompt.findChild(object, "maxNewTokens").setValue(3)
    batches.driver.run("generate")
    assert output.isVisible()
    window.resize(1440, 900)
    assert output.isVisible()
    batches.driver.run()
    qtbot.waitUntil(lambda: not output.isVisible())
