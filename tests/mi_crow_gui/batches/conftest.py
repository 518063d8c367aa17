"""The demo model with a batch of prompts, through the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QPlainTextEdit

from mi_crow_gui.panels.token_strip import TokenStrip

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

PROMPTS = ["violin harbor seven Oscar silk under", "quiet lemon", "marble owl ticket marble owl"]
SITE = "transformer.h.1"


class Batches:
    """What a person does with a batch."""

    def __init__(self, driver: Driver, qtbot: QtBot) -> None:
        self.driver, self.qtbot = driver, qtbot

    @property
    def window(self) -> Any:
        return self.driver.window

    @property
    def strip(self) -> TokenStrip:
        return self.driver.find(TokenStrip, "tokenStrip")

    def type(self, prompts: list[str], batch: bool = True) -> None:
        self.driver.find(QPlainTextEdit, "promptEdit").setPlainText("\n".join(prompts))
        switch = self.driver.find(QCheckBox, "promptBatch")
        if switch.isChecked() != batch:
            switch.click()

    def run(self, prompts: list[str] | None = None, action: str = "run") -> Any:
        self.type(PROMPTS if prompts is None else prompts)
        return self.driver.run(action)

    def click(self, prompt: int, token: int) -> None:
        """Click a token of the strip, scrolled to if it has to be."""
        strip = self.strip
        box = strip._layout.box(prompt, token)
        strip.verticalScrollBar().setValue(box.top())
        strip.horizontalScrollBar().setValue(0)
        self.qtbot.mouseClick(
            strip.viewport(), Qt.MouseButton.LeftButton, pos=box.center() + strip._offset() + QPoint()
        )

    def measure(self, name: str) -> None:
        """Choose what the tokens are coloured by."""
        box = self.driver.find(QComboBox, "tokenMeasure")
        index = box.findData(name)
        box.setCurrentIndex(index)
        box.activated.emit(index)

    def only(self, kind: str) -> Any:
        """Close every plot, add one of this kind, and give its panel."""
        board = self.window.plot_board
        for panel in board.panels():
            panel.closeRequested.emit()
        board.plotAddRequested.emit(kind)
        (panel,) = board.panels()
        return panel

    def shown(self, panel: Any, prompt: int, run: int) -> Any:
        """Wait until a plot shows a prompt of a run, and give its drawing."""

        def current() -> bool:
            drawing = panel.drawing
            return drawing is not None and not panel.stale and (drawing.run, drawing.frame.prompt) == (run, prompt)

        self.qtbot.waitUntil(current, timeout=8_000)
        return panel.drawing


@pytest.fixture
def batches(driver: Driver, qtbot: QtBot) -> Batches:
    driver.open_demo()
    driver.tick(SITE)
    return Batches(driver, qtbot)
