"""Steering vectors against means taken by hand, and what adding them does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core_hooks import RunCancelled, attach
from core_hooks.analysis.metrics import LogitDifference, Loss, Probability
from core_hooks.analysis.steering import (
    SteeringVector,
    StrengthCurve,
    steering_controller,
    steering_vectors,
    strength_curve,
)
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.subjects import FOUR, IDS, OTHER, Subject, held, hooked, lively

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = ((IDS, OTHER), ((3, 8, 12), (4, 9, 11, 2)))


def vectors(subject: Subject, **options: object) -> tuple[SteeringVector, ...]:
    pairs = [(subject.tokens(a), subject.tokens(b)) for a, b in PAIRS]
    return steering_vectors(subject.opened, subject.anatomy, pairs, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", FOUR)
def test_a_vector_is_the_mean_difference_of_the_pairs_at_every_block(family: str) -> None:
    subject = lively(family)
    found = vectors(subject)
    assert [vector.block for vector in found] == [0, 1, 2]
    for vector, block in zip(found, subject.anatomy.blocks, strict=True):
        ends = [held(subject, block.path, ids=a)[-1] - held(subject, block.path, ids=b)[-1] for a, b in PAIRS]
        torch.testing.assert_close(vector.values, torch.stack(ends).mean(0), rtol=1e-4, atol=1e-5)
        assert (vector.site, vector.pairs) == (block.path, 2)
        assert vector.norm == pytest.approx(float(np.linalg.norm(vector.values)), rel=1e-5)


def test_other_positions_and_chosen_blocks() -> None:
    subject = lively("llama")
    (first,) = vectors(subject, blocks=[1], position=1)
    wanted = [held(subject, "model.layers.1", ids=a)[1] - held(subject, "model.layers.1", ids=b)[1] for a, b in PAIRS]
    torch.testing.assert_close(first.values, torch.stack(wanted).mean(0), rtol=1e-4, atol=1e-5)
    (mean,) = vectors(subject, blocks=[1], position=None)
    wanted = [
        held(subject, "model.layers.1", ids=a)[1:].mean(0) - held(subject, "model.layers.1", ids=b)[1:].mean(0)
        for a, b in PAIRS
    ]
    torch.testing.assert_close(mean.values, torch.stack(wanted).mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FOUR)
def test_the_curve_is_what_plain_forwards_give_at_each_strength(family: str) -> None:
    subject = lively(family)
    vector = vectors(subject, blocks=[1])[0]
    found = strength_curve(
        subject.opened, subject.anatomy, subject.tokens(), vector, [2, -1, 0, 0.5, 1], Probability(7)
    )
    assert found.strengths.tolist() == [-1, 0, 0.5, 1, 2]
    for strength, value in zip(found.strengths, found.values, strict=True):
        with hooked(subject.module(vector.site), lambda tensor, strength=strength: tensor + strength * vector.values):
            wanted = float(subject.logits()[-1].softmax(-1)[7])
        assert value == pytest.approx(wanted, abs=1e-5)
    assert found.failures == {}


def test_the_controller_adds_what_the_curve_measured() -> None:
    subject = lively("gpt2")
    vector = vectors(subject, blocks=[2])[0]
    curve = strength_curve(subject.opened, subject.anatomy, subject.tokens(), vector, [1.5], Loss())
    with attach(subject.model, {vector.site: steering_controller(vector, 1.5)}):
        assert curve.values[0] == pytest.approx(subject.loss(), abs=1e-5)


def test_steering_toward_a_word_is_monotonous_where_the_stream_is_read_off() -> None:
    subject = lively("gpt2")
    head = subject.model.lm_head.weight
    direction = head[7] - head[9]
    vector = SteeringVector(direction.clone() / direction.norm(), 2, "transformer.h.2", "x", 1)
    metric = LogitDifference(7, 9)
    found = strength_curve(subject.opened, subject.anatomy, subject.tokens(), vector, range(-5, 6), metric)
    assert found.monotonicity == 1.0


def test_monotonicity_is_the_share_of_rising_less_that_of_falling_pairs() -> None:
    def curve(*values: float) -> float:
        return StrengthCurve(np.arange(len(values)), np.array(values), "x", {}).monotonicity

    assert curve(1, 2, 5) == 1
    assert curve(5, 2, 1) == -1
    assert curve(1, 3, 2) == pytest.approx(1 / 3)
    assert curve(1, 1, 1) == 0
    assert curve(1, float("nan"), 2) == 1
    assert np.isnan(curve(1))


def test_a_vector_comes_back_from_a_file_as_it_was(tmp_path: Path) -> None:
    vector = vectors(lively("llama"), blocks=[2])[0]
    tensors, metadata = vector.as_tensors()
    save_file(tensors, tmp_path / "v.safetensors", metadata)
    with safe_open(tmp_path / "v.safetensors", "pt") as file:
        back = SteeringVector.from_tensors({"vector": file.get_tensor("vector")}, file.metadata())
    assert torch.equal(back.values, vector.values)
    assert (back.block, back.site, back.model, back.pairs) == (vector.block, vector.site, vector.model, vector.pairs)


GOOD = {"format": "steering-vector-1", "block": "0", "pairs": "1", "site": "a", "model": "m"}


@pytest.mark.parametrize(
    ("tensors", "metadata", "says"),
    [
        ({"vector": torch.zeros(3)}, None, "names no block"),
        ({"vector": torch.zeros(3)}, {**GOOD, "block": "two"}, "names no block"),
        ({"vector": torch.zeros(3)}, {**GOOD, "format": "other"}, "this version can read"),
        ({"weights": torch.zeros(3)}, GOOD, "this version can read"),
        ({"vector": torch.zeros(3, 3)}, GOOD, "this version can read"),
        ({"vector": torch.zeros(3, dtype=torch.int64)}, GOOD, "this version can read"),
        ({"vector": torch.tensor([1.0, float("nan")])}, GOOD, "NaN"),
    ],
)
def test_a_file_that_holds_no_vector_is_refused(
    tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None, says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        SteeringVector.from_tensors(tensors, metadata)


def test_what_does_not_fit_is_refused() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="at least one pair"):
        steering_vectors(subject.opened, subject.anatomy, [])
    with pytest.raises(ModelError, match="no block 3; it has 3"):
        vectors(subject, blocks=[3])
    with pytest.raises(ModelError, match="no position 5 in a prompt of 3 tokens"):
        vectors(subject, position=5)
    stranger = vectors(lively("llama"), blocks=[1])[0]
    with pytest.raises(ModelError, match=r"belongs to model\.layers\.1 of x"):
        strength_curve(subject.opened, subject.anatomy, subject.tokens(), stranger, [1], Loss())


def test_making_vectors_reports_progress_and_can_be_cancelled() -> None:
    subject = lively("gpt2")
    seen: list[tuple[int, int]] = []
    vectors(subject, on_progress=lambda *at: seen.append(at))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RunCancelled):
        vectors(subject, cancel=cancel)
