"""The preview of a controller in the real window: numbers, errors, Stop, and what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QListWidget, QPlainTextEdit, QSpinBox, QTableWidget

from mi_crow_gui.document.controller_presets import HEAD, Scope, preset_text
from mi_crow_gui.document.formatting import count, number
from tests.mi_crow_gui.stopwatch import within

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

SITE = "transformer.h.1.mlp"
PROMPT = "marble owl ticket Grace storm marble owl"


class Editing:
    """The editor as a person uses it, on a demo model whose site was captured once."""

    def __init__(self, driver: Driver, qtbot: QtBot) -> None:
        self.driver, self.qtbot, self.service = driver, qtbot, driver.window.service
        self.edit = driver.find(QPlainTextEdit, "controllerEdit")
        self.button = driver.find(QAbstractButton, "controllerPreview")
        self.table = driver.find(QTableWidget, "previewTable")

    def preview(self, text: str) -> Any:
        self.edit.setPlainText(text)
        with self.qtbot.waitSignal(self.service.taskEnded, timeout=10_000) as blocker:
            self.button.click()
        return blocker.args[0].content

    def rows(self) -> list[list[str]]:
        columns = range(1, self.table.columnCount())
        return [[self.table.item(row, column).text() for column in columns] for row in range(self.table.rowCount())]

    def problems(self) -> list[str]:
        shown = self.driver.find(QListWidget, "controllerProblems")
        return [shown.item(row).text() for row in range(shown.count())]


@pytest.fixture
def editing(driver: Driver, qtbot: QtBot) -> Editing:
    driver.open_demo()
    driver.prompt(PROMPT)
    driver.tick(SITE)
    driver.run()
    made = Editing(driver, qtbot)
    qtbot.waitUntil(lambda: made.service.state == "ready")
    return made


def row(values: np.ndarray) -> list[str]:
    measured = [number(value) for value in (values.min(), values.mean(), values.max(), values.std())]
    return [*measured, count(int((values == 0).sum())), count(int(np.isnan(values).sum()))]


def test_a_preview_shows_before_after_and_difference_and_the_model_does_not_run(editing: Editing) -> None:
    before = editing.driver.window.latest(SITE).astype(np.float64)
    runs: list[object] = []
    editing.service.runStarted.connect(runs.append)
    editing.preview("def control(x, ctx):\n    x[:, ctx.tokens.index('owl')] *= -2\n    return x")
    after = before.copy()
    after[:, 1] *= -2
    assert editing.table.isVisible()
    assert editing.rows() == [row(before), row(after), row(after - before)]
    says = editing.driver.find(QLabel, "previewSays").text()
    assert f"128 of {count(before.size)} values change (1 × 7 × 128 float32)" in says
    np.testing.assert_array_equal(editing.driver.window.latest(SITE), before, "writing into x leaves the capture alone")
    assert runs == []
    assert editing.driver.window.service.run_number == 1


def test_nothing_is_applied_by_a_preview_and_typing_takes_the_numbers_away(editing: Editing) -> None:
    clean = editing.driver.run()
    editing.preview("lambda x: x * 0")
    assert editing.driver.find(QLabel, "controllerState").text() == "not applied"
    editing.edit.insertPlainText(" ")
    assert not editing.table.isVisible()
    np.testing.assert_array_equal(editing.driver.run().losses, clean.losses)


def test_after_a_generation_the_context_is_that_of_the_last_token(editing: Editing) -> None:
    editing.driver.find(QSpinBox, "maxNewTokens").setValue(3)
    editing.driver.run("generate")
    editing.qtbot.waitUntil(lambda: editing.service.state == "ready")
    record = next(iter(editing.service.frames().values())).record
    assert (record.step, record.first_token, record.shape) == (2, 8, (1, 1, 128))
    wanted = "(ctx.step, ctx.positions, len(ctx.tokens)) == (2, range(8, 9), 9)"
    result = editing.preview(f"def control(x, ctx):\n    assert {wanted}, ctx\n    return x + 1")
    assert (result.problem, result.changed) == ("", 128)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("def control(x, ctx):\n    y = x[:, 99]\n    return y", 2, "out of bounds"),
        ("lambda x: x[:, :1]", 1, "is needed"),
        ("lambda x: x / 0", 0, "Inf"),
        ("lambda x: 'text'", 1, "returned a str"),
        ("import sys\ndef control(x):\n    sys.exit(3)\n    return x", 3, "SystemExit"),
        ("@site('transformer.h.0')\ndef other(x):\n    return x", 0, "acts on its own site"),
        ("lambda x, ctx: x + ctx.capture('transformer.h.0')", 1, "tick that module"),
    ],
)
def test_what_goes_wrong_is_told_on_the_users_line(editing: Editing, text: str, line: int, words: str) -> None:
    editing.preview(text)
    (problem,) = editing.problems()
    assert problem.startswith(f"Line {line} in the preview" if line else "Controller in the preview")
    assert words in problem
    assert not editing.table.isVisible()
    assert editing.edit.toPlainText() == text
    assert editing.service.state == "ready"


def test_a_preview_knows_what_the_run_captured_elsewhere_and_the_pinned_runs(editing: Editing) -> None:
    driver = editing.driver
    driver.tick("transformer.h.0.mlp")
    first = driver.run()
    editing.service.pin(first.info.number, "A")
    driver.select(SITE)
    held = {site: driver.window.latest(site).astype(np.float64) for site in (SITE, "transformer.h.0.mlp")}
    editing.qtbot.waitUntil(lambda: editing.button.toolTip().startswith("Try"))
    result = editing.preview("lambda x, ctx: ctx.run('A').capture('transformer.h.0.mlp')")
    assert result.problem == ""
    assert editing.rows()[1] == row(held["transformer.h.0.mlp"])
    editing.preview("lambda x, ctx: x - ctx.capture(ctx.layer) + ctx.strength * ctx.capture('transformer.h.0.mlp')")
    assert editing.rows()[1] == row(held["transformer.h.0.mlp"])


def test_a_preview_of_control_input_wants_what_goes_in_and_then_shows_it(editing: Editing) -> None:
    driver = editing.driver
    projection = "transformer.h.1.attn.c_proj"
    driver.tick(projection)
    driver.run()
    editing.edit.setPlainText(preset_text("zero", Scope(HEAD, 0, 32)))
    assert not editing.button.isEnabled()
    assert "Inspector, Capture" in editing.button.toolTip()
    stage = driver.find(QComboBox, "detectorStage")
    stage.setCurrentIndex(stage.findData("input"))
    stage.activated.emit(stage.currentIndex())
    driver.run()
    editing.qtbot.waitUntil(editing.button.isEnabled)
    result = editing.preview(preset_text("zero", Scope(HEAD, 0, 32)))
    assert result.problem == ""
    ingoing = driver.window.latest(projection).astype(np.float64)
    after = ingoing.copy()
    after[..., :32] = 0
    assert editing.rows() == [row(ingoing), row(after), row(after - ingoing)]
    assert "what goes in" in driver.find(QLabel, "previewSays").text()
    editing.edit.setPlainText("lambda x: x")
    assert not editing.button.isEnabled()
    assert "what the module gives out" in editing.button.toolTip()


def test_stop_ends_a_preview_that_loops_within_two_seconds(editing: Editing) -> None:
    editing.edit.setPlainText("def control(x, ctx):\n    while True:\n        pass\n    return x")
    editing.button.click()
    assert editing.service.state == "running"
    with within(2), editing.qtbot.waitSignal(editing.service.taskEnded) as blocker:
        editing.driver.act("stop")
    assert blocker.args[0].content.cancelled
    assert editing.driver.run().stopped == "done"


def test_typing_on_during_a_preview_loses_no_text_and_shows_no_stale_numbers(editing: Editing) -> None:
    editing.edit.setPlainText("lambda x: x * 2")
    with editing.qtbot.waitSignal(editing.service.taskEnded, timeout=10_000):
        editing.button.click()
        editing.edit.setPlainText("lambda x: x * 3")
    assert editing.edit.toPlainText() == "lambda x: x * 3"
    assert not editing.table.isVisible()


def test_the_button_says_what_has_to_be_done_before(driver: Driver, qtbot: QtBot) -> None:
    editing = Editing(driver, qtbot)
    assert "needs a model" in editing.button.toolTip()
    driver.open_demo()
    driver.select(SITE)
    editing.edit.setPlainText("lambda x: x")
    assert not editing.button.isEnabled()
    assert "tick the module" in editing.button.toolTip()
    driver.tick(SITE)
    driver.prompt(PROMPT)
    driver.run()
    qtbot.waitUntil(editing.button.isEnabled)
    editing.edit.setPlainText("lambda x: x +")
    assert not editing.button.isEnabled()
    assert driver.window.findChild(QAction, "run").isEnabled()
