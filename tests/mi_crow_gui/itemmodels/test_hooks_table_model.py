from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester, QSignalSpy

from mi_crow_gui.itemmodels.hooks_table_model import ERROR_ROLE, HookColumn, HookRow, HooksTableModel

ROWS = [HookRow(id=name, site=f"h.{name}") for name in "abcd"]


@pytest.fixture
def model(qapp):
    model = HooksTableModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_rows(ROWS)
    yield model
    tester.deleteLater()


def test_a_text_that_acts_on_several_sites_says_on_how_many_and_which() -> None:
    model = HooksTableModel()
    model.set_rows([HookRow("a", "h.0", "controller", elsewhere=("h.1", "h.2"))])
    kind = model.index(0, HookColumn.KIND)
    assert kind.data() == "controller, 2 more"
    assert "acts on 2 other sites too: h.1, h.2" in kind.data(Qt.ItemDataRole.ToolTipRole)


def test_an_update_keeps_the_rows_that_stay(model):
    kept = QPersistentModelIndex(model.index(2, 0))
    resets = QSignalSpy(model.modelReset)
    model.set_rows([ROWS[2], replace(ROWS[0], fired=3), HookRow("new", "lm_head")])
    assert [row.id for row in model.rows] == ["c", "a", "new"]
    assert kept.row() == 0
    assert model.index(1, HookColumn.FIRED).data() == "3"
    assert resets.count() == 0


def test_an_update_that_changes_nothing_says_nothing(model):
    changed = QSignalSpy(model.dataChanged)
    model.set_rows(list(ROWS))
    assert changed.count() == 0
    model.set_rows([*ROWS[:3], replace(ROWS[3], fired=1)])
    assert changed.count() == 1
    first, last = changed.at(0)[:2]
    assert (first.column(), last.column()) == (HookColumn.FIRED, HookColumn.LAST_SHAPE)
    model.set_rows([*ROWS[:3], replace(ROWS[3], fired=2, error="It failed.")])
    first, last = changed.at(1)[:2]
    assert (first.column(), last.column()) == (0, HookColumn.ERROR)


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), min_size=1, max_size=5))
def test_any_sequence_of_updates_ends_with_the_rows_asked_for(model, updates):
    for ids in updates:
        model.set_rows([HookRow(id=name, site=name) for name in ids])
        assert [row.id for row in model.rows] == ids


def test_a_tick_asks_and_changes_nothing_by_itself(model):
    asked = QSignalSpy(model.enabledRequested)
    index = model.index(1, HookColumn.ENABLED)
    assert not model.setData(index, Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
    assert asked.at(0) == [["b"], False]
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked


def test_a_problem_and_code_to_review_are_told_in_words(model):
    model.set_rows([HookRow("a", "h.0", error="line 2: no"), HookRow("b", "h.1", enabled=False, review=True)])
    assert model.index(0, HookColumn.ERROR).data() == "line 2: no"
    assert "Review" in model.index(1, HookColumn.ERROR).data()
    assert "line 2: no" in model.index(0, HookColumn.SITE).data(Qt.ItemDataRole.ToolTipRole)
    assert model.index(0, HookColumn.KIND).data(ERROR_ROLE)
