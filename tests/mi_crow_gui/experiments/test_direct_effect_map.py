"""Direct effects through the window: the terms of a logit, by hand on the plain model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QPushButton, QTreeView

from mi_crow_gui.panels.plots.experiment_panel import cell_words

if TYPE_CHECKING:
    from tests.mi_crow_gui.experiments.conftest import Lab, PlainModel

TEXT = "When Mary and John went to the store , John gave a drink to"


def term_of_head(plain: PlainModel, word: int, block: int, head: int) -> float:
    """What a head adds to the word's logit after the last token, with the final norm's scale held."""
    model = plain.model
    held: dict[str, torch.Tensor] = {}

    def keep_mixed(_: Any, args: Any) -> None:
        held["mixed"] = args[0][0, -1].clone()

    def keep_last(_: Any, args: Any) -> None:
        held["last"] = args[0][0, -1].clone()

    projection = model.transformer.h[block].attn.c_proj
    handles = [
        projection.register_forward_pre_hook(keep_mixed),
        model.transformer.ln_f.register_forward_pre_hook(keep_last),
    ]
    plain(plain.ids(TEXT))
    for handle in handles:
        handle.remove()
    channels = slice(head * 32, head * 32 + 32)
    with torch.no_grad():
        written = held["mixed"][channels].double() @ projection.weight[channels].double()
        centred = written - written.mean()
        scale = (held["last"].double().var(correction=0) + model.transformer.ln_f.eps).sqrt()
        return float((centred / scale * model.transformer.ln_f.weight.double()) @ model.lm_head.weight[word].double())


def test_the_terms_are_those_of_the_formulas_and_add_up_to_the_logit(lab: Lab, plain: PlainModel) -> None:
    lab.driver.prompt(TEXT)
    panel = lab.act("directEffect", "direct_effect")
    content = lab.shown(panel)
    logits = plain(plain.ids(TEXT)).logits[0, -1]
    word = int(logits.argmax())
    assert content.logit == pytest.approx(float(logits[word]), abs=1e-3)
    assert content.total == pytest.approx(content.logit, abs=1e-3)
    everything = float(np.nansum(content.effects)) + content.embedding + content.bias
    assert everything == pytest.approx(content.logit, abs=1e-3)
    for cell in ((0, 1), (1, 2), (3, 0)):
        assert content.effects[cell] == pytest.approx(term_of_head(plain, word, *cell), abs=1e-3)
    assert "= " in panel.accessibleDescription()
    assert "the model's logit" in panel.accessibleDescription()
    assert panel.drawing.scale.low == -panel.drawing.scale.high


def test_a_word_less_another_at_an_earlier_token(lab: Lab, plain: PlainModel) -> None:
    lab.driver.prompt(TEXT)
    panel = lab.act("directEffect", "direct_effect")
    lab.shown(panel)
    lab.choose(panel, "word", "Mary")
    lab.choose(panel, "against", "John")
    lab.choose(panel, "position", 10)
    content = lab.measure(panel)
    mary, john = (plain.tokenizer(name)["input_ids"][0] for name in ("Mary", "John"))
    row = plain(plain.ids(TEXT)).logits[0, 10]
    assert content.total == pytest.approx(float(row[mary] - row[john]), abs=1e-3)
    lab.choose(panel, "position", 99)
    panel.findChild(QPushButton, "direct_effectMeasure").click()
    lab.qtbot.waitUntil(lambda: "from 0 to 13" in panel._empty.text(), timeout=8_000)


def test_a_cell_selects_its_module(lab: Lab) -> None:
    lab.driver.prompt(TEXT)
    panel = lab.act("directEffect", "direct_effect")
    content = lab.shown(panel)
    panel._view.clicked.emit((2, content.columns.index("MLP")))
    tree = lab.driver.find(QTreeView, "moduleTree")
    assert tree.currentIndex() == tree.model().index_of_site("transformer.h.2.mlp")


def test_a_cell_that_rounds_to_zero_has_no_sign() -> None:
    words = [cell_words(value, False)[0] for value in (-0.001, 0.004, -0.5, 12.34)]
    assert words == ["0.00", "0.00", "-0.50", "+12.3"]
