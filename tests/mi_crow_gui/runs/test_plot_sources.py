"""Plots that show run A, run B, both or their difference, and both sides of a site's controllers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QMenu, QPushButton, QSpinBox

from core_hooks.model.reference import ModelReference
from mi_crow_gui.document.session_codec import workspace_from_data, workspace_to_data
from mi_crow_gui.panels.plots.export import numbers_job
from mi_crow_gui.wiring.composition import Composition
from tests.mi_crow_gui.runs.conftest import FIRST, SECOND, PlainModel, Runs

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.panels.plots.base import PlotPanel
    from tests.mi_crow_gui.driver import Driver

SITE = "transformer.h.2"
# Positions of FIRST and SECOND that answer to each other.
PAIRS = [(0, 0), (1, 1), (2, 2), (3, 5), (4, 6), (5, 7), (6, 8), (7, 9), (8, 10), (9, 11), (10, 12), (11, 13)]


def store_of(runs: Runs) -> Any:
    return runs.window.findChild(Composition)._parts.store


def only(runs: Runs, kind: str) -> PlotPanel:
    board = runs.window.plot_board
    for panel in board.panels():
        panel.closeRequested.emit()
    board.plotAddRequested.emit(kind)
    (panel,) = board.panels()
    return panel


def choose(runs: Runs, panel: PlotPanel, source: str) -> None:
    """Choose a source in the plot's own menu."""
    menu = panel._title.menu
    menu.aboutToShow.emit()
    inner = next(action.menu() for action in menu.actions() if action.text() == "Run shown")
    assert isinstance(inner, QMenu)
    entry = next(action for action in inner.actions() if action.objectName() == f"plotSource_{source or 'newest'}")
    entry.trigger()


def shown(runs: Runs, panel: PlotPanel, when: str) -> Any:
    """What the plot shows once its title says this."""

    def there() -> bool:
        return panel.drawing is not None and not panel.stale and title(panel).startswith(when)

    runs.qtbot.waitUntil(there, timeout=10_000)
    return panel.drawing


def title(panel: PlotPanel) -> str:
    return panel._title.when.text()


def words(panel: PlotPanel) -> str:
    return " ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


@pytest.fixture
def pinned(runs: Runs) -> Runs:
    """FIRST is A, SECOND is B, a third run is the newest; the site is captured in all."""
    runs.driver.tick(SITE)
    runs.run(FIRST)
    runs.driver.act("pinA")
    runs.run(SECOND)
    runs.driver.act("pinB")
    runs.run("violin harbor")
    return runs


def test_a_plot_shows_a_pinned_run_and_stays_with_it_while_others_follow(pinned: Runs, plain: PlainModel) -> None:
    panel = only(pinned, "heatmap")
    shown(pinned, panel, "run 3")
    choose(pinned, panel, "A")
    drawing = shown(pinned, panel, "A · run 1 · step 0")
    np.testing.assert_allclose(drawing.rows.values, plain(plain.ids(FIRST)).stream[3].numpy(), atol=1e-5)
    pinned.window.plot_board.plotAddRequested.emit("heatmap")
    follower = pinned.window.plot_board.panels()[1]
    shown(pinned, follower, "run 3")
    pinned.run("seven Oscar silk")
    shown(pinned, follower, "run 4")
    assert shown(pinned, panel, "A · run 1").run == 1
    assert not panel.stale


def test_the_numbers_of_a_difference_are_exported_as_they_were_measured(
    pinned: Runs, plain: PlainModel, tmp_path: Path
) -> None:
    panel = only(pinned, "heatmap")
    choose(pinned, panel, "B-A")
    shown(pinned, panel, "B − A · runs 2 − 1")
    numbers_job(panel, tmp_path / "difference.npy")()
    numbers_job(panel, tmp_path / "difference.csv")()
    found = np.load(tmp_path / "difference.npy", allow_pickle=False)
    a, b = plain(plain.ids(FIRST)).stream[3].numpy(), plain(plain.ids(SECOND)).stream[3].numpy()
    assert found.shape == b.shape
    for i, j in PAIRS:
        np.testing.assert_allclose(found[j], b[j] - a[i], atol=1e-5)
    assert np.isnan(found[3:5]).all()
    rows = (tmp_path / "difference.csv").read_text(encoding="utf-8").splitlines()
    numbers = np.array([[float(text) for text in row.split(",")[-found.shape[1] :]] for row in rows[1:]], found.dtype)
    np.testing.assert_array_equal(numbers, found)


