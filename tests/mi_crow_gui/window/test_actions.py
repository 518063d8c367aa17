from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import QObject
from PySide6.QtGui import QKeySequence

from mi_crow_gui.window import icons
from mi_crow_gui.window.action_building import build_actions, tool_tip
from mi_crow_gui.window.actions import ACTIONS, MENUS, TOOLBAR, plain_text, specs
from mi_crow_gui.window.command_search import search

# The interface that scripts and tests rely on.
PROMISED = (
    "openModel", "openDemo", "openCapture", "openSession", "saveSession", "saveCapture", "run", "generate", "stop",
    "step", "attachDetector", "attachController", "detachAll", "undo", "redo", "commandPalette", "copyAsPython",
    "exportPlot", "resetLayout", "quit",
)  # fmt: skip


def test_every_promised_action_is_in_the_table() -> None:
    assert set(PROMISED) <= set(specs())


def test_every_action_has_its_own_name_and_words() -> None:
    assert len(specs()) == len(ACTIONS)
    twice = [words for words, times in Counter((spec.menu, plain_text(spec)) for spec in ACTIONS).items() if times > 1]
    assert twice == []


def test_no_two_actions_share_a_shortcut() -> None:
    keys = Counter(QKeySequence(keys).toString() for spec in ACTIONS for keys in spec.shortcuts)
    assert [key for key, times in keys.items() if times > 1] == []


def test_every_shortcut_is_one_that_qt_understands() -> None:
    for spec in ACTIONS:
        for keys in spec.shortcuts:
            assert QKeySequence(keys).toString() == keys, spec.name


def test_no_two_entries_of_a_menu_share_a_mnemonic() -> None:
    entries = {(spec.menu, spec.text) for spec in ACTIONS} | {("", title) for title in MENUS}
    entries |= {tuple(spec.menu.split("/")) for spec in ACTIONS if "/" in spec.menu}
    letters = Counter((menu, text[text.index("&") + 1].lower()) for menu, text in entries)
    assert [place for place, times in letters.items() if times > 1] == []


def test_tooltips_say_what_the_action_does_and_show_its_shortcut(qapp: object) -> None:
    parent = QObject()
    for name, action in build_actions(parent).items():
        spec = specs()[name]
        assert action.objectName() == name
        assert action.toolTip().startswith(tool_tip(spec))
        assert spec.tip
        assert not spec.tip.endswith(".")
        assert all(
            keys.toString(QKeySequence.SequenceFormat.NativeText) in action.toolTip() for keys in action.shortcuts()[:1]
        )


def test_a_disabled_action_says_what_it_needs_until_it_can_be_used(qapp: object) -> None:
    parent = QObject()
    action = build_actions(parent)["generate"]
    assert not action.isEnabled()
    assert action.hindrance == "needs an open, idle model"
    assert action.toolTip().endswith("(Ctrl+G). Needs an open, idle model.")
    action.refuse("ViT gives no logits.")
    assert action.hindrance == "ViT gives no logits."
    assert action.toolTip().endswith("(Ctrl+G). ViT gives no logits.")
    action.refuse("")
    action.setEnabled(True)
    assert action.hindrance == ""
    assert action.toolTip() == tool_tip(specs()["generate"])


def test_an_action_that_starts_enabled_and_is_switched_off_waits_for_the_end(qapp: object) -> None:
    parent = QObject()
    action = build_actions(parent)["openModel"]
    action.setEnabled(False)
    assert action.hindrance == "needs the end of what goes on"


def test_every_action_has_an_icon_that_draws_something(qapp: object) -> None:
    for spec in ACTIONS:
        image = icons.icon(spec.icon).pixmap(20).toImage()
        inked = any(image.pixelColor(x, y).alpha() > 128 for x in range(image.width()) for y in range(image.height()))
        assert inked, spec.icon


def test_the_tool_bar_names_actions_of_the_table() -> None:
    named = [name for section in TOOLBAR for button in section if button for name in (button.action, *button.more)]
    assert set(named) <= set(specs())


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("open demo", "openDemo"),
        ("gen", "generate"),
        ("cancel", "stop"),
        ("DARK", "themeDark"),
        ("hook capture", "attachDetector"),
        ("reset", "resetLayout"),
    ],
)
def test_an_action_is_found_by_its_words_and_by_others_for_it(typed: str, first: str) -> None:
    assert search(typed, ACTIONS)[0].name == first


def test_every_action_is_found_by_its_own_words() -> None:
    for spec in ACTIONS:
        assert spec in search(plain_text(spec), ACTIONS), spec.name


def test_no_words_find_everything_with_the_recent_ones_first() -> None:
    found = search("", ACTIONS, ["quit", "undo"])
    assert [spec.name for spec in found[:2]] == ["quit", "undo"]
    assert len(found) == len(ACTIONS)


def test_words_that_no_action_has_find_nothing() -> None:
    assert search("zzz", ACTIONS) == []
