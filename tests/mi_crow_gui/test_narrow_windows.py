"""What a window of 1024 x 700 shows in every layout: nothing cut off at its borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QAbstractButton, QPlainTextEdit, QScrollArea

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


@pytest.mark.parametrize("layout", ["layoutInspect", "layoutWrite", "layoutAnalyse"])
def test_every_layout_fits_into_a_small_window(driver: Driver, qtbot: QtBot, layout: str) -> None:
    driver.open_demo()
    driver.select("transformer.h.0")
    driver.find(QPlainTextEdit, "controllerEdit").setPlainText("def control(x, ctx):\n    return x * ctx.strength")
    driver.act(layout)
    driver.window.resize(1024, 700)
    qtbot.waitUntil(lambda: (driver.window.width(), driver.window.height()) == (1024, 700))
    apply = driver.find(QAbstractButton, "controllerApply")
    if apply.isVisible():
        assert apply.mapTo(driver.window, apply.rect().bottomRight()).x() < 1024


def test_plots_stand_below_each_other_where_two_do_not_fit_side_by_side(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    driver.act("layoutWrite")
    driver.window.resize(1024, 700)
    first, second = driver.window.plot_board.panels()
    qtbot.waitUntil(lambda: second.y() > first.y() and second.width() >= 200)
    page = driver.window.plot_board.currentWidget()
    assert isinstance(page, QScrollArea)
    # Both fit, if low: nothing is scrolled away.
    assert page.verticalScrollBar().maximum() == 0
    assert min(first.height(), second.height()) >= 128
    driver.window.plot_board.setMaximumHeight(240)
    # Both do not: each is as high as is easily read.
    qtbot.waitUntil(lambda: page.widget().height() >= 2 * 200)
    driver.window.plot_board.setMaximumHeight(200)
    # Each is as high as what is seen at once.
    qtbot.waitUntil(lambda: page.widget().height() == 2 * page.height() + page.widget().handleWidth())
    driver.window.plot_board.setMaximumHeight((1 << 24) - 1)
    driver.act("layoutInspect")
    driver.window.resize(1440, 900)
    qtbot.waitUntil(lambda: second.y() == first.y() and second.x() > first.x())
