"""Runs compared token by token."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from core_hooks.analysis.alignment import Gap, align, insist_on_one_to_one
from core_hooks.analysis.comparison import compare, residual_change
from core_hooks.analysis.residuals import capture_residuals
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.subjects import FOUR, IDS, OTHER, lively


def test_equal_stretches_and_single_replacements_are_paired() -> None:
    found = align([1, 2, 3, 4], [1, 9, 3, 4])
    assert found.pairs.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert found.same.tolist() == [True, False, True, True]
    assert found.one_to_one


def test_what_is_longer_on_one_side_is_a_gap() -> None:
    found = align([1, 2, 3], [1, 7, 8, 2, 3])
    assert found.pairs.tolist() == [[0, 0], [1, 3], [2, 4]]
    assert found.gaps == (Gap((1, 1), (1, 3)),)
    assert not found.one_to_one
    assert align([], [1]).pairs.shape == (0, 2)


def test_prompts_of_equal_length_that_are_shifted_do_not_align() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match=r"at token 0 the first has nothing where the second has '9' \(1 token\)"):
        insist_on_one_to_one(subject.tokens([3, 5, 7, 8]), subject.tokens([9, 3, 5, 7]))


def test_the_first_place_where_prompts_part_is_named() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match=r"at token 2 the first has '7' \(1 token\) where the second has '8\|9'"):
        insist_on_one_to_one(subject.tokens([3, 5, 7, 6]), subject.tokens([3, 5, 8, 9, 6]))


@pytest.mark.parametrize("family", FOUR)
def test_numbers_at_each_pair_are_those_of_plain_torch(family: str) -> None:
    subject = lively(family)
    longer = (*OTHER[:5], 50, *OTHER[5:])
    a, b = subject.logits(IDS), subject.logits(longer)
    found = compare(IDS, a, longer, b)
    assert found.alignment.pairs.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 6], [6, 7]]
    for row, (i, j) in enumerate(found.alignment.pairs):
        wanted = functional.kl_div(b[j].log_softmax(-1), a[i].log_softmax(-1), reduction="sum", log_target=True)
        assert found.divergence[row] == pytest.approx(float(wanted), abs=1e-5)
        assert (found.top_a[row], found.top_b[row]) == (int(a[i].argmax()), int(b[j].argmax()))
        if IDS[i] != longer[j] or i == 0:
            assert math.isnan(found.probability_change[row])
        else:
            change = b[j - 1].softmax(-1)[IDS[i]] - a[i - 1].softmax(-1)[IDS[i]]
            assert found.probability_change[row] == pytest.approx(float(change), abs=1e-6)
    np.testing.assert_array_equal(found.top_changed, np.flatnonzero(found.top_a != found.top_b))
    assert found.divergence[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("family", FOUR)
def test_streams_differ_from_the_changed_token_on(family: str) -> None:
    subject = lively(family)
    runs = [capture_residuals(subject.opened, subject.anatomy, subject.tokens(ids)) for ids in (IDS, OTHER)]
    found = residual_change(runs[0].stream, runs[1].stream, align(IDS, OTHER))
    wanted = np.linalg.norm((runs[0].stream.double() - runs[1].stream.double()).numpy(), axis=-1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert not found[:, :2].any()
    assert (found[:, 2] > 0).all()
    assert (found[1:, 3:] > 0).all()


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match="don't belong to 2 tokens"):
        compare([1, 2], torch.zeros(3, 4), [1], torch.zeros(1, 4))
    with pytest.raises(ValueError, match="vocabularies differ"):
        compare([1], torch.zeros(1, 4), [1], torch.zeros(1, 5))
    with pytest.raises(ValueError, match="not of the same model"):
        residual_change(torch.zeros(2, 1, 4), torch.zeros(3, 1, 4), align([1], [1]))
