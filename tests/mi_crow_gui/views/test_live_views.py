"""Views of a run while it goes on, and gone back to afterwards; driven through the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QCheckBox, QSlider, QSpinBox

from mi_crow_gui.engine import live_views
from mi_crow_gui.engine.live_share import LiveShare
from mi_crow_gui.engine.messages import LookedAt
from mi_crow_gui.panels.plots.candidate_bars import CandidateBars
from mi_crow_gui.plotdata.head_map import SCORES, TEXT

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import LiveContents
    from tests.mi_crow_gui.views.conftest import PlainModel, Views

ALL = ("logit_lens", "attention", "residual_norms", "next_token")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is shown and every token is read, whatever it costs."""
    monkeypatch.setattr(live_views, "_PAUSE", 0.0)
    monkeypatch.setattr(live_views, "_CREDIT", 1e6)
    wanted = property(lambda share: True, lambda share, wanted: None)
    monkeypatch.setattr(LiveShare, "wanted", wanted, raising=False)


def is_whole(panel: Any) -> bool:
    """Whether a plot shows the run as it is, not what was followed of it."""
    return panel.drawing is not None and not panel.drawing.frame.live


def show(views: Views, kinds: tuple[str, ...] = ALL) -> dict[str, Any]:
    for panel in views.board.panels():
        panel.closeRequested.emit()
    for kind in kinds:
        views.board.plotAddRequested.emit(kind)
    return {panel.kind: panel for panel in views.board.panels()}


def generate(views: Views, prompt: str, tokens: int = 12) -> tuple[Any, list[dict[str, Any]]]:
    """Generate; give the outcome, and what the views were shown meanwhile by the name of the analysis."""
    arrived: list[dict[str, Any]] = []
    service = views.driver.window.service

    def note(live: LiveContents) -> None:
        arrived.append({name: content for (name, _), content in live.contents.items()})

    service.liveArrived.connect(note)
    views.driver.find(QSpinBox, "maxNewTokens").setValue(tokens)
    outcome = views.run(prompt, "generate")
    service.liveArrived.disconnect(note)
    return outcome, arrived


def sequence(outcome: Any) -> torch.Tensor:
    return torch.tensor([[*outcome.info.tokens.ids, *(step.token_id for step in outcome.generated)]])


def wait_step(views: Views, panel: Any, step: int) -> Any:
    views.qtbot.waitUntil(
        lambda: panel.drawing is not None and not panel.stale and panel.drawing.step == step, timeout=8_000
    )
    return panel.drawing.content