def test_the_difference_is_aligned_by_token_signed_and_exact(pinned: Runs, plain: PlainModel) -> None:
    panel = only(pinned, "heatmap")
    choose(pinned, panel, "B-A")
    drawing = shown(pinned, panel, "B − A · runs 2 − 1")
    a, b = plain(plain.ids(FIRST)).stream[3].numpy(), plain(plain.ids(SECOND)).stream[3].numpy()
    for i, j in PAIRS:
        np.testing.assert_allclose(drawing.rows.values[j], b[j] - a[i], atol=1e-5)
    assert np.isnan(drawing.rows.values[3:5]).all()
    assert np.isfinite(np.delete(drawing.rows.values, [3, 4], axis=0)).all()
    assert drawing.frame.blank == (3, 4)
    assert drawing.scale.diverging
    assert drawing.scale.low == -drawing.scale.high
    foot = panel._foot.text()
    assert "12 tokens aligned" in foot
    assert "no partner: B tokens 3 to 4" in foot
    assert "NaN" not in foot


def test_statistics_and_histogram_of_a_difference_leave_out_what_has_no_partner(
    pinned: Runs, plain: PlainModel
) -> None:
    a, b = plain(plain.ids(FIRST)).stream[3].numpy(), plain(plain.ids(SECOND)).stream[3].numpy()
    difference = np.concatenate([b[j] - a[i] for i, j in PAIRS])
    panel = only(pinned, "statistics")
    choose(pinned, panel, "B-A")
    drawing = shown(pinned, panel, "B − A")
    assert (drawing.count, drawing.nan) == (difference.size, 0)
    assert drawing.mean == pytest.approx(float(difference.mean(dtype=np.float64)), abs=1e-6)
    assert drawing.maximum == pytest.approx(float(difference.max()), abs=1e-4)
    panel = only(pinned, "histogram")
    choose(pinned, panel, "B-A")
    drawing = shown(pinned, panel, "B − A")
    assert drawing.counts.sum() == difference.size


@pytest.mark.parametrize("kind", ["trace", "histogram"])
def test_a_and_b_are_overlaid_over_the_same_axis(pinned: Runs, plain: PlainModel, kind: str) -> None:
    panel = only(pinned, kind)
    choose(pinned, panel, "A+B")
    drawing = shown(pinned, panel, "A, B · runs 1, 2")
    a, b = plain(plain.ids(FIRST)).stream[3].numpy(), plain(plain.ids(SECOND)).stream[3].numpy()
    assert "B solid, A dashed" in panel._foot.text()
    if kind == "trace":
        np.testing.assert_allclose(drawing.measured, np.linalg.norm(b, axis=1), rtol=1e-5)
        for i, j in PAIRS:
            assert drawing.other[j] == pytest.approx(float(np.linalg.norm(a[i])), rel=1e-5)
        assert np.isnan(drawing.other[3:5]).all()
    else:
        partners = np.concatenate([a[i] for i, _ in PAIRS])
        wanted, _ = np.histogram(partners, drawing.edges)
        assert np.abs(drawing.other - wanted).sum() <= 2  # values within rounding of an edge
        assert drawing.other.sum() == partners.size
    header = drawing.table().header
    assert header[-2].endswith("(solid)")
    assert header[-1].endswith("(dashed)")
    assert panel.grab().width() > 0


def test_what_is_missing_is_said_and_comes_when_it_is_there(runs: Runs) -> None:
    panel = only(runs, "heatmap")
    runs.driver.select(SITE)
    runs.run(FIRST)
    choose(runs, panel, "A")
    assert "No run is pinned as A" in words(panel)
    runs.driver.act("pinA")
    assert f"did not capture {SITE}" in words(panel)
    runs.driver.tick(SITE)
    runs.run(FIRST)
    runs.driver.act("pinA")
    shown(runs, panel, "A · run 2")
    runs.driver.act("unpinRuns")
    assert panel.drawing is None
    assert "No run is pinned as A" in words(panel)


def test_the_choice_is_undone_and_kept_in_sessions(pinned: Runs) -> None:
    panel = only(pinned, "heatmap")
    choose(pinned, panel, "B")
    shown(pinned, panel, "B · run 2")
    data = json.loads(json.dumps(workspace_to_data(store_of(pinned).workspace)))
    workspace, unknown = workspace_from_data(data)
    assert workspace.plots[0].source == "B"
    assert not unknown
    data["plots"][0]["source"] = "C"
    assert workspace_from_data(data)[0].plots[0].source == ""
    pinned.driver.act("undo")
    shown(pinned, panel, "run 3")


