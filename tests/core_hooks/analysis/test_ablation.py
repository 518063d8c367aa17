"""Ablations against one plain forward a cell, with one plain hook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from core_hooks import hooks_of
from core_hooks.analysis.ablation import ablate, ablate_together
from core_hooks.analysis.head_map import repeated_random_tokens
from core_hooks.analysis.metrics import LogitDifference, Loss
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.conftest import DEMO
from tests.core_hooks.analysis.subjects import CAUSAL, FOUR, IDS, OTHER, Subject, held, hooked, lively

if TYPE_CHECKING:
    from collections.abc import Callable

WITH_HEADS = tuple(family for family in CAUSAL if family != "mamba")
REFERENCE = (IDS, OTHER)
MLPS = {"gpt2": "transformer.h.{}.mlp", "gpt_neox": "gpt_neox.layers.{}.mlp"}


def without_head(subject: Subject, block: int, head: int, values: torch.Tensor | float) -> float:
    """Loss with one head replaced, the head being a share of what the output projection is given."""
    part = subject.anatomy.blocks[block]

    def change(tensor: torch.Tensor) -> torch.Tensor:
        width = tensor.shape[-1] // 4
        new = tensor.clone()
        new[..., head * width : (head + 1) * width] = values
        return new

    with hooked(subject.module(part.output_projection), change, before=True):
        return subject.loss()


@pytest.mark.parametrize("family", WITH_HEADS)
def test_zeroed_heads_cost_what_a_plain_hook_says(family: str) -> None:
    subject = lively(family)
    found = ablate(subject.opened, subject.anatomy, subject.tokens())
    assert found.baseline == pytest.approx(subject.loss(), abs=1e-4)
    for block, head in np.ndindex(found.change.shape):
        wanted = without_head(subject, block, head, 0.0) - subject.loss()
        assert found.change[block, head] == pytest.approx(wanted, abs=2e-4)
    assert found.failures == {}
    assert np.abs(found.change).max() > 1e-3


@pytest.mark.parametrize("family", FOUR)
def test_heads_are_replaced_by_their_mean_over_the_reference(family: str) -> None:
    subject = lively(family)
    reference = [subject.tokens(ids) for ids in REFERENCE]
    found = ablate(subject.opened, subject.anatomy, subject.tokens(), "heads", "mean", reference=reference)
    for block in range(3):
        path = subject.anatomy.blocks[block].output_projection
        mean = torch.cat([held(subject, path, True, ids) for ids in REFERENCE]).mean(0)
        for head in range(4):
            wanted = without_head(subject, block, head, mean.chunk(4)[head]) - subject.loss()
            assert found.change[block, head] == pytest.approx(wanted, abs=2e-4)


@pytest.mark.parametrize("family", FOUR)
def test_resampled_heads_hold_at_every_token_what_they_held_at_a_drawn_one(family: str) -> None:
    subject = lively(family)
    found = ablate(subject.opened, subject.anatomy, subject.tokens(), "heads", "resample", seed=5)
    drawn = np.random.default_rng(5).integers(0, len(IDS), len(IDS))
    for block in range(3):
        values = held(subject, subject.anatomy.blocks[block].output_projection, True)[drawn]
        for head in range(4):
            wanted = without_head(subject, block, head, values.chunk(4, -1)[head]) - subject.loss()
            assert found.change[block, head] == pytest.approx(wanted, abs=2e-4)
    again = ablate(subject.opened, subject.anatomy, subject.tokens(), "heads", "resample", seed=6)
    assert not np.allclose(again.change, found.change, atol=1e-5)


@pytest.mark.parametrize("family", FOUR)
@pytest.mark.parametrize("by", ["zero", "mean"])
def test_mlps_are_taken_out_where_they_add_to_the_stream(family: str, by: str) -> None:
    subject = lively(family)
    found = ablate(subject.opened, subject.anatomy, subject.tokens(), "mlp", "mean" if by == "mean" else "zero")
    assert found.change.shape == (3, 1)
    for block in range(3):
        path = MLPS.get(family, "model.layers.{}.mlp").format(block)
        new = held(subject, path).mean(0) if by == "mean" else 0.0
        with hooked(subject.module(path), lambda tensor, new=new: torch.zeros_like(tensor) + new):
            assert found.change[block, 0] == pytest.approx(subject.loss() - found.baseline, abs=2e-4)


def test_an_mlp_that_returns_the_whole_stream_is_taken_out_without_it() -> None:
    subject = lively("bloom")
    found = ablate(subject.opened, subject.anatomy, subject.tokens(), "mlp")
    for block in range(3):
        with hooked(subject.module(f"transformer.h.{block}.mlp.dense_4h_to_h"), torch.zeros_like):
            assert found.change[block, 0] == pytest.approx(subject.loss() - found.baseline, abs=2e-4)


@pytest.mark.parametrize("family", CAUSAL)
def test_a_block_taken_out_hands_on_what_it_is_given(family: str) -> None:
    subject = lively(family)
    found = ablate(subject.opened, subject.anatomy, subject.tokens(), "block")
    for block in range(len(subject.anatomy.blocks)):
        path = subject.anatomy.blocks[block].path
        before = held(subject, path, True)[None]
        with hooked(subject.module(path), lambda tensor, before=before: before):
            assert found.change[block, 0] == pytest.approx(subject.loss() - found.baseline, abs=2e-4)


def test_a_block_can_be_replaced_by_what_it_adds_on_average() -> None:
    subject = lively("llama")
    found = ablate(
        subject.opened, subject.anatomy, subject.tokens(), "block", "mean", reference=[subject.tokens(OTHER)]
    )
    path = "model.layers.1"
    mean = (held(subject, path, ids=OTHER) - held(subject, path, True, OTHER)).mean(0)
    before = held(subject, path, True)[None]
    with hooked(subject.module(path), lambda tensor: before + mean):
        assert found.change[1, 0] == pytest.approx(subject.loss() - found.baseline, abs=2e-4)


@pytest.mark.parametrize("family", FOUR)
def test_several_heads_are_taken_out_at_once(family: str) -> None:
    subject = lively(family)
    places = [(0, 1), (2, 3)]
    metric = LogitDifference(7, 9)
    found = ablate_together(subject.opened, subject.anatomy, subject.tokens(), places, metric=metric)

    def zero(head: int) -> Callable[[torch.Tensor], torch.Tensor]:
        def change(tensor: torch.Tensor) -> torch.Tensor:
            new = tensor.clone()
            new[..., head * 8 : head * 8 + 8] = 0
            return new

        return change

    blocks = subject.anatomy.blocks
    with hooked(subject.module(blocks[0].output_projection), zero(1), before=True):
        with hooked(subject.module(blocks[2].output_projection), zero(3), before=True):
            last = subject.logits()[-1]
    assert found == pytest.approx(float(last[7] - last[9]), abs=1e-4)


def test_zeroing_the_demo_models_heads_costs_what_its_card_says(demo: Subject) -> None:
    card = json.loads((DEMO / "circuit.json").read_text())
    tokens = repeated_random_tokens(demo.opened, 20)
    second = Loss(tuple(range(len(tokens) - 19, len(tokens))))
    found = ablate(demo.opened, demo.anatomy, tokens, metric=second)
    # The card is the mean over many rows of words, this is one row.
    wanted = np.array(card["loss_added_by_zeroing_each_head"])
    assert (np.abs(found.change) > 1).tolist() == (np.abs(wanted) > 1).tolist()
    places = [(block, head) for block, head in card["induction_heads"]]
    added = ablate_together(demo.opened, demo.anatomy, tokens, places, metric=second) - found.baseline
    assert added == pytest.approx(card["loss_added_by_zeroing_the_induction_heads"], rel=0.3)


def test_the_model_is_as_before(demo: Subject) -> None:
    ids = [5, 9, 12, 5, 9]
    before = demo.logits(ids)
    ablate(demo.opened, demo.anatomy, demo.tokens(ids), "mlp")
    assert torch.equal(demo.logits(ids), before)
    assert not any(hooks_of(module) for module in demo.model.modules())


@pytest.mark.parametrize(
    ("family", "part", "says"),
    [("mamba", "heads", "no heads"), ("mamba", "mlp", "No feed-forward"), ("bert", "heads", "no loss to add to")],
)
def test_a_model_without_the_part_says_so(family: str, part: str, says: str) -> None:
    subject = lively(family)
    with pytest.raises(ModelError, match=says):
        ablate(subject.opened, subject.anatomy, subject.tokens(), part)  # type: ignore[arg-type]


def test_a_place_that_is_not_there_is_refused() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="no place 4 in block 0"):
        ablate_together(subject.opened, subject.anatomy, subject.tokens(), [(0, 4)])
