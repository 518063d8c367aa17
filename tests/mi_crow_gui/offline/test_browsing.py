"""A capture is browsed without a model: texts, tokens, sites, and every view that needs none."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSlider, QSpinBox, QTableView, QToolButton, QWidget

from mi_crow_gui.plotdata.residual_norms import norms_of_frames
from mi_crow_gui.wiring.text_reading import read_text
from tests.core_hooks.capture.corpora import write_corpus_capture
from tests.mi_crow_gui.offline.conftest import OTHER, TEXTS, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.plotdata.frame import Frame
    from mi_crow_gui.plotdata.residual_norms import ResidualNorms
    from mi_crow_gui.wiring.text_reading import ShownText
    from tests.mi_crow_gui.offline.conftest import Offlines


def test_a_dropped_capture_shows_its_texts_and_the_first_of_them_in_the_plots(
    offline: Offlines, qtbot: QtBot, stored: Path, values: np.ndarray
) -> None:
    offline.open(stored)
    assert offline.window.service.model is None
    assert offline.window.action("layoutAnalyse").isChecked()
    table = offline.find(QTableView, "textsTable")
    assert table.model().rowCount() == len(TEXTS)
    qtbot.waitUntil(lambda: table.model().index(3, 3).data() == " ".join(map(str, TEXTS[3])))
    assert table.model().index(3, 1).data() == str(len(TEXTS[3]))
    assert table.model().index(3, 2).data() == "mood 1"
    panel = offline.only("heatmap")
    drawing = offline.wait_drawn(panel)
    np.testing.assert_array_equal(drawing.rows.values, values[rows_of(0).start : rows_of(0).stop])
    assert drawing.rows.labels == tuple(f"<{token}>" for token in TEXTS[0])


@pytest.mark.parametrize("kind", ["heatmap", "trace", "histogram", "statistics", "projection"])
def test_every_view_that_needs_no_model_is_of_the_text_that_was_clicked(
    offline: Offlines, stored: Path, values: np.ndarray, kind: str
) -> None:
    offline.open(stored)
    panel = offline.only(kind)
    number = next(n for n, text in enumerate(TEXTS) if n > 20 and len(text) > 6)
    offline.click_text(number)
    offline.qtbot.waitUntil(lambda: panel.drawing is not None and panel.drawing.frame.origin == f"text {number}")
    rows = rows_of(number)
    np.testing.assert_array_equal(panel.drawing.frame.values[0], values[rows.start : rows.stop])
    assert any(label.text() == f"text {number}" for label in panel.findChildren(QLabel))


def test_another_site_is_chosen_and_its_values_are_shown(offline: Offlines, stored: Path) -> None:
    offline.open(stored)
    panel = offline.only("heatmap")
    offline.choose_site(OTHER)
    offline.qtbot.waitUntil(lambda: panel.drawing is not None and panel.drawing.site == OTHER, timeout=10_000)
    assert offline.window.inspector.site == OTHER


def test_a_word_and_an_expression_find_their_texts(offline: Offlines, qtbot: QtBot, stored: Path) -> None:
    offline.open(stored)
    model = offline.find(QTableView, "textsTable").model()
    offline.search_texts("17")
    wanted = [number for number, text in enumerate(TEXTS) if 17 in text]
    qtbot.waitUntil(lambda: model.rowCount() == len(wanted))
    assert [model.number(model.index(row, 0)) for row in range(len(wanted))] == wanted
    offline.click_text(wanted[1])
    offline.find(QToolButton, "textFilterRegex").click()
    offline.search_texts("^4[0-9] .* 1$")
    wanted = [n for n, t in enumerate(TEXTS) if 40 <= t[0] <= 49 and len(t) > 2 and t[-1] == 1]
    qtbot.waitUntil(lambda: model.rowCount() == len(wanted))
    offline.search_texts("(")
    qtbot.waitUntil(lambda: "no regular expression" in offline.message())
    offline.search_texts("")
    qtbot.waitUntil(lambda: model.rowCount() == len(TEXTS))


def test_an_expression_that_explodes_is_given_up_and_the_window_lives(
    offline: Offlines, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core_hooks.analysis.text_search._PATIENCE", 0.2)
    write_corpus_capture(tmp_path / "ones", [[1] * 200])
    offline.open(tmp_path / "ones")
    offline.find(QToolButton, "textFilterRegex").click()
    offline.search_texts("(1|1 | 1| )*[a-z]")
    qtbot.waitUntil(lambda: "simplify the expression" in offline.message(), timeout=20_000)


def test_next_and_previous_walk_through_what_was_found(offline: Offlines, qtbot: QtBot, stored: Path) -> None:
    offline.open(stored)
    offline.search_texts("17")
    wanted = [number for number, text in enumerate(TEXTS) if 17 in text]
    model = offline.find(QTableView, "textsTable").model()
    qtbot.waitUntil(lambda: model.rowCount() == len(wanted))
    offline.click_text(wanted[0])
    offline.find(QToolButton, "nextText").click()
    offline.wait_text(wanted[1])
    offline.find(QToolButton, "previousText").click()
    offline.wait_text(wanted[0])


def test_a_range_of_a_text_is_shown_and_positions_stay_those_of_the_text(
    offline: Offlines, qtbot: QtBot, stored: Path, values: np.ndarray
) -> None:
    offline.open(stored)
    panel = offline.only("heatmap")
    number = next(n for n, text in enumerate(TEXTS) if len(text) == 12)
    offline.click_text(number)
    offline.find(QSpinBox, "firstToken").setValue(5)
    qtbot.waitUntil(lambda: offline.wiring.browse.text.first == 5)
    offline.find(QSpinBox, "tokensShown").setValue(3)
    qtbot.waitUntil(lambda: len(offline.wiring.browse.text.tokens) == 3)
    qtbot.waitUntil(
        lambda: panel.drawing is not None and (panel.drawing.rows.first, panel.drawing.rows.count) == (5, 3)
    )
    start = rows_of(number).start
    np.testing.assert_array_equal(panel.drawing.rows.values, values[start + 5 : start + 8])
    strip = offline.find(QWidget, "captureTokens")
    strip.setFocus()
    qtbot.keyClick(strip, Qt.Key.Key_End)
    assert panel._token == 7


def test_a_token_of_a_long_text_brings_the_part_that_it_is_in(
    offline: Offlines, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mi_crow_gui.wiring.text_reading.MOST_TOKENS", 100)
    rng = np.random.default_rng(0)
    write_corpus_capture(tmp_path / "long", [[1, 2, 3], rng.integers(0, 50, 1000).tolist()], shard_rows=200)
    offline.open(tmp_path / "long")
    offline.wiring.browse.show_row(3 + 777)
    qtbot.waitUntil(lambda: offline.wiring.browse.text.number == 1)
    text = offline.wiring.browse.text
    assert text.first <= 777 < text.first + len(text.tokens)
    assert len(text.tokens) == 100
    assert offline.find(QWidget, "captureTokens").selected == 777 - text.first


def test_what_needs_the_model_says_so_by_name(offline: Offlines, qtbot: QtBot, stored: Path) -> None:
    offline.open(stored)
    for kind, words in (("logit_lens", "Logit lens needs the model stand-in"), ("attention", "Attention needs the")):
        panel = offline.only(kind)

        def says(panel: QWidget = panel, words: str = words) -> bool:
            return any(words in label.text() for label in panel.findChildren(QLabel))

        qtbot.waitUntil(says)
    panel = offline.only("ablation")
    offline.click_text(5)
    assert not any("needs the model stand-in" in label.text() for label in panel.findChildren(QLabel))


def test_residual_norms_come_from_the_blocks_that_were_captured(
    offline: Offlines, stored: Path, values: np.ndarray
) -> None:
    offline.open(stored)
    drawing = offline.wait_drawn(offline.only("residual_norms"))
    assert drawing.grid.row_labels == ("block 0",)
    rows = rows_of(0)
    np.testing.assert_allclose(drawing.grid.values[0], np.sqrt((values[rows.start : rows.stop] ** 2).sum(1)), rtol=1e-6)


def test_opening_reads_the_first_text_once_and_norms_are_worked_out_only_when_looked_at_and_elsewhere(
    offline: Offlines, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    threads: list[threading.Thread] = []

    def reading(capture: Any, number: int, *rest: int) -> ShownText:
        read.append(number)
        return read_text(capture, number, *rest)

    def norms(frames: Sequence[Frame]) -> ResidualNorms | None:
        threads.append(threading.current_thread())
        return norms_of_frames(frames)

    monkeypatch.setattr("mi_crow_gui.wiring.browse_wiring.read_text", reading)
    monkeypatch.setattr("mi_crow_gui.wiring.offline_plots_wiring.norms_of_frames", norms)
    offline.open(stored)
    offline.wait_drawn(offline.only("heatmap"))
    assert read == [0]
    assert threads == []
    offline.wait_drawn(offline.only("residual_norms"))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_a_run_takes_the_plots_and_a_click_on_a_text_brings_the_capture_back(
    offline: Offlines, qtbot: QtBot, stored: Path
) -> None:
    offline.driver.open_demo()
    offline.driver.prompt("marble owl ticket")
    offline.open(stored)
    offline.driver.tick("transformer.h.1")
    offline.driver.run()
    assert offline.wiring.browse.text is None
    assert not offline.find(QWidget, "captureText").isVisible()
    offline.click_text(7)
    assert offline.find(QWidget, "captureText").isVisible()


def test_the_steps_of_a_generation_stand_back_while_a_capture_is_shown(offline: Offlines, stored: Path) -> None:
    offline.driver.open_demo()
    offline.driver.prompt("marble owl ticket")
    offline.find(QSpinBox, "maxNewTokens").setValue(4)
    offline.driver.run("generate")
    assert offline.find(QSlider, "generationSlider").isVisible()
    offline.open(stored)
    assert not offline.find(QSlider, "generationSlider").isVisible()


def test_closing_puts_everything_away_and_touches_nothing_on_disk(
    offline: Offlines, qtbot: QtBot, stored: Path
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in stored.iterdir()}
    offline.open(stored)
    panel = offline.only("heatmap")
    offline.wait_drawn(panel)
    offline.find(QWidget, "captureClose").click()
    qtbot.waitUntil(lambda: panel.drawing is None)
    assert not offline.find(QWidget, "captureBrowser").isVisible()
    assert {path.name: path.stat().st_mtime_ns for path in stored.iterdir()} == before


def test_a_capture_is_listed_and_browsed_without_importing_torch(stored: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from mi_crow_gui.app import create
application, window = create(["--fresh", {str(stored)!r}])
window.show()
offline = None
def until(condition):
    import time
    end = time.monotonic() + 80
    while not condition():
        assert time.monotonic() < end
        application.processEvents()
        time.sleep(0.005)
def wiring():
    return next((child for child in window.children() if type(child).__name__ == "Offline"), None)
until(lambda: wiring() is not None and wiring().browse.text is not None)
browse = wiring().browse
assert window.captures.rows()[0].tokens == {sum(map(len, TEXTS))}
browse.show_text(200)
until(lambda: browse.text.number == 200)
panel = window.plot_board.panels()[0]
until(lambda: panel.drawing is not None and panel.drawing.frame.origin == "text 200")
loaded = [name for name in ("torch", "transformers", "tokenizers") if name in sys.modules]
window.close()
print("loaded:", loaded)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout


def test_a_capture_opened_from_the_list_below_leaves_a_small_window_its_size(
    offline: Offlines, qtbot: QtBot, stored: Path
) -> None:
    offline.driver.act("showCaptures")
    offline.window.resize(1024, 700)
    qtbot.waitUntil(lambda: (offline.window.width(), offline.window.height()) == (1024, 700))
    offline.open(stored)
    browser = offline.wiring.browse.browser
    qtbot.waitUntil(browser.isVisible)
    for tab in (browser.channels, browser.search, browser.probe, browser.compare):
        browser.show_tab(tab)
        qtbot.waitUntil(tab.isVisible)
        assert (offline.window.width(), offline.window.height()) == (1024, 700)
    for layout in ("layoutInspect", "layoutWrite", "layoutAnalyse"):
        offline.driver.act(layout)
        offline.driver.act("showCaptures")
        qtbot.waitUntil(browser.isVisible)
        # What the window needs at least, whatever size it has at this moment.
        qtbot.waitUntil(lambda: offline.window.minimumSizeHint().height() <= 700, timeout=10_000)
        assert (offline.window.width(), offline.window.height()) == (1024, 700)
