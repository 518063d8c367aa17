"""Scores of attention heads."""

from __future__ import annotations

import numpy as np
import pytest

from core_hooks.analysis.head_scores import score_heads

IDS = [5, 7, 9, 5, 7, 9]


def one_hot(targets: list[int]) -> np.ndarray:
    pattern = np.zeros((len(targets), len(targets)), np.float32)
    pattern[np.arange(len(targets)), targets] = 1
    return pattern


def test_each_ideal_head_scores_one_at_its_own_kind_and_zero_at_the_others() -> None:
    previous = one_hot([0, 0, 1, 2, 3, 4])
    induction = one_hot([0, 1, 2, 1, 2, 3])
    duplicate = one_hot([0, 1, 2, 0, 1, 2])
    scores = score_heads(np.stack([previous, induction, duplicate]), IDS)
    np.testing.assert_allclose(scores.previous_token, [1, 0, 0])
    np.testing.assert_allclose(scores.induction, [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(scores.duplicate_token, [0, 0, 1])
    np.testing.assert_allclose(scores.first_token, [1 / 5, 0, 1 / 5])


def test_a_score_equals_the_loop_that_its_definition_says() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 5, 17).tolist()
    pattern = np.tril(rng.random((3, 17, 17))).astype(np.float32)
    pattern /= pattern.sum(2, keepdims=True)
    for head in range(3):
        rows = []
        for i in range(17):
            found = [j + 1 for j in range(i) if ids[j] == ids[i] and j + 1 < i]
            if found:
                rows.append(sum(pattern[head, i, j] for j in found))
        assert score_heads(pattern, ids).induction[head] == pytest.approx(np.mean(rows), abs=1e-6)


def test_a_text_without_repeats_has_no_induction_score() -> None:
    scores = score_heads(np.eye(3)[None], [1, 2, 3])
    assert np.isnan(scores.induction).all()
    assert np.isnan(scores.duplicate_token).all()


@pytest.mark.parametrize(("shape", "ids"), [((2, 3, 4), [1, 2, 3]), ((3, 3), [1, 2, 3]), ((1, 1, 1), [1])])
def test_what_is_no_pattern_is_refused(shape: tuple[int, ...], ids: list[int]) -> None:
    with pytest.raises(ValueError, match="shape|two"):
        score_heads(np.ones(shape), ids)
