"""A run does not wait for what is only computed to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QAction

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def test_run_pressed_while_the_heads_are_mapped_runs_and_the_map_comes_after(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    driver.prompt("marble owl ticket marble owl")
    driver.act("mapHeads")
    assert driver.window.service.state == "running"
    assert driver.window.findChild(QAction, "run").isEnabled()
    outcome = driver.run()
    assert outcome.stopped == "done"
    assert len(outcome.losses) == 5
    panel = next(panel for panel in driver.window.plot_board.panels() if panel.kind == "head_map")
    qtbot.waitUntil(lambda: panel.drawing is not None, timeout=20_000)
    qtbot.waitUntil(lambda: driver.window.service.state == "ready", timeout=20_000)
