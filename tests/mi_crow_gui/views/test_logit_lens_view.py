"""The logit lens, driven through the window and checked against transformers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QLabel

from mi_crow_gui.panels.plots.candidate_bars import CandidateBars
from mi_crow_gui.plotdata.logit_lens import ENTROPY, PROBABILITY, RANK

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import PlainModel, Views


def lens_logits(plain: PlainModel, text: str) -> torch.Tensor:
    """Logits [places, tokens, vocabulary] from the outputs of the blocks, by plain hooks."""
    transformer = plain.model.transformer
    stream: list[torch.Tensor] = []
    handles = [transformer.h[0].register_forward_pre_hook(lambda module, args: stream.append(args[0].clone()))]
    for block in transformer.h:
        handles.append(
            block.register_forward_hook(
                lambda module, args, out: stream.append((out[0] if isinstance(out, tuple) else out).clone())
            )
        )
    plain(plain.ids(text))
    for handle in handles:
        handle.remove()
    with torch.no_grad():
        return torch.stack([plain.model.lm_head(transformer.ln_f(values))[0] for values in stream])


def click(panel: Any, row: int, token: int) -> None:
    panel._view.clicked.emit((row, token))


def shown_cell(views: Views, panel: Any) -> list[Any]:
    bars = panel.findChild(CandidateBars)
    views.qtbot.waitUntil(lambda: len(bars.rows) > 0, timeout=8_000)
    return [candidate for _, candidate in bars.rows]


def test_every_cell_is_what_plain_hooks_and_the_models_own_parts_give(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = views.only("logit_lens")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    probabilities = lens_logits(plain, repeated_prompt).softmax(-1)
    np.testing.assert_allclose(content.probability, probabilities.max(-1).values.numpy(), atol=1e-4)
    entropy = -(probabilities * probabilities.clamp_min(1e-30).log()).sum(-1)
    np.testing.assert_allclose(content.entropy, entropy.numpy(), atol=1e-3)
    texts = [[plain.tokenizer.decode([int(i)]) for i in row] for row in probabilities.argmax(-1)]
    assert [list(row) for row in content.words] == texts


def test_the_last_row_is_the_models_own_output_within_a_ten_thousandth(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = views.only("logit_lens")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    logits = plain(plain.ids(repeated_prompt)).logits[0]
    np.testing.assert_allclose(content.probability[-1], logits.softmax(-1).max(-1).values.numpy(), atol=1e-4)
    token = len(logits) - 1
    click(panel, len(content.probability) - 1, token)
    candidates = shown_cell(views, panel)
    assert len(candidates) == 20
    expected = [float(logits[token, candidate.token_id]) for candidate in candidates]
    assert [candidate.logit for candidate in candidates] == pytest.approx(expected, abs=1e-4)


def test_a_click_opens_the_twenty_likeliest_words_of_that_cell(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = views.only("logit_lens")
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    click(panel, 2, 9)
    candidates = shown_cell(views, panel)
    expected = lens_logits(plain, repeated_prompt)[2, 9].topk(20)
    assert [candidate.token_id for candidate in candidates] == expected.indices.tolist()
    assert any("block 1" in label.text() and "token 9" in label.text() for label in panel.findChildren(QLabel))
    assert panel._view.cross.marked == (2, 9)


def test_the_rank_of_a_chosen_word_colours_the_cells(views: Views, plain: PlainModel, repeated_prompt: str) -> None:
    panel = views.only("logit_lens")
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    panel.set_word("harbor")
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.content.rank is not None, timeout=8_000)
    word = plain.tokenizer("harbor", add_special_tokens=False)["input_ids"][0]
    logits = lens_logits(plain, repeated_prompt)
    ranks = (logits > logits[:, :, word, None]).sum(-1).numpy()
    # Behind the second "violin" it is the model's guess; ranks between words that are nearly alike may differ by one.
    assert panel.drawing.content.rank[-1, 12] == 0
    assert np.abs(panel.drawing.content.rank - ranks).max() <= 1
    assert panel.drawing.settings.colour == RANK
    assert panel.drawing.scale.low == 0


def test_colouring_by_entropy_needs_no_second_analysis(views: Views, repeated_prompt: str) -> None:
    panel = views.only("logit_lens")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    panel.change_settings(colour=ENTROPY)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.colour == ENTROPY, timeout=8_000)
    assert panel.drawing.content is content
    np.testing.assert_array_equal(panel.drawing.grid.values, content.entropy)


def test_the_selected_token_is_a_line_and_the_read_out_gives_exact_values(views: Views, repeated_prompt: str) -> None:
    panel = views.only("logit_lens")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    views.driver.window.prompt.tokenSelected.emit(5)
    assert panel._view.cross.marked == (None, 5)
    said: list[str] = []
    panel.readout.connect(said.append)
    panel._view.hovered.emit((1, 5))
    assert str(content.probability[1, 5]) in said[-1]
    assert "block 0" in said[-1]
    assert panel.drawing.settings.colour == PROBABILITY
