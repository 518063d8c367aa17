"""The history in the real window: runs are pinned, let go of, and set up again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QListView, QMenu, QSpinBox

from mi_crow_gui.itemmodels.history_model import NUMBER_ROLE, PIN_ROLE

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

SITE = "transformer.h.1.attn"


@pytest.fixture
def two_runs(driver: Driver) -> Driver:
    driver.open_demo()
    driver.prompt("marble owl ticket")
    driver.run()
    driver.prompt("marble owl ticket marble owl")
    driver.run()
    return driver


def history(driver: Driver) -> Any:
    return driver.find(QListView, "historyList")


def pins(driver: Driver) -> dict[int, str]:
    model = history(driver).model()
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    return {index.data(NUMBER_ROLE): index.data(PIN_ROLE) for index in rows}


def choose(driver: Driver, row: int) -> Any:
    driver.act("showHistory")
    view = history(driver)
    view.setCurrentIndex(view.model().index(row, 0))
    return view


def test_runs_are_pinned_by_button_key_and_menu_and_let_go_of(two_runs: Driver, qtbot: QtBot) -> None:
    driver = two_runs
    choose(driver, 1)
    qtbot.mouseClick(driver.find(QAbstractButton, "pinRunA"), Qt.MouseButton.LeftButton)
    assert pins(driver) == {2: "", 1: "A"}
    view = choose(driver, 0)
    qtbot.keyClick(view, Qt.Key.Key_B)
    assert pins(driver) == {2: "B", 1: "A"}
    qtbot.keyClick(view, Qt.Key.Key_U)
    assert pins(driver) == {2: "", 1: "A"}
    view.customContextMenuRequested.emit(view.rect().center())
    menu = driver.find(QMenu, "historyMenu")
    (entry,) = (action for action in menu.actions() if action.text() == "Pin as B")
    entry.trigger()
    menu.close()
    assert pins(driver) == {2: "B", 1: "A"}
    driver.act("unpinRuns")
    assert pins(driver) == {2: "", 1: ""}
    driver.act("pinA")
    assert pins(driver) == {2: "A", 1: ""}
    assert {letter: run.number for letter, run in driver.window.service.pinned.items()} == {"A": 2}


def test_the_newest_run_is_selected_when_it_ends_so_that_it_is_the_one_that_is_pinned(two_runs: Driver) -> None:
    driver = two_runs
    choose(driver, 1)
    driver.run()
    driver.act("pinB")
    assert pins(driver) == {3: "B", 2: "", 1: ""}


def test_restoring_a_run_takes_prompt_settings_and_hooks_back_in_one_step_of_undo(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    store_before = driver.window.prompt.prompt
    driver.prompt("marble owl ticket")
    driver.tick(SITE)
    driver.find(QSpinBox, "maxNewTokens").setValue(3)
    driver.run("generate")
    wanted = driver.window.service.kept(1).hooks
    driver.prompt("another prompt")
    driver.find(QSpinBox, "maxNewTokens").setValue(7)
    driver.act("detachAll")
    driver.run()
    view = choose(driver, 1)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert driver.window.prompt.prompt == "marble owl ticket"
    assert driver.find(QSpinBox, "maxNewTokens").value() == 3
    driver.run()
    assert driver.window.service.kept(3).hooks == wanted
    driver.act("undo")
    assert driver.window.prompt.prompt == "another prompt"
    assert driver.find(QSpinBox, "maxNewTokens").value() == 7
    driver.run()
    assert driver.window.service.kept(4).hooks == ()
    assert store_before != "another prompt"


def test_another_model_ends_the_pins_and_the_rows_keep_their_settings(two_runs: Driver, qtbot: QtBot) -> None:
    driver = two_runs
    driver.act("pinA")
    driver.open_demo()
    qtbot.waitUntil(lambda: not any(pins(driver).values()))
    model = history(driver).model()
    assert model.index(0, 0).data().splitlines()[0].endswith("settings only")
    choose(driver, 0)
    assert not driver.find(QAbstractButton, "pinRunA").isEnabled()
    assert driver.find(QAbstractButton, "restoreRun").isEnabled()
    assert not driver.window.findChild(QAction, "compareRuns").isEnabled()