@pytest.mark.parametrize("kind", ["next_token", "logit_lens", "residual_norms", "attention"])
def test_an_analysis_shows_a_pinned_run_as_it_was(pinned: Runs, plain: PlainModel, kind: str) -> None:
    pinned.driver.write_controller("transformer.h.1.attn", "lambda x: x * 0")
    panel = only(pinned, kind)
    choose(pinned, panel, "A")
    drawing = shown(pinned, panel, "A · run 1")
    forward = plain(plain.ids(FIRST))
    content = drawing.content
    last = forward.logits[-1].softmax(-1)
    if kind == "next_token":
        assert content.expected[-1].candidates[0].probability == pytest.approx(float(last.max()), abs=1e-5)
    elif kind == "logit_lens":
        np.testing.assert_allclose(content.probability[-1], forward.logits.softmax(-1).max(-1).values, atol=1e-4)
    elif kind == "residual_norms":
        np.testing.assert_allclose(content.norms, forward.stream.norm(dim=-1).numpy(), rtol=1e-4)
    else:
        assert content.patterns.shape[-1] == 12
    pinned.run("silk under")
    assert panel.drawing is not None
    assert panel.drawing.run == 1
    assert not panel.stale


def test_before_and_after_the_controllers_of_a_site(runs: Runs, plain: PlainModel) -> None:
    panel = only(runs, "trace")
    runs.driver.select(SITE)
    choose(runs, panel, "sides")
    assert "No controller acts" in words(panel)
    runs.driver.tick(SITE)
    runs.driver.write_controller(SITE, "lambda x: x * 2")
    runs.run(FIRST)
    assert "only what is there before its controllers is captured" in words(panel)
    offer = panel.findChild(QPushButton, "plotOffer")
    assert offer.isVisible()
    with runs.qtbot.waitSignal(runs.window.service.runFinished, timeout=20_000):
        offer.click()
    drawing = shown(runs, panel, "before, after · run 2")
    before = np.linalg.norm(plain(plain.ids(FIRST)).stream[3].numpy(), axis=1)
    np.testing.assert_allclose(drawing.other, before, rtol=1e-5)
    np.testing.assert_allclose(drawing.measured, 2 * before, rtol=1e-5)
    assert "after solid, before dashed" in panel._foot.text()
    heatmap = only(runs, "heatmap")
    choose(runs, heatmap, "sides")
    drawing = shown(runs, heatmap, "after − before · run 2")
    np.testing.assert_allclose(drawing.rows.values, plain(plain.ids(FIRST)).stream[3].numpy(), atol=1e-5)
    assert drawing.scale.diverging


def test_both_sides_follow_a_new_run_and_can_be_undone(runs: Runs) -> None:
    panel = only(runs, "histogram")
    runs.driver.write_controller(SITE, "lambda x: x * 2")
    choose(runs, panel, "sides")
    with runs.qtbot.waitSignal(runs.window.service.runFinished, timeout=20_000):
        panel.findChild(QPushButton, "plotOffer").click()
    shown(runs, panel, "before, after · run 1")
    runs.run(SECOND)
    drawing = shown(runs, panel, "before, after · run 2")
    assert drawing.counts.sum() == drawing.other.sum()
    assert runs.window.findChild(QAction, "undo").isEnabled()


@pytest.mark.smollm
def test_the_difference_of_two_runs_of_smollm_is_that_of_plain_torch(
    smollm: PlainModel, driver: Driver, qtbot: QtBot
) -> None:
    folder = os.environ["MI_CROW_SMOLLM"]
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=90_000):
        driver.window.service.open(ModelReference(folder, dtype="float32"))
    runs = Runs(driver, qtbot)
    driver.window.show_workbench()
    driver.tick("model.layers.10")
    texts = ("The capital of France is", "The capital of Italy is")
    for text, pin in zip(texts, ("pinA", "pinB"), strict=True):
        runs.run(text)
        driver.act(pin)
    panel = only(runs, "heatmap")
    choose(runs, panel, "B-A")
    drawing = shown(runs, panel, "B − A · runs 2 − 1")
    a, b = (smollm(smollm.ids(text)).stream[11].numpy() for text in texts)
    # Up to the changed word both are the same, to the last bit.
    assert not drawing.rows.values[:3].any()
    np.testing.assert_allclose(drawing.rows.values[3:], (b - a)[3:], atol=2e-3)
    assert np.abs(drawing.rows.values[3:]).max() > 1


