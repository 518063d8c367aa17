"""Two prompts compared from a model that was only opened: one action, and what a person types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QAbstractButton, QLabel, QPlainTextEdit, QWidget

from mi_crow_gui.window.compare_prompts_dialog import ComparePromptsDialog
from tests.mi_crow_gui.runs.conftest import FIRST, SECOND
from tests.mi_crow_gui.runs.test_compare import check

if TYPE_CHECKING:
    from tests.mi_crow_gui.runs.conftest import PlainModel, Runs


def asked(runs: Runs) -> ComparePromptsDialog:
    runs.driver.act("comparePrompts")
    dialog = runs.window.findChild(ComparePromptsDialog)
    assert dialog is not None
    return dialog


def choose(dialog: ComparePromptsDialog, b: str) -> None:
    dialog.findChild(QPlainTextEdit, "comparePromptB").setPlainText(b)
    dialog.findChild(QAbstractButton, "comparePromptsOk").click()


def test_two_prompts_are_compared_from_a_loaded_model_in_two_actions(runs: Runs, plain: PlainModel) -> None:
    runs.driver.prompt(FIRST)
    dialog = asked(runs)
    assert dialog.findChild(QPlainTextEdit, "comparePromptA").toPlainText() == FIRST
    assert not dialog.findChild(QAbstractButton, "comparePromptsOk").isEnabled()
    choose(dialog, SECOND)
    runs.qtbot.waitUntil(lambda: len(runs.window.service.pinned) == 2, timeout=20_000)
    panel = runs.compared()
    assert panel.isVisible()
    assert [kept.info.prompt for kept in runs.window.service.pinned.values()] == [FIRST, SECOND]
    check(panel, plain(plain.ids(FIRST)), plain(plain.ids(SECOND)))


def test_prompts_of_different_length_are_shown_token_over_token_before_anything_runs(runs: Runs) -> None:
    runs.driver.prompt("marble owl ticket Grace")
    dialog = asked(runs)
    ran = runs.window.service.run_number
    says = dialog.findChild(QLabel, "comparePromptsAligned")
    assert "before anything is computed" in says.text()
    dialog.findChild(QPlainTextEdit, "comparePromptB").setPlainText("marble storm owl silk Grace")
    runs.qtbot.waitUntil(lambda: "without a partner" in says.text(), timeout=20_000)
    assert says.text() == "4 and 5 tokens · 1 replaced · 1 without a partner"
    strip = dialog.findChild(QWidget, "promptPair")
    assert strip.accessibleDescription() == "Different: — over storm, ticket over silk"
    dialog.findChild(QPlainTextEdit, "comparePromptB").setPlainText("marble owl ticket Grace")
    runs.qtbot.waitUntil(lambda: "no token differs" in says.text(), timeout=20_000)
    assert runs.window.service.run_number == ran
    dialog.reject()


def test_the_prompt_that_was_there_comes_back_by_undo(runs: Runs) -> None:
    runs.driver.prompt(FIRST)
    choose(asked(runs), SECOND)
    runs.qtbot.waitUntil(lambda: len(runs.window.service.pinned) == 2, timeout=20_000)
    runs.idle()
    edit = runs.driver.find(QPlainTextEdit, "promptEdit")
    assert edit.toPlainText() == SECOND
    while edit.toPlainText() == SECOND:
        runs.driver.act("undo")
    assert edit.toPlainText() == FIRST


def test_one_that_is_stopped_compares_nothing(runs: Runs) -> None:
    # It goes on until it is stopped, however slow the machine is.
    endless = "import time\ndef control(x):\n    while True:\n        time.sleep(0.01)"
    runs.driver.write_controller("transformer.h.0", endless)
    runs.driver.prompt(FIRST)
    choose(asked(runs), SECOND)
    with runs.qtbot.waitSignal(runs.window.service.runFinished, timeout=20_000) as blocker:
        runs.driver.act("stop")
    assert blocker.args[0].stopped == "cancelled"
    runs.idle()
    assert not runs.window.service.pinned
