"""Inspector, history, captures, log, start page, status bar, and what holds for every panel."""

import subprocess
import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListView,
    QListWidget,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QTableView,
    QTextEdit,
    QToolButton,
    QWidget,
)

from mi_crow_gui.itemmodels.captures_model import CaptureRow
from mi_crow_gui.itemmodels.history_model import HistoryRow
from mi_crow_gui.panels.captures_panel import CapturesPanel
from mi_crow_gui.panels.editor_panel import EditorPanel
from mi_crow_gui.panels.history_panel import HistoryPanel
from mi_crow_gui.panels.hooks_panel import HooksPanel
from mi_crow_gui.panels.inspector_panel import InspectorPanel
from mi_crow_gui.panels.log_panel import LogPanel
from mi_crow_gui.panels.look import READABLE, contrast, hue, mix, muted
from mi_crow_gui.panels.module_tree_panel import ModuleTreePanel
from mi_crow_gui.panels.output_view import OutputView
from mi_crow_gui.panels.prompt_panel import PromptPanel
from mi_crow_gui.panels.site_label import SiteLabel
from mi_crow_gui.panels.start_page import StartPage
from mi_crow_gui.panels.status_bar import StatusBar
from tests.mi_crow_gui.itemmodels.trees import gpt

PANELS = [
    CapturesPanel,
    EditorPanel,
    HistoryPanel,
    HooksPanel,
    InspectorPanel,
    LogPanel,
    ModuleTreePanel,
    OutputView,
    PromptPanel,
    StartPage,
    StatusBar,
]
TOUCHED = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)


def make(qtbot, kind):
    widget = kind()
    qtbot.addWidget(widget)
    widget.resize(640, 400)
    widget.show()
    return widget


def is_made_by_qt(widget):
    """The field within a spin box, the list of a combo box, headers, corner and clear buttons."""
    parent = widget.parentWidget()
    return (
        widget.objectName().startswith("qt_")
        or type(widget) in (QHeaderView, QAbstractButton)
        or isinstance(parent, (QAbstractSpinBox, QLineEdit, QComboBox))
        or (parent is not None and parent.metaObject().className().startswith("QComboBoxPrivate"))
    )


@pytest.mark.parametrize("kind", PANELS)
def test_whatever_a_person_touches_has_a_name_that_can_be_read_out(qtbot, kind):
    widget = make(qtbot, kind)
    touched = [child for child in (widget, *widget.findChildren(QWidget)) if isinstance(child, TOUCHED)]
    own = [child for child in touched if not is_made_by_qt(child)]
    assert own
    assert [child for child in own if not child.accessibleName()] == []


@pytest.mark.parametrize("kind", PANELS)
def test_every_panel_fits_its_narrowest_place(qtbot, kind):
    widget = make(qtbot, kind)
    # The docks are 300 wide; the centre of a window of 1024 is 404.
    assert widget.minimumSizeHint().width() <= (300 if kind in (ModuleTreePanel, HooksPanel, InspectorPanel) else 404)


def test_importing_the_panels_loads_neither_torch_nor_numpy_nor_pyqtgraph():
    modules = [f"import {kind.__module__}" for kind in PANELS]
    found = "print([name for name in ('torch', 'numpy', 'pyqtgraph') if name in sys.modules])"
    code = "; ".join(["import sys", *modules, found])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("base", ["#ffffff", "#f5f5f5", "#808080", "#17191c", "#000000"])
def test_derived_colours_can_be_read_on_any_base(qapp, base):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor(base))
    palette.setColor(QPalette.ColorRole.Text, QColor("#000000" if base > "#808080" else "#ffffff"))
    for colour in (muted(palette), *(hue(degrees, palette) for degrees in range(0, 360, 20))):
        assert contrast(colour, QColor(base)) >= READABLE
    assert mix(QColor("#000000"), QColor("#ffffff"), 0.0) == QColor("#000000")


