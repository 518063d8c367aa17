from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from core_hooks.analysis.next_token import next_token
from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from tests.core_hooks.analysis.subjects import Subject


def test_the_candidates_are_the_likeliest_words_with_their_probabilities(demo: Subject) -> None:
    ids = demo.opened.tokenizer("When Mary and John went to the store , John gave a drink to")["input_ids"]
    row = demo.logits(ids)[-1]
    chosen = demo.opened.tokenizer.convert_tokens_to_ids("John")
    found = next_token(demo.opened, row, 5, chosen)
    order = row.argsort(descending=True)
    assert [candidate.token_id for candidate in found.candidates] == order[:5].tolist()
    assert found.candidates[0].text.strip() == "Mary"
    probabilities = row.double().softmax(-1)
    assert [c.probability for c in found.candidates] == pytest.approx(probabilities[order[:5]].tolist(), abs=1e-6)
    assert found.entropy == pytest.approx(float(-(probabilities * probabilities.log()).sum()), abs=1e-5)
    assert found.chosen is not None
    assert found.chosen.probability == pytest.approx(float(probabilities[chosen]), abs=1e-6)
    assert found.chosen_rank == order.tolist().index(chosen)


def test_without_a_choice_there_is_no_rank(demo: Subject) -> None:
    found = next_token(demo.opened, torch.zeros(820), 1000)
    assert len(found.candidates) == 820
    assert (found.chosen, found.chosen_rank) == (None, -1)


def test_logits_with_nan_give_no_next_token(demo: Subject) -> None:
    with pytest.raises(ModelError, match="NaN"):
        next_token(demo.opened, torch.tensor([0.0, float("nan")]))
