from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent
from PySide6.QtWidgets import QApplication, QDockWidget, QLabel, QStyle, QTabWidget, QToolButton, QWidget

from mi_crow_gui.window import placement
from mi_crow_gui.window.main_window import MainWindow
from mi_crow_gui.window.theme import apply_theme, current_mode, is_dark

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

PROMISED = (
    "modelDock", "hooksDock", "inspectorDock", "bottomDock", "editorTab", "capturesTab", "historyTab", "logTab",
    "moduleFilter", "moduleTree", "hooksTable", "promptEdit", "tokenStrip", "maxNewTokens", "temperature", "seed",
    "controllerEdit", "controllerProblems", "controllerApply", "outputView", "historyList", "capturesTable",
    "progressBar", "cancelButton", "statusModel", "statusDevice", "statusMessage",
)  # fmt: skip


def _dock(window: MainWindow, name: str) -> QDockWidget:
    found = window.findChild(QDockWidget, name)
    assert found is not None
    return found


def test_importing_and_building_the_window_imports_no_numpy_no_pyqtgraph_and_no_torch() -> None:
    code = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "application = QApplication(['test'])\n"
        "from mi_crow_gui.window.main_window import MainWindow\n"
        "window = MainWindow()\n"
        "window.show()\n"
        "application.processEvents()\n"
        "heavy = {'numpy', 'pyqtgraph', 'torch', 'transformers', 'tokenizers', 'safetensors', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_widget_is_there_by_name(window: MainWindow, name: str) -> None:
    assert len(window.findChildren(QWidget, name)) == 1


def test_what_a_person_touches_has_a_name_for_screen_readers(window: MainWindow) -> None:
    silent = [
        f"{type(widget).__name__} {widget.objectName()}"
        for widget in window.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.objectName()
        and not widget.objectName().startswith("qt_")
        and not (widget.accessibleName() or getattr(widget, "text", lambda: "")())
    ]
    assert silent == []


def test_actions_are_found_by_name_and_in_the_window(window: MainWindow) -> None:
    assert window.action("run") is window.findChild(QAction, "run")
    assert window.action("run") in window.actions()
    with pytest.raises(KeyError):
        window.action("fly")


def test_every_action_is_in_a_menu(window: MainWindow) -> None:
    in_menus = {action.objectName() for menu in window.menus.values() for action in menu.actions()}
    assert set(window.actions_by_name()) <= in_menus


def test_the_docks_have_the_sizes_they_were_designed_with(window: MainWindow) -> None:
    assert abs(_dock(window, "modelDock").width() - 300) <= 2
    assert abs(_dock(window, "inspectorDock").width() - 320) <= 2
    assert abs(_dock(window, "bottomDock").height() - 240) <= 2
    left = _dock(window, "modelDock").height() + _dock(window, "hooksDock").height()
    assert abs(_dock(window, "hooksDock").height() / left - 0.38) < 0.02


def test_the_bottom_dock_lies_under_the_centre_only(window: MainWindow) -> None:
    bottom, model, inspector = (_dock(window, name).geometry() for name in ("bottomDock", "modelDock", "inspectorDock"))
    assert bottom.left() > model.right()
    assert bottom.right() < inspector.left()
    assert inspector.bottom() == bottom.bottom()


def test_nothing_is_wider_than_a_small_window(window: MainWindow, qtbot: QtBot) -> None:
    window.show_workbench()
    window.resize(1024, 700)
    window.reset_layout()
    qtbot.waitUntil(lambda: window.width() == 1024)
    assert (window.width(), window.height()) == (1024, 700)
    extension = window.findChild(QToolButton, "qt_toolbar_ext_button")
    assert extension is None or not extension.isVisible()


def test_docks_are_locked_until_unlocked(window: MainWindow) -> None:
    nothing = QDockWidget.DockWidgetFeature.NoDockWidgetFeatures
    assert window.action("lockDocks").isChecked()
    assert all(dock.features() == nothing for dock in window.findChildren(QDockWidget))
    window.action("lockDocks").trigger()
    assert all(
        dock.features() & QDockWidget.DockWidgetFeature.DockWidgetMovable for dock in window.findChildren(QDockWidget)
    )
    assert all(dock.titleBarWidget() is None for dock in window.findChildren(QDockWidget))


def test_reset_layout_puts_everything_back_and_locks_it(window: MainWindow) -> None:
    before = {dock.objectName(): dock.geometry() for dock in window.findChildren(QDockWidget)}
    window.action("lockDocks").trigger()
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, _dock(window, "modelDock"))
    _dock(window, "hooksDock").setFloating(True)
    _dock(window, "inspectorDock").close()
    window.action("resetLayout").trigger()
    QApplication.processEvents()
    assert {dock.objectName(): dock.geometry() for dock in window.findChildren(QDockWidget)} == before
    assert window.action("lockDocks").isChecked()


