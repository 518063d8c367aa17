from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QInputDialog, QLabel, QMenu, QPushButton, QToolButton

from mi_crow_gui.document.workspace import PlotSpec
from mi_crow_gui.panels.plots.board import PlotBoard
from tests.mi_crow_gui.panels_plots.conftest import KINDS, draw
from tests.mi_crow_gui.plotdata.frames import frame, noise

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def board(qtbot: QtBot) -> PlotBoard:
    made = PlotBoard(KINDS, {"attention map": "No module named 'circuits'"})
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    qtbot.waitExposed(made)
    return made


def specs(amount: int, tab: str = "Plots") -> list[PlotSpec]:
    names = list(KINDS)
    return [PlotSpec(names[number % len(names)], tab=tab) for number in range(amount)]


def test_an_empty_board_says_how_to_fill_it(board: PlotBoard) -> None:
    assert board.count() == 0
    button = board.findChild(QPushButton, "addFirstPlot")
    assert button.isVisible()
    button.menu().aboutToShow.emit()
    assert [action.text() for action in button.menu().actions()][:2] == ["Heatmap", "Trace"]
    board.set_plots(specs(1))
    assert not button.isVisible()


def test_plots_that_stay_keep_their_widget_and_what_they_show(board: PlotBoard) -> None:
    first, second, third = specs(3)
    board.set_plots([first, second])
    kept = board.panel(second.id)
    assert kept is not None
    draw(kept, frame(noise(1, 5, 8)))
    board.set_plots([third, second])
    assert board.panel(second.id) is kept
    assert kept.drawing is not None
    assert board.panel(first.id) is None
    assert [panel.plot_id for panel in board.visible_panels()] == [second.id, third.id]


def test_a_fifth_plot_goes_to_a_page_of_its_own(board: PlotBoard) -> None:
    board.set_plots(specs(5))
    assert [board.tabText(index) for index in range(board.count())] == ["Plots", "Plots (2)"]
    assert len(board.visible_panels()) == 4
    assert len(board.panels()) == 5


def test_four_plots_share_a_tab_without_one_being_squeezed_away(board: PlotBoard, qtbot: QtBot) -> None:
    board.set_plots(specs(4))
    qtbot.waitUntil(lambda: all(panel.width() > 300 and panel.height() > 200 for panel in board.visible_panels()))


def test_switching_tabs_says_that_other_plots_can_be_seen(board: PlotBoard, qtbot: QtBot) -> None:
    near, far = specs(1, "Near"), specs(2, "Far")
    board.set_plots([*near, *far])
    assert [panel.plot_id for panel in board.visible_panels()] == [near[0].id]
    with qtbot.waitSignal(board.visibilityChanged):
        board.setCurrentIndex(1)
    assert [panel.plot_id for panel in board.visible_panels()] == [spec.id for spec in far]
    assert board.current_tab() == "Far"
    with qtbot.waitSignal(board.visibilityChanged):
        board.hide()
    assert board.visible_panels() == ()


def test_a_tab_without_plots_disappears(board: PlotBoard) -> None:
    near, far = specs(1, "Near"), specs(1, "Far")
    board.set_plots([*near, *far])
    board.set_plots(far)
    assert [board.tabText(index) for index in range(board.count())] == ["Far"]


def test_renaming_is_asked_for_and_done_by_the_document(
    board: PlotBoard, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots = specs(2)
    board.set_plots(plots)
    kept = board.panels()
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("  Block   one ", True))
    with qtbot.waitSignal(board.tabRenameRequested) as asked:
        board.tabBarDoubleClicked.emit(0)
    assert asked.args == ["Plots", "Block one"]
    board.set_plots([replace(spec, tab="Block one") for spec in plots])
    assert [board.tabText(index) for index in range(board.count())] == ["Block one"]
    assert board.panels() == kept
    assert len(board.visible_panels()) == 2


def test_the_menu_adds_to_this_tab_or_a_new_one_and_lists_what_is_unavailable(board: PlotBoard, qtbot: QtBot) -> None:
    board.set_plots(specs(4))
    menu = board.findChild(QToolButton, "addPlot").menu()
    menu.aboutToShow.emit()
    actions = {action.text(): action for action in menu.actions()}
    assert not actions["Heatmap"].isEnabled(), "this tab is full"
    assert not actions["attention map (unavailable)"].isEnabled()
    inner: QMenu = actions["On a new tab"].menu()
    tabs: list[str] = []
    board.plotAddRequested.connect(lambda kind: tabs.append(board.current_tab()))
    with qtbot.waitSignal(board.plotAddRequested) as asked:
        inner.actions()[1].trigger()
    assert asked.args == ["trace"]
    assert tabs == ["Plots 2"]
    assert board.current_tab() == "Plots"