def test_a_site_label_shows_its_site_whole_to_the_clipboard_and_the_tooltip(qtbot):
    label = make(qtbot, SiteLabel)
    label.resize(60, 20)
    label.set_site("transformer.h.11.attn.c_proj")
    label.copy()
    assert label.toolTip() == "transformer.h.11.attn.c_proj"
    assert QGuiApplication.clipboard().text() == "transformer.h.11.attn.c_proj"
    label.set_site("")
    assert label.text() == "(model)"
    label.set_site(None, instead="Nothing")
    assert (label.text(), label.toolTip()) == ("Nothing", "")


def test_the_inspector_shows_facts_then_statistics_then_the_plot(qtbot):
    panel = make(qtbot, InspectorPanel)
    plot = QLabel("plot")
    panel.set_plot_widget(plot)
    assert "Select a module" in panel._hint.text()
    panel.set_record(gpt().record("lm_head"))
    panel.set_output((1, 14, 1234), "float32")
    assert panel.site == "lm_head"
    facts = dict(panel._facts.rows())
    assert facts["Tied to"] == "transformer.wte.weight"
    assert facts["Output"] == "1 × 14 × 1234"
    assert panel._hint.text().startswith("Tick the module and run")
    panel.set_stage("before")
    assert panel._hint.text().startswith("Run the prompt")
    assert panel._hint.isVisible()
    assert not plot.isVisible()
    panel.set_statistics([("Mean", "0.1"), ("Maximum", "3")])
    assert plot.isVisible()
    assert not panel._hint.isVisible()
    cell = panel._statistics.item(0, 1)
    panel.set_statistics([("Mean", "0.2"), ("Maximum", "3")])
    assert panel._statistics.item(0, 1) is cell
    assert panel._statistics.rows() == [("Mean", "0.2"), ("Maximum", "3")]
    panel.set_record(gpt().record("transformer"))
    assert panel._statistics.rows() == []
    other = QLabel("another plot")
    panel.set_plot_widget(other)
    assert plot.parent() is None
    qtbot.addWidget(plot)


def test_the_inspector_never_draws_one_part_over_another(qtbot):
    panel = make(qtbot, InspectorPanel)
    panel.resize(240, 300)
    plot = QLabel("plot")
    panel.set_plot_widget(plot)
    panel.set_record(gpt().record("lm_head"))
    panel.set_statistics([(f"Number {n}", "0.1") for n in range(12)])
    panel.grab()
    assert plot.geometry().top() >= panel._statistics.geometry().bottom()


def test_the_stage_of_a_detector_is_told_only_when_a_person_changes_it(qtbot):
    panel = make(qtbot, InspectorPanel)
    told = QSignalSpy(panel.stageChanged)
    box = panel.findChild(QComboBox, "detectorStage")
    assert not box.isVisible()
    panel.set_record(gpt().record("lm_head"))
    panel.set_stage("after")
    assert box.isVisible()
    assert told.count() == 0
    qtbot.keyClick(box, Qt.Key.Key_Up)
    assert told.at(0) == ["before"]


