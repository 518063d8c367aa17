"""What can only be seen on a GPU: D09, D22, D77 and captures of a model that is not on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core_hooks import (
    AddController,
    FunctionController,
    HistogramDetector,
    LayerActivationDetector,
    ModelInputDetector,
    NoiseController,
    ProjectOutController,
    StatisticsDetector,
    TopChannelsDetector,
    apply_modification_to_output,
    attach,
)

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)).cuda()


def test_d09_captures_from_the_gpu_are_on_the_cpu() -> None:
    net, detector = model(), LayerActivationDetector("0")
    x = torch.randn(2, 8, device="cuda")
    with attach(net, {"0": detector}):
        net(x)
    assert detector.get_captured().device.type == "cpu"
    assert torch.equal(detector.get_captured(), net[0](x).cpu())


def test_d22_a_change_made_on_the_cpu_reaches_an_output_on_the_gpu() -> None:
    net, x = model(), torch.randn(2, 8, device="cuda")
    with attach(net, {"1": FunctionController("1", lambda y: y.cpu() + 1)}):
        changed = net(x)
    assert changed.is_cuda
    assert torch.allclose(changed, net(x) + 1)
    target = torch.zeros(3, device="cuda")
    apply_modification_to_output((target,), torch.ones(3), target_device="cpu")
    assert target.sum() == 3


def test_d77_a_capture_holds_its_values_as_soon_as_the_hook_returned() -> None:
    big = torch.randn(4096, 4096, device="cuda")
    detector, seen = LayerActivationDetector("0", sink=lambda _, capture: seen.append(capture.tensor.sum())), []

    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(20):
                x = x @ big / 64
            return x

    module = Slow()
    with attach(module, {"": detector}):
        y = module(big)
    assert torch.equal(detector.get_captured(), y.cpu())
    assert seen[0] == y.cpu().sum()


def test_observers_and_interventions_work_where_the_model_is() -> None:
    net, x = model(), torch.randn(2, 5, 8, device="cuda")
    observers = [StatisticsDetector("0"), HistogramDetector("0"), TopChannelsDetector("0", k=2)]
    changes = [
        AddController("1", torch.ones(8)),
        NoiseController("1", 0.1, seed=1),
        ProjectOutController("1", torch.ones(8)),
    ]
    with attach(net, {"0": observers, "1": changes}):
        assert net(x).is_cuda
    assert observers[0].statistics.device == "cuda:0"
    for observer in observers:
        assert all(not tensor.is_cuda for tensor in observer.tensor_metadata.values())


def test_special_ids_are_left_out_of_a_mask_on_the_gpu() -> None:
    detector = ModelInputDetector(save_attention_mask=True, special_token_ids=[1])
    ids = torch.tensor([[1, 2]], device="cuda")
    detector.process_activations(None, ({"input_ids": ids, "attention_mask": torch.ones(1, 2)},), None)
    assert detector.get_captured_attention_mask().tolist() == [[False, True]]