def beside(runs: Runs, source: str, when: str) -> tuple[Any, Any]:
    """A heatmap that follows the newest run, which is B, beside one of another source."""
    following = only(runs, "heatmap")
    runs.window.plot_board.plotAddRequested.emit("heatmap")
    pinned = next(panel for panel in runs.window.plot_board.panels() if panel is not following)
    choose(runs, pinned, source)
    shown(runs, following, "run 2")
    shown(runs, pinned, when)
    return following, pinned


def rows(*panels: Any) -> list[int | None]:
    """The row that is marked in each plot."""
    return [panel._band._row if panel._band.isVisible() else None for panel in panels]


@pytest.fixture
def two(runs: Runs) -> Runs:
    """FIRST is A, SECOND is B and the newest run."""
    runs.driver.tick(SITE)
    runs.run(FIRST)
    runs.driver.act("pinA")
    runs.run(SECOND)
    runs.driver.act("pinB")
    return runs


def test_a_token_is_marked_where_it_is_aligned_in_the_other_run(two: Runs) -> None:
    following, of_a = beside(two, "A", "A · run 1 · step 0")
    strip = two.window.prompt._strip
    partners = {b: a for a, b in PAIRS}
    for token in range(14):
        strip.tokenSelected.emit(token)
        strip.tokenHovered.emit(token)
        two.qtbot.waitUntil(lambda token=token: rows(following, of_a) == [token, partners.get(token)])
        assert [panel._pointer.place for panel in (following, of_a)] == [token, partners.get(token)]
    assert 3 not in partners, "the inserted word has no partner, and none is marked"
    for a, b in PAIRS:
        of_a.tokenSelected.emit(a)
        of_a.tokenHovered.emit(a)
        assert rows(following, of_a) == [b, a]
        assert strip.selected == b
        assert strip.chip(0, b).pointed


def test_a_token_of_the_newest_run_stays_aligned_when_another_run_is_pinned_or_shown(two: Runs) -> None:
    following, of_a = beside(two, "A", "A · run 1")
    two.window.prompt._strip.tokenSelected.emit(6)
    two.qtbot.waitUntil(lambda: rows(following, of_a) == [6, 4])
    choose(two, of_a, "B-A")
    shown(two, of_a, "B − A · runs 2 − 1 · step 0")
    assert rows(following, of_a) == [6, 6], "a difference is at the positions of B"
    choose(two, of_a, "A")
    shown(two, of_a, "A · run 1")
    assert rows(following, of_a) == [6, 4]
    two.window.plot_board.plotAddRequested.emit("trace")
    trace = two.panel("trace")
    two.qtbot.waitUntil(lambda: trace.drawing is not None and trace._cursor.isVisible())
    assert trace._cursor.value() == 6, "a plot that comes later points at it too"


def test_titles_of_two_runs_say_the_step_of_each(runs: Runs) -> None:
    runs.driver.tick(SITE)
    runs.run(FIRST)
    runs.driver.act("pinA")
    runs.driver.find(QSpinBox, "maxNewTokens").setValue(3)
    runs.run(FIRST, "generate")
    runs.driver.act("pinB")
    panel = only(runs, "heatmap")
    choose(runs, panel, "B-A")
    step = runs.window.service.kept(2).frame(SITE).step
    assert step >= 2
    shown(runs, panel, f"B − A · runs 2 − 1 · steps {step} − 0")
    trace = only(runs, "trace")
    choose(runs, trace, "A+B")
    shown(runs, trace, f"A, B · runs 1, 2 · steps 0, {step}")


def test_a_projection_of_a_pinned_run_and_of_a_difference_is_that_of_their_values(two: Runs, plain: PlainModel) -> None:
    a, b = plain(plain.ids(FIRST)).stream[3].numpy(), plain(plain.ids(SECOND)).stream[3].numpy()
    pairs = {j: b[j] - a[i] for i, j in PAIRS}
    panel = only(two, "projection")
    for source, when, known in (
        ("A", "A · run 1", dict(enumerate(a))),
        ("B", "B · run 2", dict(enumerate(b))),
        ("B-A", "B − A · runs 2 − 1", pairs),
    ):
        choose(two, panel, source)
        drawing = shown(two, panel, when)
        assert drawing.positions.tolist() == [position for position in known if position]
        values = np.stack([value for position, value in known.items() if position]).astype(np.float64)
        u, s, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
        np.testing.assert_allclose(np.abs(drawing.points), np.abs(u[:, :2] * s[:2]), atol=1e-4)
        np.testing.assert_allclose(drawing.shares, s[:2] ** 2 / (s**2).sum(), atol=1e-5)
    foot = panel._foot.text()
    assert "no partner: B tokens 3 to 4" in foot
    assert "NaN" not in foot