@pytest.mark.usefixtures("hasty")
def test_while_it_writes_lens_attention_and_norms_are_those_of_the_model_until_the_newest_token(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    show(views)
    outcome, arrived = generate(views, repeated_prompt, 40)
    assert arrived
    newest = arrived[-1]
    lens, attention, norms = (newest[name] for name in ALL[:3])
    count = len(lens.tokens)
    assert count > len(outcome.info.tokens)
    assert lens.live
    assert {content.step for content in (lens, attention, norms)} == {count - len(outcome.info.tokens)}
    assert {content.run for content in (lens, attention, norms)} == {outcome.info.number}
    ids = sequence(outcome)[:, :count]
    found = plain(ids, output_attentions=True, output_hidden_states=True)
    np.testing.assert_allclose(attention.patterns, found.attentions[0][0].numpy(), atol=1e-5)
    assert lens.unread == 0
    chances = found.logits[0].softmax(-1).max(-1).values
    np.testing.assert_allclose(lens.probability[-1], chances.numpy(), atol=1e-4)
    # All but the last: transformers gives that one normalised.
    streams = torch.stack(found.hidden_states[:-1])[:, 0]
    np.testing.assert_allclose(norms.norms[:-1], streams.norm(dim=-1).numpy(), rtol=1e-4)


@pytest.mark.usefixtures("hasty")
def test_what_is_shown_live_is_what_the_analysis_gives_afterwards(views: Views, repeated_prompt: str) -> None:
    panels = show(views)
    outcome, arrived = generate(views, repeated_prompt, 40)
    whole = outcome.info.number
    for name in ALL[:3]:
        after = views.wait_shown(panels[name], whole)
        views.qtbot.waitUntil(lambda name=name: is_whole(panels[name]), timeout=8_000)
        after = panels[name].drawing.content
        live = arrived[-1][name]
        part = after.until(len(live.tokens), live.step)
        for field in ("probability", "entropy", "patterns", "norms"):
            if hasattr(live, field):
                np.testing.assert_allclose(getattr(live, field), getattr(part, field), rtol=1e-3, atol=1e-4)
        if name == "logit_lens":
            assert live.words == part.words


@pytest.mark.usefixtures("hasty")
def test_a_live_picture_says_run_and_step_and_is_not_stale(views: Views, repeated_prompt: str) -> None:
    panels = show(views)
    seen: list[tuple[str, str]] = []

    def note(live: object) -> None:
        for panel in panels.values():
            if panel.drawing is not None and panel.drawing.frame.live:
                seen.append((panel.stale, panel._title.when.text()))

    views.driver.window.service.stepsArrived.connect(note)
    outcome, _ = generate(views, repeated_prompt, 150)
    assert seen
    assert {stale for stale, _ in seen} == {""}
    assert all(words.startswith(f"run {outcome.info.number} · step ") for _, words in seen)


def test_a_generation_computes_its_attention_as_ever_unless_a_plot_follows_it_and_then_says_so(
    views: Views, repeated_prompt: str
) -> None:
    show(views, ("residual_norms",))
    outcome, _ = generate(views, repeated_prompt)
    assert not any("eager" in note for note in outcome.notes)
    views.wait_idle()
    show(views, ("attention",))
    outcome, _ = generate(views, repeated_prompt)
    assert any("'eager' instead of 'sdpa'" in note for note in outcome.notes)
    views.wait_idle()
    model = views.driver.window.service._worker._model
    assert model.model.config._attn_implementation == "sdpa"


def test_hidden_views_are_not_followed(views: Views, repeated_prompt: str) -> None:
    show(views)
    views.board._add_on_new_tab("heatmap")
    assert views.board.currentIndex() == 1
    assert views.driver.window.service._worker.followed == LookedAt()
    _, arrived = generate(views, repeated_prompt)
    assert arrived == []
    views.board.setCurrentIndex(0)
    views.board.hide()
    assert views.driver.window.service._worker.followed == LookedAt()


@pytest.mark.usefixtures("hasty")
def test_following_that_fails_lets_the_run_go_on(
    views: Views, repeated_prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_views.LiveNorms, "add", lambda *given: 1 / 0)
    show(views)
    outcome, arrived = generate(views, repeated_prompt)
    assert outcome.stopped == "length"
    assert arrived == []


def test_the_slider_takes_every_analysis_back_to_the_tokens_until_that_step(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panels = show(views)
    outcome, _ = generate(views, repeated_prompt)
    for panel in panels.values():
        wait_step(views, panel, 12)
    slider = views.driver.find(QSlider, "generationSlider")
    slider.setValue(5)
    end = len(outcome.info.tokens) + 5
    ids = sequence(outcome)
    found = plain(ids[:, :end], output_attentions=True, output_hidden_states=True)
    lens = wait_step(views, panels["logit_lens"], 5)
    chances = found.logits[0].softmax(-1).max(-1).values
    np.testing.assert_allclose(lens.probability[-1], chances.numpy(), atol=1e-4)
    attention = wait_step(views, panels["attention"], 5)
    np.testing.assert_allclose(attention.patterns, found.attentions[0][0].numpy(), atol=1e-5)
    norms = wait_step(views, panels["residual_norms"], 5)
    np.testing.assert_allclose(norms.norms[1], found.hidden_states[1][0].norm(dim=-1).numpy(), rtol=1e-4)
    wait_step(views, panels["next_token"], 5)
    rows = panels["next_token"].findChild(CandidateBars).rows
    assert [c.token_id for _, c in rows] == found.logits[0, -1].topk(10).indices.tolist()
    # The word that the model chose then is marked.
    _, here = panels["next_token"].shown()
    assert here.came.token_id == int(ids[0, end])
    assert panels["logit_lens"]._title.when.text() == f"run {outcome.info.number} · step 5"
    slider.setValue(slider.maximum())
    wait_step(views, panels["logit_lens"], 12)


def test_the_head_map_of_the_text_is_measured_anew_for_a_step(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = show(views, ("head_map",))["head_map"]
    panel.change_settings(source=TEXT)
    outcome, _ = generate(views, repeated_prompt)
    wait_step(views, panel, 12)
    views.driver.find(QSlider, "generationSlider").setValue(4)
    content = wait_step(views, panel, 4)
    end = len(outcome.info.tokens) + 4
    weights = plain(sequence(outcome)[:, :end], output_attentions=True).attentions[0][0].numpy()
    expected = np.diagonal(weights, -1, 1, 2).mean(-1)
    previous = [name for name, _ in SCORES].index("previous_token")
    np.testing.assert_allclose(content.scores[previous, 0], expected, atol=1e-4)


def test_steps_follow_each_other_and_the_slider_goes_back_over_them(views: Views, repeated_prompt: str) -> None:
    views.driver.tick("transformer.h.1")
    panels = show(views, ("residual_norms", "next_token", "heatmap"))
    tokens = 0
    for step in (1, 2, 3):
        outcome = views.run(repeated_prompt, "step")
        tokens = len(outcome.info.tokens) - outcome.info.continued
        content = wait_step(views, panels["residual_norms"], step)
        assert len(content.tokens) == tokens + step
        assert content.run == outcome.info.number
    slider = views.driver.find(QSlider, "generationSlider")
    assert slider.maximum() == 2
    slider.setValue(1)
    assert len(wait_step(views, panels["residual_norms"], 1).tokens) == tokens + 1
    views.qtbot.waitUntil(lambda: panels["heatmap"].drawing.step == 1, timeout=8_000)
    assert panels["heatmap"].drawing.rows.count == tokens + 1


@pytest.mark.usefixtures("hasty")
def test_of_a_batch_the_views_follow_the_selected_prompt_while_it_is_written(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panels = show(views)
    views.driver.find(QCheckBox, "promptBatch").setChecked(True)
    short = " ".join(repeated_prompt.split()[:5])
    seen: list[int] = []

    def choose(live: LiveContents) -> None:
        seen.append(live.prompt)
        views.driver.window.prompt.promptSelected.emit(1)

    views.driver.window.service.liveArrived.connect(choose)
    outcome, arrived = generate(views, f"{repeated_prompt}\n{short}", 60)
    assert seen[0] == 0
    assert seen[-1] == 1
    one = outcome.of_prompt(1)
    newest = arrived[-1]
    lens, attention, norms = (newest[name] for name in ALL[:3])
    count = len(norms.tokens)
    assert norms.step == count - len(one.info.tokens)
    found = plain(sequence(one)[:, :count], output_attentions=True, output_hidden_states=True)
    # Those of a prompt that was not looked at from the beginning are not known.
    known = np.flatnonzero(np.isfinite(norms.norms[0]))
    assert known[-1] == count - 1
    streams = torch.stack(found.hidden_states[:-1])[:, 0].norm(dim=-1).numpy()
    np.testing.assert_allclose(norms.norms[:-1, known], streams[:, known], rtol=1e-3)
    np.testing.assert_allclose(attention.patterns[:, -1], found.attentions[0][0, :, -1].numpy(), atol=1e-4)
    chances = found.logits[0].softmax(-1).max(-1).values.numpy()
    np.testing.assert_allclose(lens.probability[-1, -1], chances[-1], atol=1e-3)
    for name in ALL[:3]:
        views.qtbot.waitUntil(lambda name=name: is_whole(panels[name]), timeout=8_000)
        assert panels[name].drawing.content.tokens[: len(one.info.tokens)] == one.info.tokens.texts
        assert panels[name]._title.when.text().endswith("2/2")
