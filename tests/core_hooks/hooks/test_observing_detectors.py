"""Detectors that keep numbers instead of tensors, and attention patterns."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core_hooks import (
    AttentionPatternDetector,
    HistogramDetector,
    HookError,
    HookRun,
    StatisticsDetector,
    TopChannelsDetector,
    attach,
)
from core_hooks.hooks import tensor_detector

X = torch.randn(2, 50, 64, generator=torch.Generator().manual_seed(2))


def seen(detector: Any, output: Any) -> Any:
    detector.process_activations(None, None, output)
    return detector


@pytest.fixture(params=[1 << 18, 100], ids=["one block", "many blocks"])
def _blocks(request: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(tensor_detector, "BLOCK", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_statistics_agree_with_torch_in_double(dtype: torch.dtype) -> None:
    tensor = (X * 3 + 100).to(dtype)
    tensor[0, 0, :16] = 0
    found, exact = seen(StatisticsDetector("l"), tensor).statistics, tensor.double()
    assert (found.shape, found.dtype, found.device) == ((2, 50, 64), str(dtype)[6:], "cpu")
    assert (found.count, found.nan, found.infinite) == (6400, 0, 0)
    assert (found.minimum, found.maximum) == (exact.min(), exact.max())
    assert found.mean == pytest.approx(exact.mean().item(), rel=1e-6)
    assert found.std == pytest.approx(exact.std(correction=0).item(), rel=1e-5)
    assert found.zeros == 16 / 6400


@pytest.mark.usefixtures("_blocks")
def test_statistics_count_nan_and_infinity_and_leave_them_out() -> None:
    tensor = X.clone()
    tensor[0, 0, 0], tensor[0, 0, 1], tensor[1, 3, 2] = math.nan, math.inf, -math.inf
    found = seen(StatisticsDetector("l"), tensor).statistics
    finite = tensor[tensor.isfinite()].double()
    assert (found.nan, found.infinite) == (1, 2)
    assert found.mean == pytest.approx(finite.mean().item(), abs=1e-6)
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())


@pytest.mark.usefixtures("_blocks")
def test_token_norms_are_l2_norms_over_the_channels() -> None:
    detector = seen(StatisticsDetector("l"), X)
    assert torch.allclose(detector.token_norms, X.norm(dim=-1))
    assert detector.token_norms is detector.tensor_metadata["token_norms"]


def test_statistics_of_unusual_tensors() -> None:
    empty = seen(StatisticsDetector("l"), torch.zeros(2, 0, 4)).statistics
    assert empty.count == 0
    assert math.isnan(empty.mean)
    all_nan = seen(StatisticsDetector("l"), torch.full((3,), math.nan)).statistics
    assert (all_nan.nan, math.isnan(all_nan.minimum)) == (3, True)
    assert seen(StatisticsDetector("l"), torch.tensor(5.0)).statistics.mean == 5
    assert seen(StatisticsDetector("l"), torch.tensor([True, False])).statistics.mean == 0.5
    assert seen(StatisticsDetector("l"), torch.tensor([1, 2**40])).statistics.maximum == 2**40
    for tensor, message in (
        (torch.zeros(2, dtype=torch.complex64), "complex numbers"),
        (torch.empty(2, device="meta"), "no values"),
    ):
        with pytest.raises(RuntimeError, match=f"Error observing activations in StatisticsDetector d .*{message}"):
            seen(StatisticsDetector("l", hook_id="d"), tensor)


def test_statistics_keep_no_tensor_and_no_stale_numbers() -> None:
    module, detector = nn.Linear(64, 64), StatisticsDetector("l")
    with attach(module, {"": detector}), HookRun(3):
        module(X)
    assert detector.statistics is not None
    assert detector.token_norms.grad_fn is None
    assert [t.numel() for t in detector.tensor_metadata.values()] == [100]
    detector.process_activations(None, None, "nothing")
    assert (detector.statistics, detector.token_norms, detector.missed) == (None, None, 1)
    seen(detector, X)
    detector.clear_captured()
    assert detector.metadata == {} == detector.tensor_metadata


def test_statistics_from_inference_mode_can_be_used_in_training() -> None:
    detector = StatisticsDetector("l")
    with torch.inference_mode():
        seen(detector, X)
    assert not detector.token_norms.is_inference()


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1, max_size=40))
def test_statistics_hold_for_any_values(values: list[float]) -> None:
    found = seen(StatisticsDetector("l"), torch.tensor(values)).statistics
    finite = [value for value in values if math.isfinite(value)]
    assert found.nan + found.infinite + len(finite) == found.count == len(values)
    assert found.zeros == pytest.approx(sum(value == 0 for value in values) / len(values))
    if finite:
        assert (found.minimum, found.maximum) == (min(finite), max(finite))


@pytest.mark.usefixtures("_blocks")
def test_a_histogram_counts_every_value_once() -> None:
    detector = seen(HistogramDetector("l", bins=20), X)
    expected = torch.histc(X, 20, min=X.min().item(), max=X.max().item())
    assert detector.counts.sum() == X.numel()
    assert (detector.counts - expected).abs().max() <= 1
    assert detector.edges.shape == (21,)
    assert (detector.edges[0], detector.edges[-1]) == (X.min().double(), X.max().double())


@pytest.mark.usefixtures("_blocks")
def test_a_histogram_with_limits_counts_what_lies_outside() -> None:
    tensor = X.clone()
    tensor[0, 0, :2] = math.nan
    detector = seen(HistogramDetector("l", bins=4, limits=(-1, 1)), tensor)
    assert detector.metadata["histogram_below"] == (tensor < -1).sum()
    assert detector.metadata["histogram_above"] == (tensor > 1).sum()
    assert detector.metadata["histogram_not_finite"] == 2
    assert detector.counts.sum() == ((tensor >= -1) & (tensor <= 1)).sum()


def test_histograms_of_equal_or_no_finite_values_and_bad_options() -> None:
    assert seen(HistogramDetector("l", bins=3), torch.ones(5)).counts.sum() == 5
    assert seen(HistogramDetector("l", bins=3), torch.full((5,), math.nan)).counts.sum() == 0
    assert seen(HistogramDetector("l", bins=3), torch.zeros(0)).counts.sum() == 0
    with pytest.raises(ValueError, match="bins must be"):
        HistogramDetector("l", bins=0)
    for limits in ((1, 0), (0, math.inf)):
        with pytest.raises(ValueError, match="limits must be finite and in order"):
            HistogramDetector("l", limits=limits)


@pytest.mark.usefixtures("_blocks")
def test_top_channels_are_the_largest_by_mean_or_maximum() -> None:
    tensor = X.clone()
    tensor[..., 7] += 100
    tensor[0, 0, 9] = -5000
    by_mean = seen(TopChannelsDetector("l", k=2), tensor)
    sizes = tensor.abs().mean((0, 1))
    assert torch.equal(by_mean.channels, sizes.topk(2).indices)
    assert torch.allclose(by_mean.sizes, sizes.topk(2).values)
    by_max = seen(TopChannelsDetector("l", k=2, by="max"), tensor)
    assert by_max.channels.tolist() == [9, 7]
    assert by_max.sizes[0] == 5000


def test_top_channels_of_few_channels_and_bad_options() -> None:
    assert seen(TopChannelsDetector("l", k=99), torch.randn(3, 4)).channels.shape == (4,)
    spoiled = torch.tensor([[math.nan, 1.0, math.inf]])
    assert seen(TopChannelsDetector("l"), spoiled).channels.tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="k must be"):
        TopChannelsDetector("l", k=0)
    with pytest.raises(ValueError, match="by must be"):
        TopChannelsDetector("l", by="size")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="no channels to rank"):
        seen(TopChannelsDetector("l"), torch.zeros(0, 4))


def test_observing_detectors_look_at_inputs_and_selected_tensors_too() -> None:
    module = nn.Identity()
    detector = TopChannelsDetector("l", k=1, hook_type="pre_forward")
    with attach(module, {"": detector}):
        module(torch.tensor([[0.0, 3.0]]))
    assert detector.channels.tolist() == [1]
    chosen = seen(StatisticsDetector("l", select="b"), {"a": X, "b": torch.ones(2)})
    assert chosen.statistics.mean == 1


class Attention(nn.Module):
    def __init__(self, weights: Any) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, x: torch.Tensor) -> Any:
        return x, self.weights


def test_an_attention_pattern_is_captured_in_storage_of_its_own() -> None:
    weights = torch.rand(1, 2, 5, 5)
    module, detector = Attention(weights), AttentionPatternDetector("l")
    with attach(module, {"": detector}):
        module(X)
    expected = weights.clone()
    weights.zero_()
    assert torch.equal(detector.get_captured(), expected)
    assert detector.metadata["attention_pattern_shape"] == (1, 2, 5, 5)


@pytest.mark.parametrize("module", [Attention(None), nn.Identity()])
def test_missing_attention_weights_name_eager_attention(module: nn.Module) -> None:
    with attach(module, {"": AttentionPatternDetector("l")}), pytest.raises(HookError, match="use eager attention"):
        module(X)


def test_another_place_for_the_attention_weights_can_be_selected() -> None:
    output = {"weights": torch.rand(1, 2, 5, 5)}
    assert torch.equal(seen(AttentionPatternDetector("l", select="weights"), output).get_captured(), output["weights"])
