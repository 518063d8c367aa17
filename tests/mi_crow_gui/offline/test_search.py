"""Tokens are found by words and by directions; a result opens its text at the token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtWidgets import QAbstractButton, QCheckBox, QComboBox, QLineEdit, QListView, QSpinBox, QWidget

from core_hooks.analysis.direction_file import write_direction
from mi_crow_gui.itemmodels.examples_model import EXAMPLE_ROLE
from tests.mi_crow_gui.offline.conftest import TEXTS, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines


class Searches:
    def __init__(self, offline: Offlines, stored: Path) -> None:
        self.offline = offline
        offline.open(stored)
        browser = offline.wiring.browse.browser
        browser.show_tab(browser.search)

    def by(self, words: str) -> None:
        box = self.offline.find(QComboBox, "searchWay")
        box.setCurrentText(words)
        assert box.currentText() == words

    def press(self) -> list[Any]:
        button = self.offline.find(QAbstractButton, "searchButton")
        assert button.isEnabled()
        with self.offline.qtbot.waitSignal(self.offline.wiring.search.found, timeout=10_000):
            button.click()
        return self.rows()

    def rows(self) -> list[Any]:
        model = self.offline.find(QListView, "searchResults").model()
        return [model.index(row, 0).data(EXAMPLE_ROLE) for row in range(model.rowCount())]


@pytest.fixture
def searches(offline: Offlines, stored: Path) -> Searches:
    return Searches(offline, stored)


def test_the_words_that_are_looked_for_have_the_line_for_themselves(searches: Searches) -> None:
    words = searches.offline.find(QLineEdit, "tokenSearch")
    assert words.width() > 0.7 * searches.offline.find(QComboBox, "searchWay").width()


def test_a_word_finds_its_tokens_and_a_click_opens_the_text_there(searches: Searches, qtbot: QtBot) -> None:
    edit = searches.offline.find(QLineEdit, "tokenSearch")
    with qtbot.waitSignal(searches.offline.wiring.search.found, timeout=10_000):
        edit.setText("<17>")
        edit.returnPressed.emit()
    wanted = [(n, i) for n, text in enumerate(TEXTS) for i, token in enumerate(text) if token == 17]
    assert [(row.text, row.position) for row in searches.rows()] == wanted
    view = searches.offline.find(QListView, "searchResults")
    view.activated.emit(view.model().index(4, 0))
    searches.offline.wait_text(wanted[4][0])
    assert searches.offline.find(QWidget, "captureTokens").selected == wanted[4][1]


def test_tokens_near_the_selected_one_are_found_by_cosine(searches: Searches, values: np.ndarray) -> None:
    number = next(n for n, text in enumerate(TEXTS) if len(text) > 5)
    searches.offline.click_text(number)
    searches.by("Near the selected token")
    assert not searches.offline.find(QAbstractButton, "searchButton").isEnabled()
    searches.offline.wiring.browse.select_position(3)
    searches.offline.find(QCheckBox, "searchOneOfText").setChecked(False)
    searches.offline.find(QCheckBox, "searchFirstTokens").setChecked(True)
    found = searches.press()
    row = rows_of(number).start + 3
    wide = values.astype(np.float64)
    cosine = wide @ wide[row] / np.linalg.norm(wide, axis=1) / np.linalg.norm(wide[row])
    np.testing.assert_allclose([cosine[f.row] for f in found], np.sort(cosine)[::-1][: len(found)], atol=1e-5)
    assert len(found) == 200


def test_a_channel_and_a_steering_vector_are_searched_along(
    searches: Searches, qtbot: QtBot, values: np.ndarray, tmp_path: Path
) -> None:
    searches.by("Along a channel")
    searches.offline.find(QSpinBox, "searchChannel").setValue(4)
    box = searches.offline.find(QComboBox, "searchMeasure")
    box.setCurrentIndex(box.findData("projection"))
    searches.offline.find(QCheckBox, "searchFirstTokens").setChecked(True)
    found = searches.press()
    assert values[found[0].row, 4] == values[:, 4].max()
    searches.by("Along a vector from a file")
    assert not searches.offline.find(QAbstractButton, "searchButton").isEnabled()
    vector = np.array([1, -1, 0, 0, 2, 0], np.float32)
    searches.offline.wiring.search.load_file(str(write_direction(tmp_path / "v.safetensors", vector)))
    qtbot.waitUntil(searches.offline.find(QAbstractButton, "searchButton").isEnabled)
    found = searches.press()
    along = values @ vector
    assert along[found[0].row] == pytest.approx(along.max(), rel=1e-6)


def test_a_vector_of_another_model_is_one_sentence(searches: Searches, qtbot: QtBot, tmp_path: Path) -> None:
    searches.by("Along a vector from a file")
    wrong = write_direction(tmp_path / "v.safetensors", np.ones(99, np.float32))
    searches.offline.wiring.search.load_file(str(wrong))
    button = searches.offline.find(QAbstractButton, "searchButton")
    qtbot.waitUntil(button.isEnabled)
    button.click()
    qtbot.waitUntil(lambda: "99 channels" in searches.offline.message())
    searches.offline.wiring.search.load_file(str(tmp_path / "none.safetensors"))
    qtbot.waitUntil(lambda: "There is no file" in searches.offline.message())
