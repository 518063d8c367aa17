"""Every kind of plot leaves the window as picture and as numbers."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QInputDialog, QMenu, QToolButton

from mi_crow_gui.plotdata.logit_lens import RANK
from mi_crow_gui.plotdata.scale import LOCKED, MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mi_crow_gui.views.conftest import PlainModel, Views

SITE = "transformer.h.2"
OF_SITES = ("heatmap", "trace", "histogram", "statistics", "projection")
OF_RUNS = ("next_token", "logit_lens", "attention", "residual_norms", "head_map")


def shown(views: Views, kind: str, prompt: str) -> Any:
    panel = views.only(kind)
    if kind in OF_SITES:
        views.driver.tick(SITE)
    views.run(prompt)
    views.qtbot.waitUntil(lambda: panel.drawing is not None and not panel.stale, timeout=8_000)
    views.wait_idle()
    return panel


def export(views: Views, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose a file in the dialog of the action."""

    def choose(title: str, start: str, name_filter: str, taken: Any) -> None:
        assert f"*{path.suffix}" in name_filter
        taken(str(path))

    monkeypatch.setattr(views.driver.window, "ask_for_new_file", choose)
    views.driver.act("exportPlot")
    views.qtbot.waitUntil(path.exists, timeout=8_000)


@pytest.mark.parametrize("kind", [*OF_SITES, *OF_RUNS])
def test_every_kind_is_exported_as_seen_and_as_measured_and_copied(
    views: Views, kind: str, repeated_prompt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = shown(views, kind, repeated_prompt)
    table = panel.drawing.table()
    for suffix in ("png", "svg", "csv", "npy"):
        export(views, tmp_path / f"plot.{suffix}", monkeypatch)
    picture = QImage(str(tmp_path / "plot.png"))
    assert picture.size() == panel.size() * panel.devicePixelRatioF()
    colours = {picture.pixel(x, y) for x in range(0, picture.width(), 7) for y in range(0, picture.height(), 7)}
    assert len(colours) > 3
    drawn = QSvgRenderer(str(tmp_path / "plot.svg"))
    assert drawn.isValid()
    assert drawn.viewBox().size() == panel.size()
    values = np.load(tmp_path / "plot.npy", allow_pickle=False)
    wanted = table.values if table.array is None else table.array
    assert values.dtype == wanted.dtype
    np.testing.assert_array_equal(values, wanted)
    with (tmp_path / "plot.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == table.header
    numbers = np.array([[float(text) for text in row[len(row) - table.values.shape[1] :]] for row in rows])
    np.testing.assert_array_equal(numbers.astype(values.dtype), table.values)
    assert all(button.isVisible() for button in panel.findChildren(QToolButton, "plotClose"))
    panel._on_menu_about_to_show()
    menu = panel.findChild(QToolButton, "plotOptions").menu()
    next(action for action in menu.actions() if action.text() == "Copy as image").trigger()
    assert QGuiApplication.clipboard().image().size() == picture.size()


def test_the_lens_exports_the_word_of_every_cell_beside_its_numbers(
    views: Views, plain: PlainModel, repeated_prompt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = shown(views, "logit_lens", repeated_prompt)
    panel.set_word(" ticket")
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.colour == RANK, timeout=8_000)
    export(views, tmp_path / "plot.csv", monkeypatch)
    with (tmp_path / "plot.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = plain.ids(repeated_prompt)
    last = [row for row in rows if row["place"] == panel.drawing.grid.row_labels[-1]]
    logits = plain(ids).logits[0]
    assert [int(row["position"]) for row in last] == list(range(ids.shape[1]))
    assert [row["likeliest word"] for row in last] == [plain.tokenizer.decode([int(i)]) for i in logits.argmax(-1)]
    chances = logits.softmax(-1)
    np.testing.assert_allclose([float(row["probability"]) for row in last], chances.max(-1).values, atol=1e-4)
    word = panel.drawing.content.word
    target = plain.tokenizer(" ticket", add_special_tokens=False)["input_ids"][0]
    above = (logits > logits[:, target, None]).sum(-1)
    assert [float(row[f"rank of {word}"]) for row in last] == above.tolist()
    np.testing.assert_allclose(
        [float(row[f"word probability of {word}"]) for row in last], chances[:, target], atol=1e-4
    )


def test_the_heatmap_exports_what_was_captured_whatever_its_colours(
    views: Views, repeated_prompt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(views, "heatmap", repeated_prompt)
    export(views, tmp_path / "plot.npy", monkeypatch)
    np.testing.assert_array_equal(np.load(tmp_path / "plot.npy"), views.driver.window.latest(SITE)[0])


@pytest.mark.parametrize("kind", ["heatmap", "attention", "residual_norms", "logit_lens"])
def test_one_click_under_the_colour_bar_goes_to_another_range(views: Views, kind: str, repeated_prompt: str) -> None:
    panel = shown(views, kind, repeated_prompt)
    button = panel.findChild(QToolButton, "scaleMode")
    seen = []
    for _ in range(3):
        scale = panel.settings().scale
        seen.append(scale)
        assert button.isVisible()
        button.click()
        views.qtbot.waitUntil(
            lambda scale=scale: not panel.stale and panel.drawing.settings.scale != scale, timeout=8_000
        )
    assert MIN_MAX in seen
    assert PERCENTILE in seen


def test_one_click_locks_the_range_of_the_heatmap_and_another_lets_go(views: Views, repeated_prompt: str) -> None:
    panel = shown(views, "heatmap", repeated_prompt)
    assert panel.settings().scale == PERCENTILE
    before = panel.drawing.scale
    lock = panel.findChild(QToolButton, "scaleLock")
    lock.click()
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.scale == LOCKED, timeout=8_000)
    assert (panel.drawing.scale.low, panel.drawing.scale.high) == (before.low, before.high)
    assert panel.findChild(QToolButton, "scaleMode").text() == "locked"
    lock.click()
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.scale == PERCENTILE, timeout=8_000)


def test_a_tab_holds_four_plots_and_then_offers_a_new_one(views: Views) -> None:
    views.only("heatmap")
    for _ in range(3):
        views.board.plotAddRequested.emit("trace")
    assert views.board.count() == 1
    menu = views.board.findChild(QToolButton, "addPlot").menu()
    views.board._on_add_menu_about_to_show()
    assert not any(action.isEnabled() for action in menu.actions() if action.menu() is None)
    (inner,) = [action.menu() for action in menu.actions() if isinstance(action.menu(), QMenu)]
    assert all(action.isEnabled() for action in inner.actions())
    views.board._add_on_new_tab("trace")
    assert views.board.count() == 2


def test_a_tab_is_renamed_by_an_action_and_that_is_undone(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*asked: Any, text: str) -> tuple[str, bool]:
        assert text == "Plots"
        return "Residuals", True

    monkeypatch.setattr(QInputDialog, "getText", answer)
    views.driver.act("renameTab")
    assert views.board.tabText(0) == "Residuals"
    assert {panel.isVisible() for panel in views.board.panels()} == {True}
    views.driver.act("undo")
    assert views.board.tabText(0) == "Plots"
