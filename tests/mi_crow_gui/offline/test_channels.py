"""Channels are sorted by what makes one stand out, and each has its card over every token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QListView, QTableView, QWidget

from mi_crow_gui.document.formatting import number
from mi_crow_gui.itemmodels.examples_model import EXAMPLE_ROLE
from tests.mi_crow_gui.offline.conftest import OTHER, TEXTS, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines


class Cards:
    def __init__(self, offline: Offlines, stored: Path) -> None:
        self.offline = offline
        offline.open(stored)
        browser = offline.wiring.browse.browser
        browser.show_tab(browser.channels)
        self.table = offline.find(QTableView, "channelsTable")
        offline.qtbot.waitUntil(lambda: self.table.model().rowCount() == 6, timeout=10_000)

    def column(self, name: str) -> list[str]:
        model = self.table.model()
        names = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]
        return [model.index(row, names.index(name)).data() for row in range(model.rowCount())]

    def choose(self, row: int) -> Any:
        self.table.selectRow(row)
        channel = self.table.model().channel(self.table.model().index(row, 0))
        panel = self.panel()
        self.offline.qtbot.waitUntil(
            lambda: panel.drawing is not None and panel.drawing.content.card.channel == channel, timeout=10_000
        )
        return panel

    def panel(self) -> Any:
        board = self.offline.window.plot_board
        self.offline.qtbot.waitUntil(lambda: any(panel.kind == "neuron_card" for panel in board.panels()))
        return next(panel for panel in board.panels() if panel.kind == "neuron_card")

    def examples(self) -> list[Any]:
        model = self.offline.find(QListView, "cardExamples").model()
        return [model.index(row, 0).data(EXAMPLE_ROLE) for row in range(model.rowCount())]


@pytest.fixture
def cards(offline: Offlines, stored: Path) -> Cards:
    return Cards(offline, stored)


def test_channels_are_sorted_by_any_of_their_numbers(cards: Cards, values: np.ndarray) -> None:
    centred = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    kurtosis = (centred**4).mean(0) / (centred**2).mean(0) ** 2 - 3
    assert [int(c) for c in cards.column("Channel")] == np.argsort(-kurtosis, kind="stable").tolist()
    box = cards.offline.find(QComboBox, "channelsSort")
    box.setCurrentText("Max")
    box.activated.emit(box.currentIndex())
    assert [int(c) for c in cards.column("Channel")] == np.argsort(-values.max(0), kind="stable").tolist()
    np.testing.assert_allclose([float(v) for v in cards.column("Max")], np.sort(values.max(0))[::-1], rtol=1e-3)


def test_the_card_marks_the_token_of_the_strongest_texts(cards: Cards, values: np.ndarray) -> None:
    panel = cards.choose(1)
    channel = panel.drawing.content.card.channel
    best = sorted(range(len(TEXTS)), key=lambda n: -values[rows_of(n).start : rows_of(n).stop, channel].max())[:10]
    shown = cards.examples()
    assert shown[0].heading
    top = shown[1:11]
    np.testing.assert_allclose(
        [values[row.row, channel] for row in top],
        [values[rows_of(n).start : rows_of(n).stop, channel].max() for n in best],
    )
    assert all(row.tokens[row.marked] == f"<{TEXTS[row.text][row.position]}>" for row in top)
    assert panel.drawing.content.card.counts.sum() == len(values)


def test_a_threshold_leaves_the_tokens_beyond_it(cards: Cards, qtbot: QtBot, values: np.ndarray) -> None:
    panel = cards.choose(0)
    channel = panel.drawing.content.card.channel
    box = cards.offline.find(QComboBox, "cardPassing")
    box.setCurrentIndex(1)
    box.activated.emit(1)
    cards.offline.find(QDoubleSpinBox, "cardThreshold").setValue(0.25)
    qtbot.waitUntil(lambda: panel.drawing.settings.threshold == 0.25 and panel.drawing.settings.passing == "above")
    passing = np.flatnonzero(values[:, channel] > 0.25)
    assert panel.drawing.content.passing == len(passing)
    rows = [row.row for row in cards.examples() if not row.heading]
    assert set(rows) <= set(passing.tolist())
    assert len(rows) == min(60, len(passing))
    found = values[rows, channel]
    assert (np.diff(found) <= 0).all()
    assert found[0] == values[:, channel].max()


def test_a_token_of_the_card_opens_its_text_there(cards: Cards, qtbot: QtBot) -> None:
    cards.choose(0)
    view = cards.offline.find(QListView, "cardExamples")
    row = cards.examples()[3]
    view.activated.emit(view.model().index(3, 0))
    text = cards.offline.wait_text(row.text)
    assert cards.offline.find(QWidget, "captureTokens").selected == row.position
    assert text.tokens[row.position] == row.tokens[row.marked]


def test_tokens_of_the_shown_text_are_coloured_by_the_channel(cards: Cards, values: np.ndarray) -> None:
    panel = cards.choose(2)
    channel = panel.drawing.content.card.channel
    strip = cards.offline.find(QWidget, "captureTokens")
    rows = rows_of(0)
    for place, row in enumerate(rows):
        assert f"channel {channel} {number(values[row, channel])}" in strip.description(place)


def test_the_card_follows_the_site(cards: Cards, qtbot: QtBot) -> None:
    panel = cards.choose(0)
    cards.offline.choose_site(OTHER)
    qtbot.waitUntil(lambda: panel.drawing is not None and panel.drawing.site == OTHER, timeout=10_000)


def test_undo_takes_the_card_away_again(cards: Cards, qtbot: QtBot) -> None:
    cards.choose(0)
    board = cards.offline.window.plot_board
    for _ in range(4):
        if cards.offline.window.action("undo").isEnabled():
            cards.offline.driver.act("undo")
    qtbot.waitUntil(lambda: all(panel.kind != "neuron_card" for panel in board.panels()))
