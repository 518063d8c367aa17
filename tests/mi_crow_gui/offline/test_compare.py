"""Two captures of the same texts are compared from the window, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QListView, QTableView, QWidget

from mi_crow_gui.itemmodels.examples_model import EXAMPLE_ROLE
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture
from tests.mi_crow_gui.offline.conftest import TEXTS

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines


@pytest.fixture
def two(offline: Offlines, stored: Path, tmp_path: Path) -> Offlines:
    """The capture, and another of the same texts in half precision, listed."""
    write_corpus_capture(tmp_path / "halved", TEXTS, dtype="float16")
    write_corpus_capture(tmp_path / "stranger", number_texts(9))
    offline.wiring.list.add_folder(str(tmp_path))
    offline.qtbot.waitUntil(lambda: len(offline.window.captures.rows()) == 2)
    return offline


def test_captures_are_compared_and_a_site_shows_where_it_changed(two: Offlines, qtbot: QtBot, stored: Path) -> None:
    two.open(stored)
    browser = two.wiring.browse.browser
    browser.show_tab(browser.compare)
    box = two.find(QComboBox, "compareWith")
    box.setCurrentText("halved")
    two.find(QAbstractButton, "compareCapturesButton").click()
    qtbot.waitUntil(lambda: len(two.wiring.compare.sites) == 2, timeout=10_000)
    table = two.find(QTableView, "compareTable")
    assert [table.model().index(row, 0).data() for row in range(2)] == ["h.0", "rows.x"]
    assert float(table.model().index(0, 1).data()) == pytest.approx(1.0, abs=1e-3)
    table.selectRow(0)
    qtbot.waitUntil(two.find(QWidget, "compareChannels").isVisible)
    model = two.find(QListView, "compareTokens").model()
    row = model.index(2, 0).data(EXAMPLE_ROLE)
    assert row.row == two.wiring.compare.sites[0].rows[2]
    two.find(QListView, "compareTokens").activated.emit(model.index(2, 0))
    two.wait_text(row.text)


def test_two_captures_of_the_list_are_compared_from_its_menu(two: Offlines, qtbot: QtBot, tmp_path: Path) -> None:
    two.window.captures.compareRequested.emit(str(tmp_path / "halved"), str(tmp_path / "stranger"))
    qtbot.waitUntil(lambda: "can be compared" in two.message() or "not of the same texts" in two.message())
    assert two.find(QWidget, "compareNote").isVisible()
