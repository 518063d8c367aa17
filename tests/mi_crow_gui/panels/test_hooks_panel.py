from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QLabel, QTableView, QToolButton

from mi_crow_gui.itemmodels.hooks_table_model import HookRow
from mi_crow_gui.panels.hooks_panel import HooksPanel

ROWS = [
    HookRow("one", "h.0", order=1),
    HookRow("two", "h.0", "controller", order=2),
    HookRow("three", "h.1", "controller", enabled=False, error="line 1: no"),
]


@pytest.fixture
def panel(qtbot):
    panel = HooksPanel()
    qtbot.addWidget(panel)
    panel.resize(640, 300)
    panel.set_rows(ROWS)
    panel.show()
    return panel


@pytest.fixture
def table(panel):
    return panel.findChild(QTableView, "hooksTable")


def test_space_switches_what_is_selected(qtbot, panel, table):
    asked = QSignalSpy(panel.enabledChanged)
    table.selectRow(0)
    qtbot.keyClick(table, Qt.Key.Key_Space)
    assert asked.at(0) == [["one"], False]
    table.selectAll()
    qtbot.keyClick(table, Qt.Key.Key_Space)
    assert asked.at(1) == [["one", "two", "three"], True]


def test_delete_and_the_button_ask_to_remove(qtbot, panel, table):
    asked = QSignalSpy(panel.removeRequested)
    button = panel.findChild(QToolButton, "hookRemove")
    assert not button.isEnabled()
    table.selectRow(2)
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert [asked.at(0), asked.at(1)] == [[["three"]], [["three"]]]


def test_a_hook_moves_only_among_those_of_its_site(qtbot, panel, table):
    asked = QSignalSpy(panel.moveRequested)
    up, down = panel.findChild(QToolButton, "hookUp"), panel.findChild(QToolButton, "hookDown")
    table.selectRow(0)
    assert (up.isEnabled(), down.isEnabled()) == (False, True)
    qtbot.mouseClick(down, Qt.MouseButton.LeftButton)
    table.selectRow(1)
    qtbot.keyClick(table, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    qtbot.keyClick(table, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    table.selectRow(2)
    assert (up.isEnabled(), down.isEnabled()) == (False, False)
    assert [asked.at(0), asked.at(1)] == [["one", 1], ["two", -1]]
    assert asked.count() == 2


def test_an_update_keeps_the_selection(panel, table):
    table.selectRow(1)
    panel.set_rows([ROWS[1], ROWS[0], ROWS[2]])
    assert [row.id for row in panel.selected_rows()] == ["two"]


def test_selecting_a_hook_tells_its_site_and_being_told_a_site_does_not(panel, table):
    told = QSignalSpy(panel.siteSelected)
    panel.select_site("h.0")
    assert [row.id for row in panel.selected_rows()] == ["one", "two"]
    assert told.count() == 0
    table.selectRow(2)
    assert told.at(0) == ["h.1"]
    panel.select_site(None)
    assert panel.selected_rows() == []


def test_the_count_names_what_is_off_and_what_failed(panel):
    assert panel._count.text() == "3 hooks, 1 off, 1 problem"
    panel.set_rows([])
    assert panel._count.text() == ""


def test_an_empty_list_says_how_to_fill_it(panel, table):
    panel.set_rows([])
    assert "Tick a module to capture it" in table.accessibleDescription()
    panel.set_rows(ROWS)
    assert table.accessibleDescription() == ""


def test_enter_on_a_controller_asks_for_the_editor(qtbot, panel, table):
    asked = QSignalSpy(panel.editRequested)
    for row in (0, 1):
        table.selectRow(row)
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert asked.count() == 1
    assert asked.at(0) == ["two"]


def test_sites_are_copied_whole(qtbot, panel, table):
    table.selectAll()
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "h.0\nh.1"


def test_a_long_summary_leaves_the_buttons_whole(panel):
    rows = [replace(row, enabled=False, error="it raised") for row in ROWS]
    panel.set_rows(rows)
    panel.resize(200, 300)
    remove = panel.findChild(QToolButton, "hookRemove")
    assert remove.width() >= remove.sizeHint().width()
    assert panel.rect().contains(remove.geometry())
    summary = next(label for label in panel.findChildren(QLabel) if label.accessibleName() == "Number of hooks")
    assert "problem" in summary.toolTip()