def test_a_plot_added_on_a_new_tab_is_brought_to_the_front(board: PlotBoard) -> None:
    plots = specs(1)
    board.set_plots(plots)
    board.plotAddRequested.connect(lambda kind: board.set_plots([*plots, PlotSpec(kind, tab=board.current_tab())]))
    board._add_on_new_tab("trace")
    assert board.current_tab() == "Plots 2"


def test_what_a_plot_asks_for_reaches_the_board_with_its_id(board: PlotBoard, qtbot: QtBot) -> None:
    (spec,) = specs(1)
    board.set_plots([spec])
    panel = board.panel(spec.id)
    assert panel is not None
    with qtbot.waitSignals([board.plotCloseRequested, board.plotExportRequested]):
        panel.findChild(QToolButton, "plotClose").click()
        panel.exportRequested.emit()
    with qtbot.waitSignal(board.settingsChanged) as changed:
        panel.change_settings(hide_first=True)
    assert changed.args == [spec.id]
    with qtbot.waitSignal(board.tokenSelected) as token:
        panel.tokenSelected.emit(4)
    assert token.args == [4]
    for asked, told in ((panel.tokenSelected, board.plotTokenSelected), (panel.tokenHovered, board.plotTokenPointed)):
        with qtbot.waitSignal(told) as token:
            asked.emit(4)
        assert token.args == [spec.id, 4]


def test_settings_of_the_document_reach_the_plot_and_undoing_them_too(board: PlotBoard, qtbot: QtBot) -> None:
    spec = PlotSpec("heatmap", options=(("hide_first", "True"),))
    board.set_plots([spec])
    panel = board.panel(spec.id)
    assert panel is not None
    assert panel.settings().hide_first
    draw(panel, frame(noise(1, 5, 8)))
    with qtbot.waitSignal(board.settingsChanged):
        board.set_plots([replace(spec, options=())])
    assert not panel.settings().hide_first
    assert panel.stale


def test_a_kind_that_is_not_there_is_a_row_that_says_so_and_can_be_closed(board: PlotBoard, qtbot: QtBot) -> None:
    spec = PlotSpec("attention map")
    board.set_plots([spec, *specs(1)])
    assert board.panel(spec.id) is None
    assert len(board.visible_panels()) == 1
    said = [label.text() for label in board._panels[spec.id].findChildren(QLabel)]
    assert "No module named 'circuits'" in said[0]
    with qtbot.waitSignal(board.plotCloseRequested) as closed:
        board._panels[spec.id].findChild(QPushButton, "plotClose").click()
    assert closed.args == [spec.id]


def test_a_plot_can_be_asked_to_stay_with_its_site_where_somebody_listens(board: PlotBoard, qtbot: QtBot) -> None:
    spec = PlotSpec("trace")
    board.set_plots([spec])
    panel = board.panel(spec.id)
    assert panel is not None
    panel.set_site("h.1")
    menu = panel.findChild(QToolButton, "plotOptions").menu()
    menu.aboutToShow.emit()
    assert "Stay with h.1" not in [action.text() for action in menu.actions()]
    board.set_pinnable(True)
    menu.aboutToShow.emit()
    pin = next(action for action in menu.actions() if action.text() == "Stay with h.1")
    with qtbot.waitSignal(board.plotPinRequested) as asked:
        pin.trigger()
    assert asked.args == [spec.id, True]
    board.set_plots([replace(spec, site="h.1")])
    menu.aboutToShow.emit()
    assert next(action for action in menu.actions() if action.text() == "Stay with h.1").isChecked()


def test_a_plot_on_another_tab_is_brought_to_the_front(board: PlotBoard) -> None:
    first, second = *specs(1, "Plots"), *specs(1, "Later")
    board.set_plots([first, second])
    board.setCurrentIndex(0)
    hidden = board.panel(second.id)
    assert hidden is not None
    board.bring_forward(hidden)
    assert board.tabText(board.currentIndex()) == "Later"
    assert board.visible_panels() == (hidden,)
