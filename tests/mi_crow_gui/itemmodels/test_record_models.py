"""History, captures and log: flat models over frozen rows."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester

from mi_crow_gui.itemmodels.captures_model import CaptureColumn, CaptureRow, CapturesModel
from mi_crow_gui.itemmodels.history_model import NUMBER_ROLE, HistoryModel, HistoryRow
from mi_crow_gui.itemmodels.log_model import LogColumn, LogModel

FATAL = QAbstractItemModelTester.FailureReportingMode.Fatal


def test_the_newest_run_stands_on_top_and_a_known_one_is_brought_up_to_date(qapp):
    model = HistoryModel()
    tester = QAbstractItemModelTester(model, FATAL)
    model.add(HistoryRow(1, "run", "one\ntwo", tokens=2, seconds=0.0234, loss=3.2145))
    model.add(HistoryRow(2, "generate", "three"))
    model.add(HistoryRow(1, "run", "one\ntwo", tokens=2, stopped="cancelled"))
    assert [model.index(row).data(NUMBER_ROLE) for row in range(model.rowCount())] == [2, 1]
    assert model.index(1).data() == "1  run · 2 tokens · stopped\none two"
    tester.deleteLater()


def test_a_long_history_forgets_its_oldest_runs(qapp):
    model = HistoryModel()
    for number in range(501):
        model.add(HistoryRow(number, "run", ""))
    assert model.rowCount() == 500
    assert model.index(499).data(NUMBER_ROLE) == 1


def test_captures_are_described_in_the_units_of_the_field_and_those_that_are_gone_are_marked(qapp):
    model = CapturesModel()
    tester = QAbstractItemModelTester(model, FATAL)
    model.set_rows([CaptureRow("/c/one", "one", "gpt2", ("h.0", "h.1"), 1024, 41 * 2**20, finished=False)])
    texts = [model.index(0, column).data() for column in CaptureColumn]
    assert texts == ["one", "not finished", "gpt2", "2", "1,024", "41.00 MiB", "", "", ""]
    assert model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole).startswith("/c/one")
    assert model.place("/c/one") == 0
    assert model.place("/c/two") == -1
    model.set_rows([CaptureRow("/c/two", "two", problem="It is gone.", state="missing"), CaptureRow("/c/a", "a")])
    assert model.index(0, CaptureColumn.STATE).data() == "⚠ missing"
    assert not model.flags(model.index(0, CaptureColumn.TAGS)) & Qt.ItemFlag.ItemIsEditable
    model.sort(CaptureColumn.NAME)
    assert model.place("/c/a") == 0
    tester.deleteLater()


def test_a_repeated_message_becomes_a_count_and_keeps_its_newest_details(qapp):
    model = LogModel()
    tester = QAbstractItemModelTester(model, FATAL)
    assert model.add("error", "it broke", "first", when=1.0) == 0
    model.add("warning", "it broke", when=2.0)
    assert model.add("error", "it broke", "second", when=3.0) == 0
    assert model.rowCount() == 2
    assert model.index(0, LogColumn.COUNT).data() == "2"
    assert model.index(1, LogColumn.COUNT).data() == ""
    assert "(2 times)" in model.entries[0].as_text()
    assert model.entries[0].as_text().endswith("second")
    tester.deleteLater()


def test_a_long_log_forgets_its_oldest_cause_and_still_counts_the_others(qapp):
    model = LogModel()
    for number in range(1001):
        model.add("info", f"message {number}", when=0.0)
    assert model.rowCount() == 1000
    assert model.entries[0].message == "message 1"
    assert model.add("info", "message 500", when=0.0) == 499
    assert model.entries[499].count == 2
