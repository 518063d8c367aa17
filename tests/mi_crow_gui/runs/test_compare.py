"""Two runs compared in the real window, against plain torch."""

from __future__ import annotations

import csv
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QAbstractScrollArea, QTableView

from core_hooks.model.reference import ModelReference
from mi_crow_gui.panels.plots.export import numbers_job
from mi_crow_gui.wiring.composition import Composition
from tests.mi_crow_gui.runs.conftest import FIRST, SECOND, Forward, PlainModel, Runs

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def check(panel: Any, a: Forward, b: Forward, tolerance: float = 1e-5) -> None:
    """Every number of the comparison against a computation made without this project."""
    drawing = panel.drawing
    numbers = drawing.content.numbers
    log_a, log_b = a.logits.double().log_softmax(-1), b.logits.double().log_softmax(-1)
    for column, (i, j) in enumerate(drawing.columns.tolist()):
        if i < 0 or j < 0:
            assert math.isnan(numbers.divergence[column])
            assert np.isnan(numbers.norms[:, column]).all()
            continue
        wanted = float((log_a[i].exp() * (log_a[i] - log_b[j])).sum())
        assert numbers.divergence[column] == pytest.approx(wanted, abs=tolerance)
        norms = (b.stream[:, j].double() - a.stream[:, i].double()).norm(dim=-1)
        np.testing.assert_allclose(numbers.norms[:, column], norms.numpy(), rtol=1e-4, atol=tolerance)
        assert numbers.top_probability_b[column] == pytest.approx(float(log_b[j].exp().max()), abs=tolerance)
        if i and j and a.ids[i] == b.ids[j]:
            change = float(log_b[j - 1, b.ids[j]].exp() - log_a[i - 1, a.ids[i]].exp())
            assert numbers.change[column] == pytest.approx(change, abs=tolerance)
        else:
            assert math.isnan(numbers.change[column])


def test_two_prompts_are_compared_with_one_action_after_their_runs(runs: Runs, plain: PlainModel) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    assert panel.isVisible()
    a, b = plain(plain.ids(FIRST)), plain(plain.ids(SECOND))
    check(panel, a, b)
    drawing = panel.drawing
    columns = drawing.columns.tolist()
    assert [column for column in columns if column[0] < 0] == [[-1, 3], [-1, 4]]
    assert "B tokens 3 to 4" in drawing.where
    changed = [
        column
        for column, (i, j) in enumerate(columns)
        if i >= 0 <= j and int(a.logits[i].argmax()) != int(b.logits[j].argmax())
    ]
    assert np.flatnonzero(drawing.content.numbers.top_changed).tolist() == changed
    assert drawing.content.numbers.top_b[1] == plain.tokenizer.decode([int(b.logits[1].argmax())])


