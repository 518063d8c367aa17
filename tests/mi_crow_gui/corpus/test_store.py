"""A store that a program wrote becomes a capture, from the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QInputDialog, QLabel, QTableView

from core_hooks.capture.local_store import LocalStore
from core_hooks.capture.reader import open_capture
from tests.core_hooks.capture.test_store_conversion import fill

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def test_a_run_of_a_store_is_chosen_converted_listed_and_opened(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    fill(store, False)
    store.put_run_metadata("another", {})

    def choose(folder: Path) -> None:
        driver.act("captureFromStore")
        dialog = driver.find(QFileDialog, "fileDialog")
        dialog.fileSelected.emit(str(folder))
        dialog.close()

    choose(tmp_path / "store")
    qtbot.waitUntil(lambda: driver.window.findChild(QInputDialog, "storeRuns") is not None)
    runs = driver.find(QInputDialog, "storeRuns")
    assert not runs.isModal()
    assert runs.comboBoxItems() == ["another", "run"]
    runs.setTextValue("run")
    runs.accept()
    table = driver.find(QTableView, "capturesTable").model()
    qtbot.waitUntil(lambda: table.rowCount() == 1)
    with open_capture(tmp_path / "store-run") as capture:
        assert capture.rows == 18
    (tmp_path / "empty").mkdir()
    choose(tmp_path / "empty")
    qtbot.waitUntil(lambda: "is no store" in driver.find(QLabel, "statusMessage").text())
