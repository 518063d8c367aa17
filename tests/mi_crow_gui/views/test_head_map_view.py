"""The head map: one action, and the circuit of the demo model is what is brightest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtGui import QAction

from mi_crow_gui.document.resource_files import demo_model_folder
from mi_crow_gui.plotdata.head_map import SCORES, TEXT

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import PlainModel, Views

KINDS = [name for name, _ in SCORES]


def circuit() -> dict[str, Any]:
    return json.loads((demo_model_folder() / "circuit.json").read_text())


def map_heads(views: Views) -> Any:
    views.driver.act("mapHeads")
    panel = next(panel for panel in views.board.panels() if panel.kind == "head_map")
    views.wait_shown(panel)
    views.wait_idle()
    return panel


def brightest(scores: np.ndarray, count: int) -> set[tuple[int, int]]:
    order = np.argsort(-scores, axis=None)[:count]
    return {(int(block), int(head)) for block, head in zip(*np.unravel_index(order, scores.shape), strict=True)}


def test_the_brightest_heads_are_those_of_the_trained_circuit(views: Views) -> None:
    scores = map_heads(views).drawing.content.scores
    induction = {tuple(head) for head in circuit()["induction_heads"]}
    previous = {tuple(head) for head in circuit()["previous_token_heads"]}
    assert brightest(scores[KINDS.index("induction")], len(induction)) == induction
    assert brightest(scores[KINDS.index("previous_token")], len(previous)) == previous


def test_one_action_opens_a_tab_of_its_own_and_once_only(views: Views) -> None:
    before = views.board.count()
    panel = map_heads(views)
    assert views.board.count() == before + 1
    assert views.board.tabText(views.board.currentIndex()) == "Heads"
    views.board.setCurrentIndex(0)
    assert map_heads(views) is panel
    assert views.board.count() == before + 1
    assert panel.isVisible()


def test_without_a_model_there_is_nothing_to_map(driver: Any) -> None:
    assert not driver.window.findChild(QAction, "mapHeads").isEnabled()


def test_the_scores_of_the_users_text_are_means_over_output_attentions(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = map_heads(views)
    outcome = views.run(repeated_prompt)
    panel.change_settings(source=TEXT)
    content = views.wait_shown(panel, outcome.info.number)
    attentions = plain(plain.ids(repeated_prompt), output_attentions=True).attentions
    copy = plain.ids(repeated_prompt).shape[1] // 2
    for block, pattern in enumerate(attentions):
        weights = pattern[0].numpy()
        previous = np.diagonal(weights, -1, 1, 2).mean(-1)
        induction = np.diagonal(weights, 1 - copy, 1, 2)[:, 1:].mean(-1)
        duplicate = np.diagonal(weights, -copy, 1, 2).mean(-1)
        first = weights[:, 1:, 0].mean(-1)
        for name, expected in zip(KINDS, (induction, previous, duplicate, first), strict=True):
            np.testing.assert_allclose(content.scores[KINDS.index(name), block], expected, atol=1e-4, err_msg=name)


def test_a_run_leaves_the_map_of_random_tokens_and_it_is_not_measured_again(views: Views, repeated_prompt: str) -> None:
    panel = map_heads(views)
    content = panel.drawing.content
    views.run(repeated_prompt)
    views.qtbot.waitUntil(lambda: not panel.stale, timeout=8_000)
    assert panel.drawing.content is content


def test_the_read_out_gives_all_four_scores_of_a_head(views: Views) -> None:
    panel = map_heads(views)
    said: list[str] = []
    panel.readout.connect(said.append)
    panel._views[0].hovered.emit((1, 2))
    assert "block 1 head 2" in said[-1]
    for scores in panel.drawing.content.scores:
        assert str(scores[1, 2]) in said[-1]


def test_a_click_on_a_head_shows_what_it_looks_at(views: Views, plain: PlainModel, repeated_prompt: str) -> None:
    panel = map_heads(views)
    outcome = views.run(repeated_prompt)
    views.wait_idle()
    panel._views[0].clicked.emit((1, 2))
    (attention,) = (panel for panel in views.board.panels() if panel.kind == "attention")
    content = views.wait_shown(attention, outcome.info.number)
    assert (content.block, attention.drawing.head) == (1, 2)
    expected = plain(plain.ids(repeated_prompt), output_attentions=True).attentions[1][0, 2]
    np.testing.assert_allclose(attention.drawing.grid.values, expected.numpy(), atol=1e-5)
    panel._views[1].clicked.emit((0, 1))
    views.qtbot.waitUntil(lambda: not attention.stale and attention.drawing.content.block == 0, timeout=8_000)
    assert attention.drawing.head == 1
    assert sum(panel.kind == "attention" for panel in views.board.panels()) == 1


def test_controllers_act_in_the_map_and_one_that_is_older_than_they_says_so(views: Views, plain: PlainModel) -> None:
    panel = map_heads(views)
    whole = panel.drawing.content
    assert "controller" not in panel.accessibleDescription()
    site = "transformer.h.0.attn"
    views.driver.write_controller(site, "lambda x: x * 0")
    assert "controllers changed" in panel.stale
    assert map_heads(views) is panel
    cut = panel.drawing.content
    assert "1 controller acting" in panel.accessibleDescription()
    # Without the previous token's heads there is nothing for induction to find.
    induction = KINDS.index("induction")
    assert whole.scores[induction, 1].min() > 0.8
    assert cut.scores[induction, 1].max() < 0.3
    handle = plain.model.get_submodule(site).register_forward_hook(lambda m, a, out: (out[0] * 0, *out[1:]))
    ids = plain.tokenizer(" ".join(cut.tokens), return_tensors="pt")["input_ids"]
    assert len(cut.tokens) == ids.shape[1]
    weights = plain(ids, output_attentions=True).attentions[1][0].numpy()
    handle.remove()
    previous = np.diagonal(weights, -1, 1, 2).mean(-1)
    np.testing.assert_allclose(cut.scores[KINDS.index("previous_token"), 1], previous, atol=1e-4)
    views.driver.act("undo")
    assert "controllers changed" in panel.stale


def test_controllers_can_be_kept_out_of_the_map_and_that_is_said(views: Views) -> None:
    panel = map_heads(views)
    whole = panel.drawing.content.scores
    views.driver.write_controller("transformer.h.0.attn", "lambda x: x * 0")
    panel.change_settings(controllers=False)
    views.wait_shown(panel)
    np.testing.assert_array_equal(panel.drawing.content.scores, whole)
    assert "1 controller off for this" in panel.accessibleDescription()
