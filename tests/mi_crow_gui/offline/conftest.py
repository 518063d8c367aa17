"""A capture made without a model, its truth beside it, and the window as a person uses it on captures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QItemSelectionModel
from PySide6.QtWidgets import QComboBox, QLineEdit, QTableView, QWidget

from core_hooks.capture.reader import open_capture
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from pytestqt.qtbot import QtBot

    from mi_crow_gui.wiring.offline import Offline
    from tests.mi_crow_gui.driver import Driver

TEXTS = number_texts(300, seed=5)
SITE, OTHER = "h.0", "rows.x"


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of 300 labelled texts over two sites."""
    folder = tmp_path_factory.mktemp("captures") / "numbers"
    write_corpus_capture(folder, TEXTS, labels=True, shard_rows=256)
    return folder


class Offlines:
    """What a person does with captures, through object names alone."""

    def __init__(self, driver: Driver, qtbot: QtBot) -> None:
        self.driver, self.qtbot = driver, qtbot

    @property
    def window(self) -> Any:
        return self.driver.window

    @property
    def wiring(self) -> Offline:
        return next(child for child in self.window.children() if type(child).__name__ == "Offline")

    @property
    def composition(self) -> Any:
        return next(child for child in self.window.children() if type(child).__name__ == "Composition")

    def find(self, kind: type, name: str) -> Any:
        return self.driver.find(kind, name)

    def open(self, folder: Path) -> None:
        self.window.pathsDropped.emit([str(folder)])
        browse = self.wiring.browse
        self.qtbot.waitUntil(
            lambda: browse.capture is not None and browse.capture.folder == folder and browse.text is not None,
            timeout=10_000,
        )

    def message(self) -> str:
        return self.find(QWidget, "statusMessage").text()

    def click_text(self, number: int) -> None:
        table = self.find(QTableView, "textsTable")
        index = table.model().index(table.model().place(number), 0)
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        table.selectionModel().setCurrentIndex(index, flags)
        self.wait_text(number)

    def wait_text(self, number: int) -> Any:
        browse = self.wiring.browse
        self.qtbot.waitUntil(lambda: browse.text is not None and browse.text.number == number, timeout=10_000)
        return browse.text

    def search_texts(self, words: str) -> None:
        edit = self.find(QLineEdit, "textFilter")
        edit.setText(words)
        edit.returnPressed.emit()

    def choose_site(self, site: str) -> None:
        box = self.find(QComboBox, "captureSite")
        box.setCurrentIndex(box.findData(site))
        box.activated.emit(box.currentIndex())

    def only(self, kind: str) -> Any:
        """Close every plot, add one of this kind, and give its panel."""
        board = self.window.plot_board
        for panel in board.panels():
            panel.closeRequested.emit()
        board.plotAddRequested.emit(kind)
        (panel,) = board.panels()
        return panel

    def wait_drawn(self, panel: Any) -> Any:
        self.qtbot.waitUntil(lambda: panel.drawing is not None and not panel.stale, timeout=10_000)
        return panel.drawing


@pytest.fixture
def offline(driver: Driver, qtbot: QtBot) -> Offlines:
    return Offlines(driver, qtbot)


@pytest.fixture(scope="session")
def values(stored: Path) -> np.ndarray:
    """Every row of the first site."""
    with open_capture(stored) as capture:
        return capture.read(SITE, 0, capture.rows).copy()


def rows_of(number: int) -> range:
    """Rows of a text, counted by hand."""
    start = sum(len(text) for text in TEXTS[:number])
    return range(start, start + len(TEXTS[number]))
