"""Every kind of plot is an action: in the View menu, and in the command palette by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from mi_crow_gui.window.command_palette import CommandPalette

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def _kinds(driver: Driver) -> list[str]:
    return [panel.kind for panel in driver.window.plot_board.panels()]


def test_a_plot_is_found_by_its_name_in_the_palette_and_added(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    driver.act("commandPalette")
    palette = driver.window.findChild(CommandPalette)
    edit = palette.findChild(QLineEdit)
    qtbot.keyClicks(edit, "lens")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert "logit_lens" in _kinds(driver)
    driver.act("undo")
    assert "logit_lens" not in _kinds(driver)


def test_the_menu_offers_every_kind_and_a_full_tab_gets_a_second_that_is_shown(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    (submenu,) = [action.menu() for action in driver.window.menus["&View"].actions() if action.text() == "Add &plot"]
    offered = [action.objectName().removeprefix("addPlot_") for action in submenu.actions()]
    assert offered == list(driver.window.plot_board._kinds)
    for _ in range(3):
        driver.act("addPlot_heatmap")
    board = driver.window.plot_board
    assert board.count() == 2
    assert board.currentIndex() == 1
    assert [panel.kind for panel in board.visible_panels()] == ["heatmap"]