def test_the_writing_layout_gives_the_editor_nearly_half_of_the_width(window: MainWindow) -> None:
    window.show_workbench()
    window.action("layoutWrite").trigger()
    QApplication.processEvents()
    bottom = _dock(window, "bottomDock")
    assert window.dockWidgetArea(bottom) == Qt.DockWidgetArea.RightDockWidgetArea
    assert abs(bottom.width() / window.width() - 0.45) < 0.02
    assert window.editor.isVisible()
    assert not _dock(window, "inspectorDock").isVisible()
    assert not window.action("showInspector").isChecked()


def test_the_analysing_layout_shows_captures_left_and_no_prompt(window: MainWindow) -> None:
    window.show_workbench()
    window.action("layoutAnalyse").trigger()
    QApplication.processEvents()
    assert window.dockWidgetArea(_dock(window, "bottomDock")) == Qt.DockWidgetArea.LeftDockWidgetArea
    assert window.captures.isVisible()
    assert not window.prompt.isVisible()
    assert not _dock(window, "modelDock").isVisible()
    window.action("layoutInspect").trigger()
    assert window.prompt.isVisible()
    assert _dock(window, "modelDock").isVisible()


def test_focus_shows_the_plots_only_and_then_everything_as_it_was(window: MainWindow) -> None:
    window.show_workbench()
    window.action("layoutWrite").trigger()
    QApplication.processEvents()
    before = {dock.objectName(): dock.isVisible() for dock in window.findChildren(QDockWidget)}
    window.action("focus").trigger()
    assert not any(dock.isVisible() for dock in window.findChildren(QDockWidget))
    assert not window.prompt.isVisible()
    assert not window.output.isVisible()
    window.action("focus").trigger()
    assert {dock.objectName(): dock.isVisible() for dock in window.findChildren(QDockWidget)} == before
    assert window.prompt.isVisible()
    assert window.action("layoutWrite").isChecked()


def test_a_panel_of_the_menu_is_hidden_and_shown(window: MainWindow) -> None:
    window.action("showHooks").trigger()
    assert not _dock(window, "hooksDock").isVisible()
    window.action("showHooks").trigger()
    assert _dock(window, "hooksDock").isVisible()


