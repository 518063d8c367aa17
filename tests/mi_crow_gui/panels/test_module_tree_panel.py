import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QLineEdit, QPushButton, QStyle, QStyleOptionViewItem, QTreeView

from mi_crow_gui.panels.module_tree_panel import ModuleTreePanel
from tests.mi_crow_gui.itemmodels.trees import gpt, tree_of


@pytest.fixture
def panel(qtbot):
    panel = ModuleTreePanel()
    qtbot.addWidget(panel)
    panel.resize(400, 600)
    panel.set_tree(gpt())
    panel.show()
    return panel


@pytest.fixture
def view(panel):
    return panel.findChild(QTreeView, "moduleTree")


def press(qtbot, view, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(view, key, modifier)


def is_open(view, panel, site):
    return view.isExpanded(panel._model.index_of_site(site))


def test_a_model_opens_down_to_its_blocks_and_no_further(panel, view):
    assert is_open(view, panel, "transformer.h")
    assert not is_open(view, panel, "transformer.h.0")


def test_a_big_model_opens_with_its_blocks_folded(panel, view):
    panel.set_tree(tree_of(["model", "model.layers", *(f"model.layers.{n}" for n in range(80))]))
    assert is_open(view, panel, "model.layers")
    assert view.model().rowCount(panel._model.index_of_site("model.layers")) == 3


def test_a_click_on_the_check_box_asks_to_attach(qtbot, panel, view):
    asked = QSignalSpy(panel.attachRequested)
    index = panel._model.index_of_site("transformer.h.1")
    option = QStyleOptionViewItem()
    view.initViewItemOption(option)
    option.rect = view.visualRect(index)
    view.itemDelegateForIndex(index).initStyleOption(option, index)
    box = view.style().subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, view)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert asked.at(0) == [["transformer.h.1"]]


def test_space_attaches_what_is_selected_and_detaches_when_all_is_attached(qtbot, panel, view):
    attach, detach = QSignalSpy(panel.attachRequested), QSignalSpy(panel.detachRequested)
    panel.select_site("transformer.h.2")
    press(qtbot, view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    press(qtbot, view, Qt.Key.Key_Space)
    assert attach.at(0) == [["transformer.h.2", "transformer.h.3"]]
    panel.set_attached({"transformer.h.2": "capture"})
    press(qtbot, view, Qt.Key.Key_Space)
    assert attach.at(1) == [["transformer.h.3"]]
    panel.set_attached({"transformer.h.2": "capture", "transformer.h.3": "capture"})
    press(qtbot, view, Qt.Key.Key_Space)
    assert detach.at(0) == [["transformer.h.2", "transformer.h.3"]]


def test_enter_attaches_and_never_detaches(qtbot, panel, view):
    attach, detach = QSignalSpy(panel.attachRequested), QSignalSpy(panel.detachRequested)
    panel.select_site("lm_head")
    press(qtbot, view, Qt.Key.Key_Return)
    panel.set_attached({"lm_head": "capture"})
    press(qtbot, view, Qt.Key.Key_Return)
    assert attach.count() == 1
    assert detach.count() == 0


def test_attach_all_is_offered_for_a_filter_that_matches(qtbot, panel):
    asked = QSignalSpy(panel.attachRequested)
    button = panel.findChild(QPushButton, "attachAllMatches")
    field = panel.findChild(QLineEdit, "moduleFilter")
    assert not button.isEnabled()
    qtbot.keyClicks(field, "h.*.attn")
    assert button.text() == "Attach all 4 matches"
    assert panel._count.text() == "4 of 25"
    panel.set_attached({"transformer.h.0.attn": "capture"})
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert asked.at(0) == [[f"transformer.h.{block}.attn" for block in (1, 2, 3)]]
    qtbot.keyClicks(field, "zzz")
    assert not button.isEnabled()


def test_a_filter_unfolds_its_matches_and_clearing_it_brings_the_old_view_back(panel, view):
    field = panel.findChild(QLineEdit, "moduleFilter")
    view.expand(panel._model.index_of_site("transformer.h.3"))
    panel.select_site("transformer.h.3.mlp")
    field.setText("c_proj")
    assert is_open(view, panel, "transformer.h.0.attn")
    field.setText("")
    assert is_open(view, panel, "transformer.h.3")
    assert not is_open(view, panel, "transformer.h.0")
    assert panel.selected_sites() == ["transformer.h.3.mlp"]


def test_getting_the_focus_selects_nothing(panel, view):
    told = QSignalSpy(panel.siteSelected)
    view.setFocus(Qt.FocusReason.TabFocusReason)
    assert view.currentIndex().isValid()
    assert told.count() == 0


def test_what_the_user_selects_is_told_and_what_is_set_is_not(qtbot, panel, view):
    told = QSignalSpy(panel.siteSelected)
    panel.select_site("transformer.h.2.attn.c_proj")
    assert panel.selected_sites() == ["transformer.h.2.attn.c_proj"]
    assert told.count() == 0
    press(qtbot, view, Qt.Key.Key_Up)
    assert told.at(0) == ["transformer.h.2.attn.c_attn"]
    panel.select_site(None)
    assert panel.selected_sites() == []
    assert told.count() == 1


def test_sites_are_copied_whole_one_a_line(qtbot, panel, view):
    panel.select_site("transformer.h.0")
    press(qtbot, view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    press(qtbot, view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "transformer.h.0\ntransformer.h.1"


def test_an_empty_tree_says_what_to_do(panel):
    panel.set_tree(None)
    assert "Open a model" in panel._hint.text()
    assert panel._hint.isVisible()
    panel.set_tree(gpt())
    assert not panel._hint.isVisible()
    panel.findChild(QLineEdit, "moduleFilter").setText("zzz")
    assert "zzz" in panel._hint.text()
    assert panel._hint.isVisible()
