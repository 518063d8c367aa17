"""The usual interventions, on whole activations and on regions."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import (
    AddController,
    ClampController,
    HookError,
    LayerActivationDetector,
    MeanController,
    NoiseController,
    ProjectOutController,
    Region,
    RegionController,
    ReplaceController,
    ScaleController,
    ZeroController,
    attach,
)

X = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))


def steered(controller: RegionController, x: torch.Tensor = X) -> torch.Tensor:
    module, before = nn.Identity(), x.clone()
    with attach(module, {"": controller}):
        changed = module(x)
    assert torch.equal(x, before)
    return changed


def test_the_usual_interventions_do_what_they_are_called() -> None:
    vector = torch.arange(8.0)
    assert torch.equal(steered(ScaleController("l", 3)), X * 3)
    assert torch.equal(steered(ScaleController("l", vector)), X * vector)
    assert torch.equal(steered(AddController("l", vector, 2)), X + 2 * vector)
    assert torch.equal(steered(ZeroController("l")), torch.zeros_like(X))
    assert torch.equal(steered(ClampController("l", -0.5, 0.5)), X.clamp(-0.5, 0.5))
    assert torch.equal(steered(ClampController("l", maximum=0)), X.clamp(max=0))
    assert torch.equal(steered(MeanController("l")), X.mean((0, 1)).expand_as(X))
    assert torch.equal(steered(MeanController("l", vector)), vector.expand_as(X))
    assert torch.equal(steered(ReplaceController("l", X + 1)), X + 1)


REGIONS: list[tuple[Region, Any]] = [
    (Region(tokens=2), (slice(None), slice(2, 3), slice(None))),
    (Region(tokens=-1), (slice(None), slice(-1, None), slice(None))),
    (Region(tokens=slice(1, 3), channels=slice(0, 8, 2)), (slice(None), slice(1, 3), slice(0, 8, 2))),
    (Region(channels=-2), (slice(None), slice(None), slice(-2, -1))),
    (Region(head=(1, 4)), (slice(None), slice(None), slice(2, 4))),
    (Region(tokens=0, head=(-1, 2)), (slice(None), slice(0, 1), slice(4, 8))),
]
CONTROLLERS: list[Any] = [
    lambda region: ScaleController("l", 3, region=region),
    lambda region: AddController("l", torch.tensor(5.0), region=region),
    lambda region: ZeroController("l", region=region),
    lambda region: MeanController("l", torch.arange(8.0), region=region),
    lambda region: MeanController("l", region=region),
    lambda region: ClampController("l", -0.01, 0.01, region=region),
    lambda region: NoiseController("l", 1.0, seed=3, region=region),
    lambda region: ReplaceController("l", X + 1, region=region),
]


@pytest.mark.parametrize(("region", "index"), REGIONS)
@pytest.mark.parametrize("make", CONTROLLERS)
def test_every_intervention_keeps_to_its_region(make: Any, region: Region, index: Any) -> None:
    changed = steered(make(region))
    inside = torch.zeros_like(X, dtype=torch.bool)
    inside[index] = True
    assert torch.equal(changed[~inside], X[~inside])
    assert (changed[inside] != X[inside]).float().mean() > 0.9


def test_the_mean_and_the_replacement_of_a_region_are_those_of_its_channels() -> None:
    region = Region(head=(1, 4))
    assert torch.allclose(steered(MeanController("l", region=region))[..., 2:4], X.mean((0, 1))[2:4])
    assert torch.equal(
        steered(MeanController("l", torch.arange(8.0), region=region))[0, 0, 2:4], torch.tensor([2.0, 3.0])
    )
    source = torch.randn(1, 5, 8)
    assert torch.equal(steered(ReplaceController("l", source, region=region))[1, :, 2:4], source[0, :, 2:4])
    small = torch.randn(2, 5, 2)
    assert torch.equal(steered(ReplaceController("l", small, region=region))[..., 2:4], small)


def test_a_region_that_is_not_in_the_call_leaves_it() -> None:
    assert torch.equal(steered(ZeroController("l", region=Region(tokens=7))), X)
    assert torch.equal(steered(ZeroController("l", region=Region(tokens=slice(5, 9)))), X)


def test_impossible_regions_are_refused() -> None:
    for head in ((4, 4), (-5, 4), (0, 0)):
        with pytest.raises(ValueError, match="head must be"):
            Region(head=head)
    with pytest.raises(ValueError, match="not both"):
        Region(channels=1, head=(0, 2))
    with pytest.raises(HookError, match="8 channels cannot be divided into 3 heads"):
        steered(ZeroController("l", region=Region(head=(0, 3))))
    with pytest.raises(HookError, match="no dimension of tokens"):
        steered(ZeroController("l", region=Region(tokens=0)), torch.ones(8))
    assert torch.equal(
        steered(ZeroController("l", region=Region(channels=0)), torch.ones(3)), torch.tensor([0.0, 1, 1])
    )


def test_projecting_out_removes_the_span_and_nothing_else() -> None:
    directions = torch.randn(2, 8)
    changed = steered(ProjectOutController("l", torch.cat([directions, directions.sum(0, keepdim=True)])))
    assert torch.allclose(changed @ directions.T, torch.zeros(2, 5, 2), atol=1e-5)
    other = torch.linalg.qr(torch.cat([directions, torch.randn(1, 8)]).T).Q[:, 2]
    assert torch.allclose(changed @ other, X @ other, atol=1e-5)
    assert torch.allclose(
        steered(ProjectOutController("l", directions[0])) @ directions[0], torch.zeros(2, 5), atol=1e-5
    )
    for bad in (torch.zeros(8), torch.full((8,), torch.nan), torch.randn(1, 2, 8)):
        with pytest.raises(ValueError, match="directions must be finite"):
            ProjectOutController("l", bad)


def test_projecting_out_of_bfloat16_is_computed_in_float32() -> None:
    direction = torch.randn(8)
    changed = steered(ProjectOutController("l", direction), X.bfloat16())
    assert changed.dtype is torch.bfloat16
    assert (changed.float() @ direction).abs().max() < 0.05


def test_noise_has_its_size_and_can_be_repeated() -> None:
    big = torch.zeros(1, 500, 100)
    controller = NoiseController("l", 0.5, seed=7)
    first, second = steered(controller, big), steered(controller, big)
    assert abs(first.std() - 0.5) < 0.01
    assert not torch.equal(first, second)
    controller.reseed()
    assert torch.equal(steered(controller, big), first)
    for twin in (copy.deepcopy(controller), pickle.loads(pickle.dumps(controller))):
        assert torch.equal(steered(twin, big), first)
    relative = steered(NoiseController("l", 0.1, seed=1, relative=True), big + 4 * torch.randn(1, 500, 100))
    assert 3.5 < relative.std() < 4.5
    with pytest.raises(ValueError, match="std cannot be negative"):
        NoiseController("l", -1)


def test_an_activation_of_one_run_can_be_patched_into_another() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    detector = LayerActivationDetector("1")
    with attach(model, {"1": detector}):
        expected = model(X)
    other = torch.randn(2, 5, 8)
    with attach(model, {"1": ReplaceController("1", detector.get_captured)}):
        assert torch.equal(model(other), expected)
        with pytest.raises(HookError, match=r"The source has shape \(2, 5, 8\), what it should replace \(2, 3, 8\)"):
            model(other[:, :3])
        detector.clear_captured()
        with pytest.raises(HookError, match="captured nothing yet"):
            model(other)


def test_clamp_needs_a_limit() -> None:
    with pytest.raises(ValueError, match="needs a minimum"):
        ClampController("l")


def test_a_steering_vector_learns_through_a_region_too() -> None:
    vector = nn.Parameter(torch.zeros(8))
    steered(AddController("l", vector, 3.0, region=Region(tokens=slice(0, 2)))).sum().backward()
    assert torch.equal(vector.grad, torch.full((8,), 2 * 2 * 3.0))


def test_interventions_work_before_the_forward_in_tuples_and_in_bfloat16() -> None:
    module = nn.Linear(8, 4).bfloat16()
    x, vector = X.bfloat16(), torch.ones(8)
    with attach(module, {"": AddController("l", vector, hook_type="pre_forward")}):
        changed = module(x)
    assert torch.equal(changed, module(x + 1))
    hook = ZeroController("l", region=Region(tokens=0)).get_torch_hook()
    changed = hook(module, (x,), {}, (X, None))
    assert not changed[0][:, 0].any()
    assert changed[1] is None
