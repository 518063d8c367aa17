"""What is known of SmolLM2-135M is what the window shows of it; the second computation is transformers alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QSpinBox

from mi_crow_gui.engine import live_views
from mi_crow_gui.panels.plots.candidate_bars import CandidateBars
from mi_crow_gui.plotdata.head_map import SCORES, TEXT
from tests.mi_crow_gui.views.conftest import PlainModel, Views

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from mi_crow_gui.engine.messages import LiveContents
    from tests.mi_crow_gui.driver import Driver

pytestmark = [
    pytest.mark.smollm,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get("MI_CROW_SMOLLM"), reason="MI_CROW_SMOLLM names no folder"),
]
EIFFEL = "The Eiffel Tower is in the city of"
COPY = 50


@pytest.fixture(scope="module")
def alone() -> PlainModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = os.environ["MI_CROW_SMOLLM"]
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return PlainModel(model, AutoTokenizer.from_pretrained(folder))


@pytest.fixture
def small(driver: Driver, qtbot: QtBot) -> Views:
    """The window with SmolLM2-135M open."""
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=240_000):
        driver.window.pathsDropped.emit([os.environ["MI_CROW_SMOLLM"]])
    driver.window.show_workbench()
    return Views(driver, qtbot)


def run(views: Views, prompt: str, action: str = "run") -> Any:
    views.driver.prompt(prompt)
    with views.qtbot.waitSignal(views.driver.window.service.runFinished, timeout=240_000) as done:
        views.driver.act(action)
    return done.args[0]


def shown(views: Views, panel: Any, number: int, condition: Any = lambda content: True) -> Any:
    def there() -> bool:
        drawing = panel.drawing
        live = drawing is None or drawing.frame.live
        return not live and not panel.stale and drawing.run == number and condition(drawing.content)

    views.qtbot.waitUntil(there, timeout=240_000)
    return panel.drawing.content


def twice(alone: PlainModel) -> tuple[str, torch.Tensor]:
    """The token that begins a text, then fifty random words twice, as text and as ids."""
    ids = alone.tokenizer.get_vocab()
    words = sorted(token for token in ids if token[:1] == "Ġ" and token[1:].isascii() and token[1:].isalpha())
    shuffled = np.random.default_rng(5).permutation(words).tolist()
    # Written out and read again it must be the same token.
    same = (word for word in shuffled if alone.ids(f" {word[1:]}")[0].tolist() == [ids[word]])
    chosen = [next(same) for _ in range(COPY)]
    text = alone.tokenizer.bos_token + alone.tokenizer.convert_tokens_to_string(chosen * 2)
    encoded = alone.ids(text)
    assert encoded[0].tolist() == [alone.tokenizer.bos_token_id, *(ids[word] for word in chosen * 2)]
    return text, encoded


def test_random_words_said_twice_losses_and_the_strongest_induction_heads(small: Views, alone: PlainModel) -> None:
    text, ids = twice(alone)
    panel = small.only("head_map")
    panel.change_settings(source=TEXT)
    outcome = run(small, text)
    assert list(outcome.info.tokens.ids) == ids[0].tolist()
    found = alone(ids, output_attentions=True)
    losses = torch.nn.functional.cross_entropy(found.logits[0, :-1], ids[0, 1:], reduction="none").numpy()
    np.testing.assert_allclose(outcome.losses[1:], losses, atol=1e-3)
    first, second = outcome.losses[1 : COPY + 1].mean(), outcome.losses[COPY + 1 :].mean()
    assert first == pytest.approx(losses[:COPY].mean(), abs=1e-3)
    assert second == pytest.approx(losses[COPY:].mean(), abs=1e-3)
    assert second < first - 8
    scores = shown(small, panel, outcome.info.number).scores[[name for name, _ in SCORES].index("induction")]
    rows = torch.arange(COPY + 1, 2 * COPY + 1)
    plain = np.stack([weights[0][:, rows, rows - COPY + 1].mean(-1).numpy() for weights in found.attentions])
    np.testing.assert_allclose(scores, plain, atol=1e-3)
    strongest = [np.unravel_index(place, scores.shape) for place in np.argsort(-scores, axis=None)[:3]]
    wanted = [np.unravel_index(place, plain.shape) for place in np.argsort(-plain, axis=None)[:3]]
    assert strongest == wanted
    assert (18, 6) in [(int(block), int(head)) for block, head in strongest]


def test_the_rank_of_paris_by_block_and_all_views_of_the_same_run(small: Views, alone: PlainModel) -> None:
    for panel in small.board.panels():
        panel.closeRequested.emit()
    for kind in ("logit_lens", "attention", "residual_norms", "next_token"):
        small.board.plotAddRequested.emit(kind)
    panels = {panel.kind: panel for panel in small.board.panels()}
    panels["logit_lens"].set_word(" Paris")
    panels["attention"].change_settings(block=18, head=6)
    outcome = run(small, EIFFEL)
    number = outcome.info.number
    ids = alone.ids(EIFFEL)
    paris = alone.tokenizer(" Paris", add_special_tokens=False)["input_ids"][0]
    found = alone(ids, output_attentions=True, output_hidden_states=True)
    lens = shown(small, panels["logit_lens"], number, lambda content: content.rank is not None)
    ranks = lens.rank[:, -1]
    assert ranks[10:20].min() > 3700
    assert ranks[-1] == 0
    stream = torch.stack(found.hidden_states[:-1])[:, 0]
    with torch.no_grad():
        logits = alone.model.lm_head(alone.model.model.norm(stream[:, -1]))
    plain = (logits > logits[:, paris, None]).sum(-1).numpy()
    # Words that are nearly alike may change places.
    np.testing.assert_allclose(ranks[:-1], plain, rtol=0.01, atol=2)
    chances = found.logits[0].softmax(-1)
    np.testing.assert_allclose(lens.probability[-1], chances.max(-1).values.numpy(), atol=1e-4)
    attention = shown(small, panels["attention"], number, lambda content: content.block == 18)
    np.testing.assert_allclose(attention.patterns, found.attentions[18][0].numpy(), atol=1e-4)
    np.testing.assert_allclose(attention.patterns.sum(-1), 1, atol=1e-4)
    norms = shown(small, panels["residual_norms"], number)
    np.testing.assert_allclose(norms.norms[:-1], stream.norm(dim=-1).numpy(), rtol=1e-3)
    shown(small, panels["next_token"], number)
    rows = panels["next_token"].findChild(CandidateBars).rows
    best = chances[-1].topk(10)
    assert [candidate.token_id for _, candidate in rows] == best.indices.tolist()
    np.testing.assert_allclose([c.probability for _, c in rows], best.values.numpy(), atol=1e-4)


def test_while_it_writes_every_view_is_that_of_the_model(
    small: Views, alone: PlainModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_views, "_PAUSE", 0.0)
    monkeypatch.setattr(live_views, "_CREDIT", 1e6)
    for panel in small.board.panels():
        panel.closeRequested.emit()
    for kind in ("logit_lens", "attention", "residual_norms"):
        small.board.plotAddRequested.emit(kind)
    arrived: list[LiveContents] = []
    small.driver.window.service.liveArrived.connect(arrived.append)
    small.driver.find(QSpinBox, "maxNewTokens").setValue(6)
    outcome = run(small, EIFFEL, "generate")
    assert outcome.text.startswith(" Paris")
    newest = {name: content for (name, _), content in arrived[-1].contents.items()}
    count = len(newest["residual_norms"].tokens)
    assert count > len(outcome.info.tokens)
    sequence = [*outcome.info.tokens.ids, *(step.token_id for step in outcome.generated)]
    found = alone(torch.tensor([sequence[:count]]), output_attentions=True, output_hidden_states=True)
    stream = torch.stack(found.hidden_states[:-1])[:, 0]
    np.testing.assert_allclose(newest["residual_norms"].norms[:-1], stream.norm(dim=-1).numpy(), rtol=1e-3)
    np.testing.assert_allclose(newest["attention"].patterns, found.attentions[0][0].numpy(), atol=1e-4)
    lens = newest["logit_lens"]
    read = ~np.isnan(lens.probability[-1])
    assert read[-1]
    chances = found.logits[0].softmax(-1).max(-1).values.numpy()
    np.testing.assert_allclose(lens.probability[-1][read], chances[read], atol=1e-4)
