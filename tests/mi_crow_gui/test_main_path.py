"""The real window, driven by the names that people script: open, attach, run, cut the circuit, undo."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QLineEdit,
    QPlainTextEdit,
    QSlider,
    QSpinBox,
    QTableView,
    QTabWidget,
    QTreeView,
    QWidget,
)

from mi_crow_gui.app import create
from mi_crow_gui.document.resource_files import demo_model_folder
from tests.mi_crow_gui.driver import Driver

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

SITE = "transformer.h.1.attn"


@pytest.fixture(scope="module")
def plain_demo() -> Any:
    """The demo model opened by transformers alone, for a second computation."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = demo_model_folder()
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def circuit() -> dict[str, Any]:
    return json.loads((demo_model_folder() / "circuit.json").read_text())


def repeated_prompt() -> str:
    prompts = json.loads((demo_model_folder() / "prompts.json").read_text())
    return prompts[0]["text"]


def second_copy_loss(outcome: Any) -> float:
    """Mean loss in nats over the second time the words are said."""
    return float(outcome.losses[len(outcome.losses) // 2 + 1 :].mean())


def test_what_the_window_captures_equals_a_plain_torch_hook_exactly(driver: Driver, plain_demo: Any) -> None:
    model, tokenizer = plain_demo
    driver.open_demo()
    driver.prompt(repeated_prompt())
    driver.tick(SITE)
    driver.run()
    kept: list[torch.Tensor] = []
    handle = model.get_submodule(SITE).register_forward_hook(lambda m, a, output: kept.append(output[0].clone()))
    with torch.no_grad():
        model(**tokenizer(repeated_prompt(), return_tensors="pt"))
    handle.remove()
    np.testing.assert_array_equal(driver.window.latest(SITE), kept[0].numpy())


def test_cutting_the_induction_heads_breaks_the_model_and_undo_brings_back_the_same_bits(driver: Driver) -> None:
    driver.open_demo()
    driver.prompt(repeated_prompt())
    never_hooked = driver.run()
    assert never_hooked.hooks == ()
    blocks: dict[int, list[int]] = {}
    for block, head in circuit()["induction_heads"]:
        blocks.setdefault(block, []).append(head)
    for block, heads in blocks.items():
        lines = ["def control_input(x, ctx):", "    x = x.clone()"]
        lines += [f"    x[..., {head * 32}:{head * 32 + 32}] = 0" for head in heads]
        driver.write_controller(f"transformer.h.{block}.attn.c_proj", "\n".join([*lines, "    return x"]))
    cut = driver.run()
    assert second_copy_loss(cut) - second_copy_loss(never_hooked) > 5
    while driver.window.findChild(QAction, "undo").isEnabled():
        driver.act("undo")
    driver.prompt(repeated_prompt())
    again = driver.run()
    np.testing.assert_array_equal(again.losses, never_hooked.losses)
    assert [c.logit for c in again.candidates] == [c.logit for c in never_hooked.candidates]


def test_a_glob_in_the_filter_attaches_all_matches_with_one_click(driver: Driver) -> None:
    driver.open_demo()
    driver.find(QLineEdit, "moduleFilter").setText("transformer.h.*.mlp")
    driver.find(QAbstractButton, "attachAllMatches").click()
    assert driver.find(QTableView, "hooksTable").model().rowCount() == 4
    driver.prompt(repeated_prompt())
    outcome = driver.run()
    assert [state.fired for state in outcome.hooks] == [1, 1, 1, 1]


def test_values_arrive_in_the_plots_while_it_generates(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    driver.open_demo()
    driver.prompt(repeated_prompt())
    arrived = tmp_path / "arrived"
    # The generation goes on only when the window has shown something of it, however quick either is.
    waits = (
        "import pathlib, time\ndef control(x, ctx):\n"
        f"    while ctx.step > 2 and not pathlib.Path({str(arrived)!r}).exists():\n"
        "        time.sleep(0.01)\n"
        "    return x"
    )
    driver.write_controller("transformer.h.3", waits)
    driver.tick(SITE)
    driver.find(QSpinBox, "maxNewTokens").setValue(20)
    seen: list[int] = []

    def see(updates: Any) -> None:
        seen.extend(update.frame.step for update in updates.values())
        arrived.touch()

    driver.window.service.framesArrived.connect(see)
    outcome = driver.run("generate")
    assert driver.find(QTabWidget, "plotBoard").isVisible()
    panels = [widget for widget in driver.window.findChildren(QWidget) if widget.property("plotKind")]

    def showing() -> set[str]:
        newest = outcome.info.number, len(outcome.generated) - 1
        return {
            panel.property("plotKind")
            for panel in panels
            if panel.isVisible() and panel.drawing is not None and (panel.drawing.run, panel.drawing.step) == newest
        }

    qtbot.waitUntil(lambda: {"heatmap", "trace", "histogram"} <= showing())
    assert {panel.property("site") for panel in panels if panel.isVisible()} == {SITE}
    assert len(set(seen)) > 1, "values arrived before the end"
    assert driver.find(QWidget, "outputView").toPlainText().strip()


def test_steps_write_what_a_generation_writes_one_token_at_a_time(driver: Driver) -> None:
    driver.open_demo()
    driver.prompt("marble owl ticket Grace storm marble owl")
    driver.find(QSpinBox, "maxNewTokens").setValue(4)
    whole = driver.run("generate")
    driver.prompt("marble owl ticket Grace storm marble owl ")
    driver.prompt("marble owl ticket Grace storm marble owl")
    driver.run("run")
    stepped = [driver.run("step").generated[0].token_id for _ in range(4)]
    assert stepped == [step.token_id for step in whole.generated]
    assert driver.find(QWidget, "outputView").toPlainText() == "marble owl ticket Grace storm marble owl" + whole.text


def test_stop_is_enabled_only_while_something_runs_and_stops_it(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    assert not driver.find(QAction, "stop").isEnabled()
    driver.prompt(repeated_prompt())
    # From the second step on only Stop ends a step, however fast or busy the machine is.
    waits = "import time\ndef control(x, ctx):\n    while ctx.step:\n        time.sleep(0.01)\n    return x"
    driver.write_controller(SITE, waits)
    driver.find(QSpinBox, "maxNewTokens").setValue(60)
    with qtbot.waitSignal(driver.window.service.stepsArrived, timeout=20_000):
        driver.act("generate")
    with qtbot.waitSignal(driver.window.service.runFinished, timeout=5_000) as blocker:
        driver.act("stop")
    assert blocker.args[0].stopped == "cancelled"
    assert len(blocker.args[0].generated) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def control(x, ctx):\n    return x.nothing", "nothing"),
        ("lambda x: 'text'", "returned a str"),
        ("lambda x: x[:, :1]", "is needed"),
        ("lambda x: x * float('nan')", "NaN"),
    ],
)
def test_a_controller_that_fails_says_so_once_is_off_and_its_text_stays(
    driver: Driver, qtbot: QtBot, code: str, words: str
) -> None:
    driver.open_demo()
    driver.prompt(repeated_prompt())
    clean = driver.run()
    driver.write_controller(SITE, code)
    outcome = driver.run()
    np.testing.assert_array_equal(outcome.losses, clean.losses)
    rows = driver.find(QTableView, "hooksTable").model()
    texts = " ".join(
        str(rows.index(0, column).data(role) or "")
        for column in range(rows.columnCount())
        for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
    )
    assert words in texts
    ticked = rows.index(0, 0)
    assert Qt.CheckState(ticked.data(Qt.ItemDataRole.CheckStateRole)) == Qt.CheckState.Unchecked
    assert driver.find(QPlainTextEdit, "controllerEdit").toPlainText() == code
    failures: list[Any] = []
    driver.window.service.hookFailed.connect(failures.append)
    driver.run()
    assert failures == [], "a hook that is off says nothing again"
    rows.setData(ticked, Qt.CheckState.Checked, Qt.ItemDataRole.CheckStateRole)
    driver.run()
    assert len(failures) == 1, "ticking it again is another try"


def test_a_syntax_error_is_not_applied_and_names_its_line(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    driver.write_controller(SITE, "def control(x, ctx):\n    return x +\n")
    assert driver.find(QTableView, "hooksTable").model().rowCount() == 0
    problems = driver.find(QWidget, "controllerProblems")
    qtbot.waitUntil(lambda: problems.model().rowCount() == 1)
    assert "2" in str(problems.model().index(0, 0).data())


def test_undo_and_redo_work_with_no_model_open(driver: Driver) -> None:
    edit = driver.find(QPlainTextEdit, "promptEdit")
    edit.setPlainText("one two")
    driver.act("undo")
    assert edit.toPlainText() == ""
    driver.act("redo")
    assert edit.toPlainText() == "one two"


@pytest.mark.parametrize(("text", "words"), [("", "prompt"), (" ".join(["Mary"] * 129), "128")])
def test_a_prompt_that_cannot_run_keeps_model_and_text(driver: Driver, qtbot: QtBot, text: str, words: str) -> None:
    driver.open_demo()
    driver.find(QPlainTextEdit, "promptEdit").setPlainText(text)
    with qtbot.waitSignal(driver.window.service.failed, timeout=10_000) as blocker:
        driver.act("run")
    assert words in blocker.args[0].message
    assert driver.find(QPlainTextEdit, "promptEdit").toPlainText() == text
    assert driver.window.service.state == "ready"


def test_closing_the_window_while_it_runs_ends_everything(qtbot: QtBot) -> None:
    _, window = create(["--fresh"])
    window.show()
    qtbot.waitUntil(lambda: window.plot_board is not None, timeout=20_000)
    driver = Driver(qtbot, window)
    driver.open_demo()
    driver.prompt(repeated_prompt())
    driver.find(QSpinBox, "maxNewTokens").setValue(80)
    with qtbot.waitSignal(window.service.stepsArrived, timeout=20_000):
        driver.act("generate")
    window.close()
    assert not window.service._thread.isRunning()
    window.deleteLater()


def test_closing_the_window_while_it_loads_ends_everything(qtbot: QtBot) -> None:
    _, window = create(["--fresh"])
    window.show()
    qtbot.waitUntil(lambda: window.plot_board is not None, timeout=20_000)
    window.findChild(QAction, "openDemo").trigger()
    window.close()
    assert not window.service._thread.isRunning()
    window.deleteLater()


def _no_config(folder: Path) -> str:
    (folder / "config.json").unlink()
    return "config.json"


def _cut_short(folder: Path) -> str:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return "model.safetensors"


def _invalid_json(folder: Path) -> str:
    (folder / "config.json").write_text("{ 'not': json")
    return "config.json"


def _unknown_architecture(folder: Path) -> str:
    (folder / "config.json").write_text('{"model_type": "no_such_model", "architectures": ["NoSuchModel"]}')
    return "no_such_model"


@pytest.mark.parametrize("damage", [_no_config, _cut_short, _invalid_json, _unknown_architecture])
def test_a_model_that_cannot_be_opened_is_one_sentence_and_everything_stays(
    driver: Driver, qtbot: QtBot, tmp_path: Path, damage: Any
) -> None:
    driver.open_demo()
    driver.prompt("marble owl")
    driver.tick(SITE)
    folder = tmp_path / "broken"
    shutil.copytree(demo_model_folder(), folder, ignore=shutil.ignore_patterns("*.py", "*.md"))
    word = damage(folder)
    with qtbot.waitSignal(driver.window.service.failed, timeout=20_000) as blocker:
        driver.window.pathsDropped.emit([str(folder)])
    message = blocker.args[0].message
    assert word in message
    assert "\n" not in message
    assert "Traceback" not in message
    assert driver.find(QWidget, "statusMessage").text() == message
    assert driver.find(QPlainTextEdit, "promptEdit").toPlainText() == "marble owl"
    assert driver.find(QTreeView, "moduleTree").model().index_of_site(SITE).isValid()
    assert driver.run().stopped == "done"
    assert driver.window.latest(SITE) is not None


def test_a_glob_that_matches_nothing_says_so(driver: Driver) -> None:
    driver.open_demo()
    driver.find(QLineEdit, "moduleFilter").setText("no.such.*")
    assert not driver.find(QAbstractButton, "attachAllMatches").isEnabled()


def test_the_slider_goes_back_to_what_a_site_held_at_a_step(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    driver.prompt("marble owl ticket Grace storm marble owl")
    driver.tick(SITE)
    driver.find(QSpinBox, "maxNewTokens").setValue(6)
    slider = driver.find(QSlider, "generationSlider")
    assert not slider.isVisible()
    driver.run("generate")
    whole = next(iter(driver.window.service.frames().values())).frame.values
    heatmap = next(panel for panel in driver.window.plot_board.panels() if panel.kind == "heatmap")
    assert (slider.minimum(), slider.maximum(), slider.value()) == (0, 5, 5)
    slider.setValue(2)
    qtbot.waitUntil(lambda: heatmap.drawing is not None and heatmap.drawing.step == 2)
    np.testing.assert_array_equal(heatmap.drawing.frame.values, whole[:, :9])
    driver.find(QAbstractButton, "generationNewest").click()
    qtbot.waitUntil(lambda: heatmap.drawing.step == 5)
    np.testing.assert_array_equal(heatmap.drawing.frame.values, whole)
    driver.run("run")
    assert not slider.isVisible()


def test_a_pinned_plot_stays_with_its_site_while_the_others_follow_the_selection(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    driver.prompt("marble owl ticket marble owl")
    driver.tick(SITE)
    driver.tick("transformer.h.2")
    driver.run()
    board = driver.window.plot_board
    heatmap, trace = (next(p for p in board.panels() if p.kind == kind) for kind in ("heatmap", "trace"))
    driver.select(SITE)
    board.plotPinRequested.emit(heatmap.plot_id, True)
    driver.select("transformer.h.2")
    qtbot.waitUntil(lambda: trace.drawing is not None and trace.drawing.site == "transformer.h.2")
    assert (heatmap.property("site"), trace.property("site")) == (SITE, "transformer.h.2")
    board.plotPinRequested.emit(heatmap.plot_id, False)
    qtbot.waitUntil(lambda: heatmap.drawing is not None and heatmap.drawing.site == "transformer.h.2")