def test_statistics_are_copied_with_their_names(qtbot):
    panel = make(qtbot, InspectorPanel)
    panel.set_record(gpt().record("lm_head"))
    panel.set_statistics([("Mean", "0.1"), ("Maximum", "3")])
    panel._statistics.selectAll()
    qtbot.keyClick(panel._statistics, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "Mean\t0.1\nMaximum\t3"


def test_a_past_run_is_selected_and_its_settings_asked_for(qtbot):
    panel = make(qtbot, HistoryPanel)
    selected, wanted = QSignalSpy(panel.runSelected), QSignalSpy(panel.restoreRequested)
    panel.add_run(HistoryRow(1, "run", "one"))
    panel.add_run(HistoryRow(2, "run", "two"))
    view = panel.findChild(QListView, "historyList")
    view.setCurrentIndex(view.model().index(1, 0))
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert selected.at(0) == [1]
    assert wanted.at(0) == [1]


def test_a_capture_is_opened_by_enter_and_stays_selected_when_the_list_changes(qtbot):
    panel = make(qtbot, CapturesPanel)
    opened = QSignalSpy(panel.openRequested)
    rows = [CaptureRow("/a", "a"), CaptureRow("/b", "b")]
    panel.set_rows(rows)
    table = panel.findChild(QTableView, "capturesTable")
    table.selectRow(1)
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert opened.at(0) == ["/b"]
    panel.set_rows([CaptureRow("/new", "new"), *rows])
    assert panel.selected_paths() == ["/b"]


def test_one_cause_is_one_message_with_its_traceback_one_click_away(qtbot):
    panel = make(qtbot, LogPanel)
    errors = QSignalSpy(panel.errorsChanged)
    for _ in range(3):
        panel.add("error", "The hook on h.1 failed.", "Traceback ...")
    panel.add("info", "Opened.")
    assert panel._model.rowCount() == 2
    assert errors.count() == 1
    details = panel.findChild(QPlainTextEdit, "logDetails")
    panel.findChild(QTableView, "logTable").selectRow(0)
    assert not details.isVisible()
    qtbot.mouseClick(panel.findChild(QPushButton, "logShowDetails"), Qt.MouseButton.LeftButton)
    assert details.isVisible()
    assert details.toPlainText() == "Traceback ..."
    qtbot.mouseClick(panel.findChild(QPushButton, "logCopy"), Qt.MouseButton.LeftButton)
    assert "error: The hook on h.1 failed. (3 times)\nTraceback ..." in QGuiApplication.clipboard().text()
    panel.clear()
    assert errors.at(1) == [0]


def test_the_start_page_offers_ways_in_and_what_was_open(qtbot):
    page = make(qtbot, StartPage)
    signals = {
        "startDemo": page.openDemoRequested,
        "startModel": page.openModelRequested,
        "startCapture": page.openCaptureRequested,
        "startSession": page.openSessionRequested,
    }
    for name, signal in signals.items():
        spy = QSignalSpy(signal)
        qtbot.mouseClick(page.findChild(QPushButton, name), Qt.MouseButton.LeftButton)
        assert spy.count() == 1
    recent = page.findChild(QListWidget, "recentList")
    assert not recent.isVisible()
    page.set_recent([("/models/gpt2", "model"), ("/captures/one", "capture")])
    opened = QSignalSpy(page.recentRequested)
    recent.setCurrentRow(1)
    qtbot.keyClick(recent, Qt.Key.Key_Return)
    assert recent.isVisible()
    assert opened.at(0) == ["/captures/one"]


def test_the_status_bar_shows_progress_and_cancels_once(qtbot):
    bar = make(qtbot, StatusBar)
    cancel, progress = bar.findChild(QToolButton, "cancelButton"), bar.findChild(QProgressBar, "progressBar")
    asked = QSignalSpy(bar.cancelRequested)
    assert not cancel.isVisible()
    bar.set_progress("Reading weights", 3 * 2**40, 4 * 2**40)
    assert progress.value() == 750
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    bar.set_progress("Reading weights", 4 * 2**40, 4 * 2**40)
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    assert asked.count() == 1
    bar.set_progress("Running")
    assert (progress.minimum(), progress.maximum()) == (0, 0)
    bar.clear_progress()
    assert not progress.isVisible()
    bar.set_progress("Running token 1/64", 1, 64)
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    assert asked.count() == 2


def test_the_status_bar_hides_what_there_is_nothing_to_say_about(qtbot):
    bar = make(qtbot, StatusBar)
    texts = {
        name: bar.findChild(QLabel, name) for name in ("statusModel", "statusDevice", "statusDropped", "statusLoss")
    }
    assert texts["statusModel"].text() == "No model"
    assert not any(texts[name].isVisible() for name in ("statusDevice", "statusDropped", "statusLoss"))
    bar.set_model("gpt2-demo")
    bar.set_device("cpu", "float32", 41 * 2**20)
    bar.set_dropped(1200)
    bar.set_loss(0.0312)
    bar.set_message("Opened")
    assert texts["statusDevice"].text() == "cpu · float32 · 41.00 MiB"
    assert texts["statusDropped"].text() == "1,200 dropped"
    assert texts["statusLoss"].text() == "loss 0.03120"
    assert bar.findChild(QLabel, "statusMessage").text() == "Opened"
