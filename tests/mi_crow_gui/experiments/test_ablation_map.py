"""The ablation map through the window, against plain hooks on the demo model."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QToolButton, QTreeView

from core_hooks.analysis.sweep import Variant, _Runner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.mi_crow_gui.experiments.conftest import Lab, PlainModel


def losses_without(plain: PlainModel, text: str, places: list[tuple[int, int]]) -> np.ndarray:
    """Loss of each token but the first with heads zeroed by plain hooks."""
    handles = []
    for block, head in places:

        def zero(_: Any, args: Any, head: int = head) -> Any:
            new = args[0].clone()
            new[..., head * 32 : head * 32 + 32] = 0
            return (new,)

        handles.append(plain.model.transformer.h[block].attn.c_proj.register_forward_pre_hook(zero))
    ids = plain.ids(text)
    logits = plain(ids).logits[0]
    for handle in handles:
        handle.remove()
    return torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none").numpy()


def test_one_action_takes_every_head_out_of_the_prompts_run(lab: Lab, plain: PlainModel, repeated_prompt: str) -> None:
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    content = lab.shown(panel)
    assert panel.isVisible()
    whole = losses_without(plain, repeated_prompt, []).mean()
    assert content.baseline == pytest.approx(whole, abs=1e-4)
    for block, head in ((0, 1), (1, 2), (3, 0)):
        without = losses_without(plain, repeated_prompt, [(block, head)]).mean()
        assert content.change[block, head] == pytest.approx(without - whole, abs=1e-4)
    scale = panel.drawing.scale
    assert (scale.low, scale.diverging) == (-scale.high, True)


def test_its_menu_offers_no_runs_to_choose_from(lab: Lab, repeated_prompt: str) -> None:
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    lab.shown(panel)
    panel._title.menu.aboutToShow.emit()
    entries = [action.text() for action in panel._title.menu.actions() if not action.isSeparator()]
    assert entries == ["Scale", "Copy as image", "Export…"]


def test_the_header_asks_for_something_else_and_says_that_the_map_is_not_it_yet(
    lab: Lab, plain: PlainModel, repeated_prompt: str
) -> None:
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    lab.shown(panel)
    lab.choose(panel, "part", "block")
    lab.choose(panel, "metric", "loss of repeats")
    assert "press Take out each" in panel.stale
    content = lab.measure(panel)
    assert content.change.shape == (4, 1)
    assert not panel.stale
    assert content.baseline == pytest.approx(losses_without(plain, repeated_prompt, [])[11:].mean(), abs=1e-4)
    assert dict(panel.options())["part"] == "block"


def test_words_of_a_logit_difference_are_shown_by_their_first_token(lab: Lab, plain: PlainModel) -> None:
    text = "When Mary and John went to the store , John gave a drink to"
    lab.driver.prompt(text)
    panel = lab.act("ablate", "ablation")
    lab.shown(panel)
    assert not panel.header.field("right").isVisible()
    lab.choose(panel, "metric", "logit difference")
    lab.choose(panel, "right", "Mary")
    lab.choose(panel, "wrong", "John")
    content = lab.measure(panel)
    last = plain(plain.ids(text)).logits[0, -1]
    mary, john = (plain.tokenizer(word)["input_ids"][0] for word in ("Mary", "John"))
    assert content.baseline == pytest.approx(float(last[mary] - last[john]), abs=1e-3)
    assert [word.strip() for word in content.words] == ["Mary", "John"]
    assert "Mary against" in panel.accessibleDescription()
    lab.choose(panel, "wrong", "Mary")
    panel.findChild(QPushButton, "ablationMeasure").click()
    lab.qtbot.waitUntil(lambda: panel.drawing is None, timeout=8_000)
    assert "do not differ" in panel._empty.text()


def test_a_click_selects_the_module_and_marked_heads_become_controllers_in_one_step(
    lab: Lab, plain: PlainModel, repeated_prompt: str
) -> None:
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    lab.shown(panel)
    view = panel._view
    view.clicked.emit((1, 0))
    tree = lab.driver.find(QTreeView, "moduleTree")
    assert tree.currentIndex() == tree.model().index_of_site("transformer.h.1.attn.c_proj")
    view.canvas.setFocus()
    for _ in range(3):
        lab.qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
        lab.qtbot.keyClick(view.canvas, Qt.Key.Key_Space)
    assert panel.chosen == ((1, 0), (1, 1), (1, 2), (1, 3))
    panel.findChild(QPushButton, "ablationAct").click()
    outcome = lab.driver.run()
    wanted = losses_without(plain, repeated_prompt, [(1, head) for head in range(4)])
    assert outcome.losses[1:] == pytest.approx(wanted, abs=1e-3)
    assert outcome.losses[13:].mean() > 5
    lab.driver.act("undo")
    assert lab.driver.run().loss == pytest.approx(losses_without(plain, repeated_prompt, []).mean(), abs=1e-4)
    panel.findChild(QToolButton, "ablationUnchoose").click()
    assert panel.chosen == ()


@pytest.mark.parametrize(("part", "by"), [("heads", "mean"), ("mlp", "zero"), ("mlp", "resample"), ("block", "zero")])
def test_controllers_of_a_cell_cost_what_its_cell_says(lab: Lab, repeated_prompt: str, part: str, by: str) -> None:
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    lab.shown(panel)
    lab.choose(panel, "part", part)
    lab.choose(panel, "by", by)
    content = lab.measure(panel)
    panel._view.clicked.emit((2, 0))
    panel.findChild(QPushButton, "ablationAct").click()
    assert lab.driver.run().loss == pytest.approx(content.baseline + content.change[2, 0], abs=1e-3)


def test_the_users_controllers_are_set_aside_and_that_is_said(lab: Lab, repeated_prompt: str) -> None:
    lab.driver.prompt(repeated_prompt)
    lab.driver.write_controller("transformer.h.1.attn", "lambda x: x * 0")
    panel = lab.act("ablate", "ablation")
    content = lab.shown(panel)
    assert content.baseline < 4
    assert "your controllers at 1 site set aside" in panel.accessibleDescription()


def test_a_cell_that_failed_says_why_and_the_others_are_there(
    lab: Lab, repeated_prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core_hooks.analysis import ablation as library

    found = library.ablate

    def damaged(*arguments: Any, **options: Any) -> Any:
        result = found(*arguments, **options)
        result.change[2, 1] = np.nan
        result.failures[2, 1] = "There is nothing to divide."
        return result

    monkeypatch.setattr("mi_crow_gui.engine.experiments.ablate", damaged)
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    content = lab.shown(panel)
    said: list[str] = []
    panel.readout.connect(said.append)
    panel._view.hovered.emit((2, 1))
    assert "failed: There is nothing to divide." in said[-1]
    assert "1 cell failed" in panel.accessibleDescription()
    assert np.isfinite(content.change).sum() == 15


def test_stopping_it_leaves_the_model_ready_and_says_so(lab: Lab, repeated_prompt: str) -> None:
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    lab.driver.act("stop")
    lab.idle()
    lab.qtbot.waitUntil(lambda: panel.header.measure.isEnabled(), timeout=8_000)
    assert lab.measure(panel).change.shape == (4, 4)


def test_the_numbers_are_exported_as_measured(lab: Lab, repeated_prompt: str, tmp_path: Path) -> None:
    from mi_crow_gui.panels.plots.export import numbers_job, save_picture

    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    content = lab.shown(panel)
    numbers_job(panel, tmp_path / "a.csv")()
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["block", "head 0", "head 1", "head 2", "head 3"]
    assert float(rows[2][3]) == pytest.approx(float(content.change[1, 2]))
    for suffix in (".png", ".svg"):
        save_picture(panel, tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").stat().st_size > 2000


def test_the_experiment_comes_back_with_its_settings_by_redo(lab: Lab, repeated_prompt: str) -> None:
    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    lab.shown(panel)
    lab.choose(panel, "by", "mean")
    lab.driver.act("undo")
    assert panel.header.field("by").currentData() == "zero"
    lab.driver.act("redo")
    assert panel.header.field("by").currentData() == "mean"


def test_a_sweep_tells_how_far_it_is_and_is_cancelled_from_the_status_bar(
    lab: Lab, repeated_prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core_hooks.analysis.sweep.rows_that_fit", lambda *_: 2)
    measure, batches = _Runner.run, []

    def held(runner: _Runner, batch: Sequence[Variant]) -> None:
        if batches:
            lab.window.service._worker.cancel.wait(60)
        batches.append(batch)
        measure(runner, batch)

    monkeypatch.setattr(_Runner, "run", held)
    lab.driver.prompt(repeated_prompt)
    said: list[tuple[int, int]] = []

    def cancel(progress: Any) -> None:
        said.append((progress.done, progress.total))
        if len(said) == 1:
            bar = lab.driver.find(QProgressBar, "progressBar")
            button = lab.driver.find(QToolButton, "cancelButton")
            assert bar.isVisible()
            assert "Ablation: 1 of 16" in lab.driver.find(QLabel, "statusMessage").text()
            button.click()

    service = lab.window.service
    service.taskProgressed.connect(cancel)
    panel = lab.act("ablate", "ablation")
    lab.qtbot.waitUntil(lambda: "stopped before its end" in panel._empty.text(), timeout=8_000)
    service.taskProgressed.disconnect(cancel)
    assert said[0] == (1, 16)
    assert service.state == "ready"
    assert not lab.driver.find(QToolButton, "cancelButton").isVisible()
    assert lab.driver.run().loss < 4


def test_a_session_keeps_what_was_asked(lab: Lab, repeated_prompt: str, tmp_path: Path) -> None:
    from mi_crow_gui.document import session_file

    lab.driver.prompt(repeated_prompt)
    panel = lab.act("ablate", "ablation")
    lab.shown(panel)
    lab.choose(panel, "by", "resample")
    steering = lab.act("steer", "steering")
    lab.choose(steering, "toward", "one\ntwo")
    steering.header.field("toward").left.emit()
    path = tmp_path / "a.microw"
    session_file.save(path, lab.store.workspace)
    plots = {plot.kind: dict(plot.options) for plot in session_file.load(path).workspace.plots}
    assert plots["ablation"]["by"] == "resample"
    assert plots["ablation"]["text"] == repeated_prompt
    assert plots["steering"]["toward"] == "one\ntwo"