def test_the_alignment_is_shown_before_anything_is_computed(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    seen: list[tuple[bool, int]] = []
    ask = runs.window.service.ask

    def watched(task: Any) -> bool:
        drawing = runs.panel("compare_runs").drawing
        seen.append((drawing.content.numbers is None, len(runs.panel("compare_runs")._strip._boxes)))
        return ask(task)

    monkeypatch.setattr(runs.window.service, "ask", watched)
    runs.driver.act("compareRuns")
    runs.compared()
    assert seen[0] == (True, 14)


def test_runs_keep_their_own_hooks_in_a_comparison(runs: Runs, plain: PlainModel) -> None:
    site = "transformer.h.1.attn"
    runs.run(FIRST)
    runs.driver.write_controller(site, "lambda x: x * 0")
    runs.run(FIRST)
    runs.driver.act("detachAll")
    runs.driver.act("compareRuns")
    panel = runs.compared()
    ids = plain.ids(FIRST)
    cut = plain(ids, lambda module, args, output: (output[0] * 0, *output[1:]), site)
    check(panel, plain(ids), cut)
    assert not panel.drawing.content.numbers.norms[:2].any()
    assert (panel.drawing.content.numbers.norms[2] > 0).all()


def test_generated_text_is_aligned_with_generated_text(runs: Runs, plain: PlainModel) -> None:
    first = runs.run(FIRST, "generate")
    second = runs.run(SECOND, "generate")
    runs.driver.act("compareRuns")
    panel = runs.compared()
    columns = panel.drawing.columns.tolist()
    pairs = [(i, j) for i, j in columns if i >= 0 <= j]
    assert all((i >= 12) == (j >= 14) for i, j in pairs)
    assert sum(i >= 12 for i, _ in pairs) > 20
    log_a, log_b = (
        plain([*outcome.info.tokens.ids, *(step.token_id for step in outcome.generated)])
        .logits.double()
        .log_softmax(-1)
        for outcome in (first, second)
    )
    numbers = panel.drawing.content.numbers
    for column, (i, j) in enumerate(columns):
        # The last token was chosen and never fed.
        if i < 0 or j < 0 or i == len(log_a) - 1 or j == len(log_b) - 1:
            assert math.isnan(numbers.divergence[column])
            continue
        wanted = float((log_a[i].exp() * (log_a[i] - log_b[j])).sum())
        assert numbers.divergence[column] == pytest.approx(wanted, abs=1e-4)


def test_one_token_is_marked_in_all_parts_and_in_every_plot(runs: Runs, qtbot: QtBot) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    table = panel.findChild(QTableView, "comparedTokens")
    place = table.model().row_of(8)
    table.setCurrentIndex(table.model().index(place, 0))
    assert panel._strip._marked == 8
    assert runs.window.prompt._strip.selected == panel.drawing.columns[8, 1] == 8
    strip = panel.findChild(QAbstractScrollArea, "alignedTokens")
    strip.setFocus()
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert panel._strip._marked == 9
    assert runs.window.prompt._strip.selected == 9
    runs.window.prompt._strip.tokenSelected.emit(2)
    assert panel._strip._marked == 2
    assert table.model().place(table.currentIndex()) == 2


def test_the_table_is_sorted_by_divergence_and_can_show_changed_words_alone(runs: Runs) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    model = panel.findChild(QTableView, "comparedTokens").model()
    divergence = panel.drawing.content.numbers.divergence
    shown = [float(divergence[model.place(model.index(at, 0))]) for at in range(model.rowCount())]
    known = [value for value in shown if math.isfinite(value)]
    assert known == sorted(known, reverse=True)
    assert all(math.isnan(value) for value in shown[len(known) :])
    panel.change_settings(only_changed=True, colour="change")
    runs.qtbot.waitUntil(lambda: model.rowCount() == int(panel.drawing.content.numbers.top_changed.sum()))
    runs.qtbot.waitUntil(lambda: not panel.stale)
    assert panel.drawing.colours.diverging
    assert panel.drawing.colours.low == -panel.drawing.colours.high


def test_all_numbers_are_exported_and_nothing_else(runs: Runs, tmp_path: Path) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    path = numbers_job(panel, tmp_path / "compared.csv")()
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    assert len(lines) == 14
    numbers = panel.drawing.content.numbers
    assert float(lines[8][header.index("KL(A‖B) nats")]) == numbers.divergence[8]
    assert float(lines[8][header.index("norm of B - A, block 2")]) == numbers.norms[3, 8]
    assert lines[3][:4] == ["", "", "3", " lemon"] or lines[3][:4] == ["", "", "3", "lemon"]


def test_pins_moved_to_other_runs_are_compared_anew_and_nothing_old_is_shown(runs: Runs, plain: PlainModel) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    runs.run("violin harbor seven")
    runs.driver.act("pinA")
    runs.qtbot.waitUntil(
        lambda: (
            panel.drawing is not None and panel.drawing.content.numbers is not None and panel.drawing.content.a.run == 3
        ),
        timeout=20_000,
    )
    check(panel, plain(plain.ids("violin harbor seven")), plain(plain.ids(SECOND)))
    runs.driver.act("unpinRuns")
    assert panel.drawing is None


def test_a_comparison_stays_current_while_other_runs_come_and_go(runs: Runs) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    before = panel.drawing
    runs.run("violin harbor seven")
    assert not panel.stale
    assert panel.drawing is before


def test_without_two_runs_there_is_nothing_to_compare(runs: Runs) -> None:
    assert not runs.window.findChild(QAction, "compareRuns").isEnabled()
    runs.run(FIRST)
    assert not runs.window.findChild(QAction, "compareRuns").isEnabled()


def test_the_comparison_paints_something_in_both_themes(runs: Runs) -> None:
    runs.run(FIRST)
    runs.run(SECOND)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    for theme in ("themeLight", "themeDark"):
        runs.driver.act(theme)
        image = panel._strip.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        colours = {image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
        assert len(colours) > 5


@pytest.mark.smollm
def test_two_prompts_on_smollm_agree_with_plain_torch(smollm: PlainModel, driver: Driver, qtbot: QtBot) -> None:
    folder = os.environ["MI_CROW_SMOLLM"]
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=90_000):
        driver.window.service.open(ModelReference(folder, dtype="float32"))
    runs = Runs(driver, qtbot)
    texts = ("The capital of France is", "The capital of the old Italy is")
    for text in texts:
        runs.run(text)
    driver.act("compareRuns")
    panel = runs.compared()
    check(panel, smollm(smollm.ids(texts[0])), smollm(smollm.ids(texts[1])), tolerance=2e-3)


def test_of_two_batches_the_selected_prompts_are_compared(runs: Runs, plain: PlainModel) -> None:
    store = runs.window.findChild(Composition)._parts.store
    runs.driver.tick("transformer.h.2")
    store.set_prompts(["violin harbor seven", FIRST])
    runs.driver.run()
    runs.idle()
    store.set_prompts(["seven harbor", SECOND])
    runs.driver.run()
    runs.idle()
    store.select_prompt(1)
    runs.driver.act("compareRuns")
    panel = runs.compared()
    check(panel, plain(plain.ids(FIRST)), plain(plain.ids(SECOND)))
    assert "prompt 2 of 2 is compared" in panel._foot.text() or "prompt 2 of 2" in " ".join(
        panel.drawing.content.numbers.notes
    )
    store.select_prompt(0)
    runs.qtbot.waitUntil(
        lambda: (
            panel.drawing is not None
            and panel.drawing.content.numbers is not None
            and len(panel.drawing.content.a.ids) == 3
        ),
        timeout=20_000,
    )
    check(panel, plain(plain.ids("violin harbor seven")), plain(plain.ids("seven harbor")))