def test_the_saved_state_brings_another_window_to_the_same_layout(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(780, 700)
    window.action("layoutWrite").trigger()
    window.findChild(QTabWidget, "bottomTabs").setCurrentIndex(2)
    QApplication.processEvents()
    other = MainWindow()
    qtbot.addWidget(other)
    assert other.restore_state(window.save_state())
    other.show()
    assert other.size() == window.size()
    assert other.dockWidgetArea(_dock(other, "bottomDock")) == Qt.DockWidgetArea.RightDockWidgetArea
    assert other.findChild(QTabWidget, "bottomTabs").currentIndex() == 2
    assert other.action("layoutWrite").isChecked()


def test_what_is_saved_while_focused_is_the_layout_before(window: MainWindow, qtbot: QtBot) -> None:
    window.action("focus").trigger()
    other = MainWindow()
    qtbot.addWidget(other)
    assert other.restore_state(window.save_state())
    other.show()
    assert _dock(other, "modelDock").isVisible()


@pytest.mark.parametrize("damaged", [b"", b"nonsense", b"[]", b"{}", b'{"geometry": "", "docks": "!", "split": []}'])
def test_a_damaged_state_changes_nothing(window: MainWindow, damaged: bytes) -> None:
    before = window.geometry()
    assert not window.restore_state(damaged)
    assert window.geometry() == before
    assert _dock(window, "modelDock").isVisible()


@pytest.mark.parametrize(
    ("frame", "reachable"),
    [
        (QRect(100, 100, 800, 600), True),
        (QRect(-700, 0, 800, 600), False),
        (QRect(1890, 10, 100, 600), False),
        (QRect(100, 2000, 800, 600), False),
        (QRect(100, -300, 800, 600), False),
        (QRect(2200, 10, 800, 600), True),
    ],
)
def test_a_window_counts_as_reachable_only_where_it_can_be_dragged(frame: QRect, reachable: bool) -> None:
    screens = [QRect(0, 0, 1920, 1080), QRect(2000, 0, 1920, 1080)]
    assert placement.is_reachable(frame, screens) is reachable


def test_a_window_placed_on_a_small_screen_has_room_for_its_title_bar_and_its_lower_edge(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    title = window.style().pixelMetric(QStyle.PixelMetric.PM_TitleBarHeight)
    for height in (900, 1080):
        screen = SimpleNamespace(availableGeometry=lambda height=height: QRect(0, 0, 1440, height))
        monkeypatch.setattr(placement, "QGuiApplication", SimpleNamespace(primaryScreen=lambda screen=screen: screen))
        placement.place(window)
        above, below = window.y(), height - window.y() - title - window.height()
        assert above >= 0
        assert below >= 0
        assert abs(above - below) <= 2


def test_a_window_saved_on_a_screen_that_is_gone_comes_back_where_it_is_seen(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = window.save_state()
    monkeypatch.setattr(placement, "is_reachable", lambda *_: False)
    other = MainWindow()
    qtbot.addWidget(other)
    assert other.restore_state(saved)
    assert other.screen().availableGeometry().contains(other.geometry().topLeft())


def test_dropped_files_are_named_and_nothing_else_is(window: MainWindow, qtbot: QtBot) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/models/one"), QUrl("https://example.org/two")])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    with qtbot.waitSignal(window.pathsDropped) as dropped:
        QCoreApplication.sendEvent(window.windowHandle(), event)
    assert dropped.args == [["/models/one"]]


def test_the_guard_decides_whether_the_window_closes(window: MainWindow) -> None:
    window.close_guard = lambda: False
    assert not window.close()
    assert window.isVisible()
    window.close_guard = lambda: True
    assert window.close()


def test_the_newest_value_of_a_site_comes_from_the_service(window: MainWindow) -> None:
    class Service:
        def latest(self, site: str) -> np.ndarray:
            return np.array([len(site)])

    assert window.latest("h.0") is None
    window.service = Service()
    assert window.latest("h.0") == np.array([3])


def test_the_plots_take_the_place_that_was_kept_for_them(window: MainWindow) -> None:
    board = QLabel("plots")
    window.show_workbench()
    window.install_plot_board(board)
    assert window.plot_board is board
    assert board.isVisible()


def test_the_start_page_triggers_the_actions(window: MainWindow, qtbot: QtBot) -> None:
    for signal, name in (
        (window.start_page.openModelRequested, "openModel"),
        (window.start_page.openDemoRequested, "openDemo"),
        (window.start_page.openCaptureRequested, "openCapture"),
        (window.start_page.openSessionRequested, "openSession"),
    ):
        with qtbot.waitSignal(window.action(name).triggered):
            signal.emit()


def test_going_to_the_editor_shows_it_even_from_focus_and_puts_the_keyboard_in_it(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.show_workbench()
    window.editor.set_site("h.0", "", "")
    window.action("focus").trigger()
    window.show_editor()
    assert window.editor.isVisible()
    assert window.focusWidget() is window.findChild(QWidget, "controllerEdit")


def test_find_puts_the_keyboard_in_the_filter(window: MainWindow) -> None:
    window.action("filter").trigger()
    assert window.focusWidget() is window.findChild(QWidget, "moduleFilter")


def test_errors_are_counted_on_the_tab_of_the_log(window: MainWindow) -> None:
    tabs = window.findChild(QTabWidget, "bottomTabs")
    window.log.add("error", "It broke.", "")
    assert tabs.tabText(3) == "Log (1)"
    window.log.clear()
    assert tabs.tabText(3) == "Log"


def test_devices_are_offered_only_once_they_are_known(window: MainWindow, qtbot: QtBot) -> None:
    assert not window.device_box.isVisible()
    window.set_devices(["cpu", "cuda:0"], "cuda:0")
    QApplication.processEvents()
    assert window.device_box.isVisible()
    assert window.device_box.currentText() == "cuda:0"
    with qtbot.waitSignal(window.deviceChosen) as chosen:
        window.device_box.activated.emit(0)
    assert chosen.args == ["cpu"]


def test_choosing_a_theme_applies_it_and_tells_it(window: MainWindow, qtbot: QtBot, qapp: QApplication) -> None:
    before = current_mode(qapp)
    try:
        with qtbot.waitSignal(window.themeChosen) as chosen:
            window.action("themeDark").trigger()
        assert chosen.args == ["dark"]
        assert is_dark()
        QApplication.processEvents()
        apply_theme(qapp, "light")
        qtbot.waitUntil(window.action("themeLight").isChecked)
    finally:
        apply_theme(qapp, before)


def test_icons_follow_a_change_of_theme(window: MainWindow, qapp: QApplication) -> None:
    before = current_mode(qapp)
    try:
        colours = []
        for mode in ("light", "dark"):
            apply_theme(qapp, mode)
            QApplication.processEvents()
            colours.append(window.action("stop").icon().pixmap(20).toImage().pixelColor(10, 10).rgba())
        assert colours[0] != colours[1]
    finally:
        apply_theme(qapp, before)


def test_a_banner_shows_its_message_and_every_answer_closes_it(window: MainWindow, qtbot: QtBot) -> None:
    answers: list[str] = []
    window.show_banner("Bring it back?", "Restore", lambda: answers.append("r"), "Discard", lambda: answers.append("d"))
    assert window.banner.isVisible()
    assert window.banner.text == "Bring it back?"
    restore, discard = window.banner._buttons
    discard.click()
    assert answers == ["d"]
    assert not window.banner.isVisible()
    window.show_banner("Only to be read.")
    assert window.banner._buttons == []
    qtbot.mouseClick(window.banner._dismiss, Qt.MouseButton.LeftButton, pos=QPoint(4, 4))
    assert not window.banner.isVisible()
    assert answers == ["d"]
    assert restore is not discard


def test_a_small_window_stays_small_whatever_was_opened_lately(window: MainWindow, qtbot: QtBot) -> None:
    window.start_page.set_recent([(f"/models/number-{number}", "model") for number in range(9)])
    window.resize(1024, 700)
    qtbot.waitUntil(lambda: window.width() == 1024)
    assert window.minimumSizeHint().height() <= 700
    assert window.height() == 700
