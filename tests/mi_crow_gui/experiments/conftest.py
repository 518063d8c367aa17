"""Experiments as a person makes them: actions, header, cells; and the demo model by transformers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtWidgets import QComboBox, QLineEdit, QPlainTextEdit, QPushButton

from tests.mi_crow_gui.views.conftest import PlainModel, plain, repeated_prompt

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

__all__ = ["PlainModel", "plain", "repeated_prompt"]


class Lab:
    """The plots of experiments, through object names."""

    def __init__(self, driver: Driver, qtbot: QtBot) -> None:
        self.driver, self.qtbot, self.window = driver, qtbot, driver.window

    @property
    def store(self) -> Any:
        """The document, to look at."""
        from mi_crow_gui.state.store import DocumentStore

        return self.window.findChild(DocumentStore)

    def act(self, name: str, kind: str) -> Any:
        """Trigger the action of an experiment; its plot."""
        self.driver.act(name)
        return self.panel(kind)

    def panel(self, kind: str) -> Any:
        (panel,) = (panel for panel in self.window.plot_board.panels() if panel.kind == kind)
        return panel

    def choose(self, panel: Any, field: str, value: object) -> None:
        """Set a field of the header."""
        widget = panel.header.field(field)
        if isinstance(widget, QComboBox):
            widget.setCurrentIndex(widget.findData(value))
        elif isinstance(widget, QLineEdit):
            widget.setText(str(value))
            widget.editingFinished.emit()
        elif isinstance(widget, QPlainTextEdit):
            widget.setPlainText(str(value))
        else:
            widget.setValue(value)

    def measure(self, panel: Any) -> Any:
        """Press the button and wait for what comes of it."""
        before = panel.drawing
        panel.findChild(QPushButton, f"{panel.kind}Measure").click()
        return self.shown(panel, before)

    def shown(self, panel: Any, before: Any = None) -> Any:
        """Wait until the plot shows another drawing that is current; its content."""
        self.qtbot.waitUntil(
            lambda: panel.drawing is not None and panel.drawing is not before and not panel.stale, timeout=20_000
        )
        return panel.drawing.content

    def idle(self) -> None:
        self.qtbot.waitUntil(lambda: self.window.service.state == "ready", timeout=20_000)


@pytest.fixture
def lab(driver: Driver, qtbot: QtBot) -> Lab:
    driver.open_demo()
    return Lab(driver, qtbot)
