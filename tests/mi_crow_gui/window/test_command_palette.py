from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QListWidget

from mi_crow_gui.window.actions import ACTIONS
from mi_crow_gui.window.command_palette import CommandPalette

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from mi_crow_gui.window.main_window import MainWindow


@pytest.fixture
def palette(window: MainWindow) -> CommandPalette:
    window.action("commandPalette").trigger()
    found = window.findChild(CommandPalette)
    assert found is not None
    return found


def _edit(palette: CommandPalette) -> QLineEdit:
    found = palette.findChild(QLineEdit)
    assert found is not None
    return found


def _names(palette: CommandPalette) -> list[str]:
    found = palette.findChild(QListWidget)
    assert found is not None
    return [found.item(row).data(Qt.ItemDataRole.UserRole) for row in range(found.count())]


def test_it_offers_every_action(palette: CommandPalette) -> None:
    assert palette.isVisible()
    assert set(_names(palette)) == {spec.name for spec in ACTIONS}


def test_typing_and_enter_triggers_the_action(window: MainWindow, palette: CommandPalette, qtbot: QtBot) -> None:
    qtbot.keyClicks(_edit(palette), "open demo")
    with qtbot.waitSignal(window.action("openDemo").triggered):
        qtbot.keyClick(_edit(palette), Qt.Key.Key_Return)
    assert not palette.isVisible()


def test_the_arrow_keys_choose_while_the_keyboard_stays_in_the_text(
    window: MainWindow, palette: CommandPalette, qtbot: QtBot
) -> None:
    qtbot.keyClicks(_edit(palette), "open")
    second = [name for name in _names(palette) if window.action(name).isEnabled()][1]
    qtbot.keyClick(_edit(palette), Qt.Key.Key_Down)
    with qtbot.waitSignal(window.action(second).triggered):
        qtbot.keyClick(_edit(palette), Qt.Key.Key_Return)


def test_an_action_used_before_comes_first(window: MainWindow, palette: CommandPalette, qtbot: QtBot) -> None:
    qtbot.keyClicks(_edit(palette), "open demo")
    qtbot.keyClick(_edit(palette), Qt.Key.Key_Return)
    window.action("commandPalette").trigger()
    assert _edit(palette).text() == ""
    assert _names(palette)[0] == "openDemo"


def test_a_disabled_action_is_shown_and_can_not_be_triggered(
    window: MainWindow, palette: CommandPalette, qtbot: QtBot
) -> None:
    window.action("generate").setEnabled(False)
    qtbot.keyClicks(_edit(palette), "generate")
    assert _names(palette)[0] == "generate"
    triggered: list[bool] = []
    window.action("generate").triggered.connect(triggered.append)
    palette._on_list_item_clicked(palette._list.item(0))
    assert triggered == []
    assert "needs an open, idle model" in palette._list.item(0).data(Qt.ItemDataRole.AccessibleTextRole)


def test_escape_closes_the_palette_and_stops_nothing(window: MainWindow, palette: CommandPalette, qtbot: QtBot) -> None:
    window.action("stop").setEnabled(True)
    stopped: list[bool] = []
    window.action("stop").triggered.connect(stopped.append)
    qtbot.keyClick(_edit(palette), Qt.Key.Key_Escape)
    assert not palette.isVisible()
    assert stopped == []


def test_words_that_no_action_has_are_answered_with_a_sentence(palette: CommandPalette, qtbot: QtBot) -> None:
    qtbot.keyClicks(_edit(palette), "zzzz")
    assert _names(palette) == []
    assert palette._nothing.isVisible()
    qtbot.keyClick(_edit(palette), Qt.Key.Key_Return)
    assert palette.isVisible()


def test_opening_it_twice_makes_one_palette(window: MainWindow, palette: CommandPalette) -> None:
    palette.close()
    window.action("commandPalette").trigger()
    assert len(window.findChildren(CommandPalette)) == 1
