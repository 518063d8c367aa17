from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QTableWidget

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.window.capture_corpus_dialog import CaptureCorpusDialog
    from tests.mi_crow_gui.driver import Driver


class CorpusDriver:
    """What a person does in the dialog of the capture job."""

    def __init__(self, qtbot: QtBot, driver: Driver) -> None:
        self.qtbot, self.driver, self.window = qtbot, driver, driver.window
        driver.act("captureCorpus")
        self.dialog: CaptureCorpusDialog = driver.find(object, "captureCorpusDialog")

    def find(self, kind: type, name: str):  # type: ignore[no-untyped-def]
        found = self.dialog.findChild(kind, name)
        assert found is not None, name
        return found

    def type(self, name: str, text: object) -> None:
        self.find(QLineEdit, name).setText(str(text))

    def choose(self, name: str, text: str) -> None:
        self.find(QComboBox, name).setCurrentText(text)

    def press(self, name: str) -> None:
        button = self.find(QAbstractButton, name)
        assert button.isEnabled(), f"{name} is disabled: {self.message}"
        button.click()

    @property
    def message(self) -> str:
        return self.find(QLabel, "corpusMessage").text()

    @property
    def facts(self) -> dict[str, str]:
        table = self.find(QTableWidget, "corpusEstimate")
        return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())}

    def can_start(self) -> bool:
        return self.find(QAbstractButton, "corpusStart").isEnabled()

    def fill(self, texts: Path, out: Path, layers: str = "transformer.h.1.mlp transformer.h.2") -> None:
        self.type("corpusTexts", texts)
        self.type("corpusOut", out)
        self.type("corpusLayers", layers)

    def wait_estimate(self) -> dict[str, str]:
        self.qtbot.waitUntil(lambda: "about" in self.facts["Tokens"] and self.can_start(), timeout=20_000)
        return self.facts

    def wait_begun(self) -> None:
        """Until the job has the model thread, and can be paused."""
        self.qtbot.waitUntil(self.find(QAbstractButton, "corpusPause").isEnabled, timeout=60_000)

    def wait_end(self) -> str:
        self.qtbot.waitUntil(lambda: not self.dialog.working, timeout=60_000)
        return self.message


@pytest.fixture
def corpus(qtbot: QtBot, driver: Driver) -> CorpusDriver:
    """The dialog over the demo model."""
    driver.open_demo()
    qtbot.waitUntil(lambda: driver.window.service.state == "ready", timeout=20_000)
    return CorpusDriver(qtbot, driver)
