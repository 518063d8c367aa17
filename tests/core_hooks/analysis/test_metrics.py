"""Losses, probabilities and divergences against torch's own functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from core_hooks.analysis import metrics
from core_hooks.analysis.metrics import (
    Divergence,
    LogitDifference,
    Loss,
    Metric,
    Probability,
    divergences,
    token_probabilities,
)
from core_hooks.model.errors import ModelError

IDS = [4, 2, 7, 2, 9]


@pytest.fixture(params=[1, 1 << 22], ids=["a block a number", "one block"])
def logits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    monkeypatch.setattr(metrics, "_BLOCK", request.param)
    return 3 * torch.randn(3, 5, 11, generator=torch.Generator().manual_seed(0))


def test_the_loss_of_each_row_is_its_cross_entropy(logits: torch.Tensor) -> None:
    targets = torch.tensor(IDS)
    wanted = [float(functional.cross_entropy(row[:-1], targets[1:])) for row in logits]
    assert Loss()(logits, IDS).tolist() == pytest.approx(wanted, abs=1e-5)
    some = [float(functional.cross_entropy(row[[1, 3]], targets[[2, 4]])) for row in logits]
    assert Loss((2, 4))(logits, IDS).tolist() == pytest.approx(some, abs=1e-5)


@pytest.mark.parametrize(("positions", "ids"), [((0,), IDS), ((5,), IDS), ((), [4])])
def test_a_token_without_one_before_it_has_no_loss(positions: tuple[int, ...], ids: list[int]) -> None:
    with pytest.raises(ModelError, match="needs a token before it"):
        Loss(positions)(torch.zeros(1, len(ids), 11), ids)


def test_differences_and_probabilities_are_read_at_their_position(logits: torch.Tensor) -> None:
    wanted = (logits[:, 2, 4] - logits[:, 2, 7]).tolist()
    assert LogitDifference(4, 7, 2)(logits, IDS).tolist() == pytest.approx(wanted)
    assert LogitDifference(4, 7, -3)(logits, IDS).tolist() == pytest.approx(wanted)
    last = logits[:, -1].softmax(-1)[:, 6].tolist()
    assert Probability(6)(logits, IDS).tolist() == pytest.approx(last, abs=1e-6)
    assert Probability(6)(logits[:, -1:], IDS).tolist() == pytest.approx(last, abs=1e-6)


def test_the_last_position_counted_from_the_front_is_read_from_last_logits_alone() -> None:
    row = torch.arange(11.0)[None, None]
    assert LogitDifference(4, 1, 4)(row, IDS).tolist() == [3.0]


@pytest.mark.parametrize("position", [5, -6])
def test_a_position_outside_the_prompt_is_refused(position: int) -> None:
    with pytest.raises(ModelError, match=f"no position {position} in 5 tokens"):
        Probability(0, position)(torch.zeros(1, 5, 11), IDS)


@pytest.mark.parametrize("metric", [LogitDifference(1, 11), LogitDifference(-1, 1), Probability(11)])
def test_a_word_outside_the_vocabulary_is_refused(metric: Metric) -> None:
    with pytest.raises(ModelError, match="the vocabulary has 11"):
        metric(torch.zeros(1, 5, 11), IDS)


def test_divergences_are_those_of_torch(logits: torch.Tensor) -> None:
    a, b = logits[0], logits[1]
    wanted = functional.kl_div(b.log_softmax(-1), a.log_softmax(-1), reduction="none", log_target=True).sum(-1)
    np.testing.assert_allclose(divergences(a, b), wanted.numpy(), atol=1e-5)
    at_last = Divergence(a[-1])(logits, IDS)
    assert at_last[1] == pytest.approx(float(wanted[-1]), abs=1e-5)
    assert at_last[0] == 0.0


def test_a_word_that_is_ruled_out_adds_nothing_to_a_divergence() -> None:
    a = torch.tensor([[0.0, 0.0, -math.inf]])
    assert divergences(a, torch.zeros(1, 3))[0] == pytest.approx(math.log(1.5))
    assert divergences(a, a)[0] == 0.0


def test_divergences_of_different_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        divergences(torch.zeros(2, 3), torch.zeros(2, 4))


def test_each_token_has_the_probability_that_was_given_to_it(logits: torch.Tensor) -> None:
    found = token_probabilities(logits[0], IDS)
    assert math.isnan(found[0])
    for i in range(1, 5):
        assert found[i] == pytest.approx(float(logits[0, i - 1].softmax(-1)[IDS[i]]), abs=1e-6)


def test_half_precision_is_widened_before_it_is_summed() -> None:
    row = torch.linspace(-4, 4, 4096).to(torch.bfloat16)
    exact = row.double().log_softmax(-1)[17].exp()
    assert Probability(17)(row[None, None], [1])[0] == pytest.approx(float(exact), rel=1e-5)


@pytest.mark.parametrize("metric", [Loss(), LogitDifference(1, 2), Probability(1), Divergence(torch.zeros(3))])
def test_every_metric_has_a_name(metric: Metric) -> None:
    assert isinstance(metric, Metric)
    assert metric.name
