"""The next token, driven through the window and checked against transformers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from PySide6.QtWidgets import QLabel

from mi_crow_gui.panels.plots.candidate_bars import CandidateBars

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import PlainModel, Views


def test_the_bars_are_the_models_own_probabilities(views: Views, plain: PlainModel, repeated_prompt: str) -> None:
    panel = views.only("next_token")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    ids = plain.ids(repeated_prompt)
    probabilities = plain(ids).logits[0].float().softmax(-1)
    assert len(content.expected) == ids.shape[1]
    for place, here in enumerate(content.expected):
        values, words = probabilities[place].topk(20)
        assert [c.token_id for c in here.candidates] == words.tolist()
        assert [c.probability for c in here.candidates] == pytest.approx(values.tolist(), abs=1e-5)
        if here.came is not None:
            came = int(ids[0, place + 1])
            assert here.came.token_id == came
            assert here.came_rank == int((probabilities[place] > probabilities[place, came]).sum())
    rows = panel.findChild(CandidateBars).rows
    assert [c.token_id for _, c in rows] == probabilities[-1].topk(10).indices.tolist()


def test_the_bars_follow_the_selected_token(views: Views, plain: PlainModel, repeated_prompt: str) -> None:
    panel = views.only("next_token")
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    views.driver.window.prompt.tokenSelected.emit(5)
    probabilities = plain(plain.ids(repeated_prompt)).logits[0, 5].softmax(-1)
    rows = panel.findChild(CandidateBars).rows
    assert [c.token_id for _, c in rows][:10] == probabilities.topk(10).indices.tolist()
    assert "token 5" in panel.accessibleName()


def test_generated_tokens_are_part_of_it(views: Views, repeated_prompt: str) -> None:
    panel = views.only("next_token")
    outcome = views.run(repeated_prompt, "generate")
    content = views.wait_shown(panel, outcome.info.number)
    assert len(content.expected) == len(outcome.info.tokens) + len(outcome.generated)
    # Chosen greedily: each was the likeliest.
    first = len(outcome.info.tokens) - 1
    assert {here.came_rank for here in content.expected[first:-1]} == {0}


def test_what_a_controller_does_is_seen_and_neither_records_nor_counts_change(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    site = "transformer.h.1.attn"
    driver = views.driver
    driver.tick(site)
    driver.write_controller(site, "lambda x: x * 0")
    panel = views.only("next_token")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    views.wait_idle()
    handle = plain.model.get_submodule(site).register_forward_hook(lambda m, a, out: (out[0] * 0, *out[1:]))
    logits = plain(plain.ids(repeated_prompt)).logits[0, -1]
    handle.remove()
    assert [c.token_id for c in content.expected[-1].candidates] == logits.topk(20).indices.tolist()
    assert [state.fired for state in outcome.hooks] == [1, 1]
    frames = driver.window.service.frames().values()
    assert {update.frame.run for update in frames} == {outcome.info.number}
    states: list[object] = []
    driver.window.service.hookStates.connect(states.append)
    driver.window.service.set_hooks(driver.window.service._hooks)
    views.qtbot.waitUntil(lambda: bool(states))
    assert [state.fired for state in states[-1]] == [1, 1]


def test_a_hidden_plot_asks_for_nothing(views: Views, repeated_prompt: str) -> None:
    views.only("heatmap")
    views.board._add_on_new_tab("next_token")
    hidden = next(panel for panel in views.board.panels() if panel.kind == "next_token")
    views.board.setCurrentIndex(0)
    asked: list[object] = []
    views.driver.window.service.taskEnded.connect(asked.append)
    outcome = views.run(repeated_prompt)
    assert views.driver.window.service.state == "ready"
    assert hidden.drawing is None
    views.board.setCurrentIndex(1)
    views.wait_shown(hidden, outcome.info.number)
    assert len(asked) == 1


def test_before_a_run_it_says_what_fills_it_and_in_a_run_that_it_is_stale(views: Views, repeated_prompt: str) -> None:
    panel = views.only("next_token")
    assert "Ctrl+R" in " ".join(label.text() for label in panel.findChildren(QLabel))
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    views.wait_idle()
    stale: list[str] = []
    views.driver.window.service.runStarted.connect(lambda info: stale.append(panel.stale))
    again = views.run(repeated_prompt)
    assert stale
    assert "on its way" in stale[0]
    views.wait_shown(panel, again.info.number)


def test_stop_ends_an_analysis_and_the_plot_says_so(views: Views, repeated_prompt: str) -> None:
    panel = views.only("next_token")
    views.driver.window.service.runFinished.connect(lambda outcome: views.driver.window.service.stop())
    views.run(repeated_prompt)
    views.wait_idle()

    def answered() -> bool:
        # Whether Stop came in time or the analysis was over before it: the plot says which.
        words = " ".join(label.text() for label in panel.findChildren(QLabel))
        return panel.drawing is not None or "Stopped" in words

    views.driver.qtbot.waitUntil(answered, timeout=10_000)
    assert torch.is_grad_enabled()


def test_while_it_writes_the_bars_follow_the_newest_token(views: Views, repeated_prompt: str) -> None:
    panel = views.only("next_token")
    seen: list[list[int]] = []
    chosen: list[tuple[int, ...]] = []

    def note(steps: tuple[Any, ...]) -> None:
        seen.append([candidate.token_id for _, candidate in panel.findChild(CandidateBars).rows])
        chosen.append(tuple(candidate.token_id for candidate in steps[-1].candidates))

    views.driver.window.service.stepsArrived.connect(note)
    outcome = views.run(repeated_prompt, "generate")
    assert chosen
    assert all(set(bars) <= set(candidates) for bars, candidates in zip(seen, chosen, strict=True))
    views.wait_shown(panel, outcome.info.number)


def test_what_is_computed_after_the_controllers_changed_is_of_the_run_as_it_was(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = views.only("heatmap")
    outcome = views.run(repeated_prompt)
    views.driver.write_controller("transformer.h.1.attn", "lambda x: x * 0")
    panel = views.only("next_token")
    content = views.wait_shown(panel, outcome.info.number)
    wanted = plain(plain.ids(repeated_prompt)).logits[0, -1].softmax(-1).max()
    assert content.expected[-1].candidates[0].probability == pytest.approx(float(wanted), abs=1e-5)
    outcome = views.run(repeated_prompt)
    again = views.wait_shown(panel, outcome.info.number)
    assert again.expected[-1].candidates[0].probability != content.expected[-1].candidates[0].probability


def test_closing_the_window_while_it_computes_leaves_nothing_behind(views: Views, repeated_prompt: str) -> None:
    views.only("next_token")
    views.run(repeated_prompt)
    assert views.driver.window.service.state == "running"
    views.driver.window.close()
