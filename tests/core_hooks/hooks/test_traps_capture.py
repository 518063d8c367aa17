"""Part 2, what captures lose in the reference: D01 to D10, D36 to D38, D59, D65, D76, D80 and their neighbours."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import (
    FunctionController,
    HookRun,
    LayerActivationDetector,
    ModelInputDetector,
    ModelOutputDetector,
    attach,
    extract_tensor_from_input,
    extract_tensor_from_output,
)

X = torch.arange(6.0).reshape(2, 3)


def captured_from(output: Any, **options: Any) -> torch.Tensor | None:
    detector = LayerActivationDetector("layer", **options)
    detector.process_activations(None, None, output)
    return detector.get_captured()


class Thrice(nn.Module):
    """Calls the same layer three times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.layer(x + 1)
        return x


def test_d01_a_later_write_does_not_reach_the_capture() -> None:
    tensor = X.clone()
    captured = captured_from(tensor)
    tensor.mul_(100)
    assert torch.equal(captured, X)
    assert captured.untyped_storage().data_ptr() != tensor.untyped_storage().data_ptr()


def test_d01_copy_false_keeps_the_tensor_itself_for_those_who_know() -> None:
    tensor = X.clone().requires_grad_()
    captured = captured_from(tensor, copy=False)
    assert captured.data_ptr() == tensor.data_ptr()
    assert not captured.requires_grad


def test_d02_a_controller_on_the_same_module_does_not_reach_the_capture() -> None:
    model = nn.Sequential(nn.Identity())
    before, after = LayerActivationDetector("0"), LayerActivationDetector("0", stage="after")
    with attach(model, {"0": [FunctionController("0", lambda t: t.mul_(100)), before, after]}):
        model(X.clone())
    assert torch.equal(before.get_captured(), X)
    assert torch.equal(after.get_captured(), X * 100)


def test_d03_a_capture_does_not_keep_the_storage_of_a_view_alive() -> None:
    base = torch.zeros(1000, 3)
    captured = captured_from(base[:2])
    assert captured.untyped_storage().nbytes() == 2 * 3 * 4


def test_d04_a_capture_made_in_inference_mode_can_train_a_probe() -> None:
    module, detector = nn.Linear(3, 4), LayerActivationDetector("layer")
    with attach(module, {"": detector}), torch.inference_mode():
        module(X)
    for captured in (detector.tensor_metadata["activations"], detector.get_captured()):
        assert not captured.is_inference()
        probe = nn.Linear(4, 1)
        probe(captured).sum().backward()
        assert probe.weight.grad is not None
    assert detector.get_captured() is detector.tensor_metadata["activations"]


@pytest.mark.parametrize("keep", ["first", "all", "cat"])
def test_d04_every_kept_capture_can_be_used_in_training(keep: Any) -> None:
    model, detector = Thrice(), LayerActivationDetector("layer", keep=keep)
    with attach(model, {"layer": detector}), torch.inference_mode():
        model(X)
        shown_inside = detector.get_captured()
    assert shown_inside is not None
    assert not detector.get_captured().is_inference()
    assert not any(capture.tensor.is_inference() for capture in detector.captures)


def test_d05_keep_decides_what_several_calls_of_one_forward_leave() -> None:
    model = Thrice()
    detectors = {keep: LayerActivationDetector("layer", keep=keep) for keep in ("last", "first", "all", "cat")}
    with attach(model, {"layer": list(detectors.values())}):
        model(X * 7)  # what an earlier forward left must not show
        model(X)
    steps = [X + 1, X + 2, X + 3]
    assert torch.equal(detectors["last"].get_captured(), steps[2])
    assert detectors["last"].captured.call == 2
    assert torch.equal(detectors["first"].get_captured(), steps[0])
    assert detectors["first"].metadata["activations_call"] == 0
    assert torch.equal(detectors["all"].get_captured(), steps[2])
    assert [c.call for c in detectors["all"].captures] == [0, 1, 2]
    assert all(torch.equal(c.tensor, s) for c, s in zip(detectors["all"].captures, steps, strict=True))
    assert torch.equal(detectors["cat"].get_captured(), torch.cat(steps))
    assert detectors["cat"].metadata["activations_shape"] == (6, 3)
    for keep in ("first", "all", "cat"):
        assert detectors[keep].metadata["activations_calls"] == 3
    assert set(detectors["last"].metadata) == {"activations_shape"}


def test_d05_clear_captured_begins_again_for_every_policy() -> None:
    for keep in ("first", "all", "cat"):
        detector = LayerActivationDetector("layer", keep=keep)
        for value in (X, X + 1):
            detector.process_activations(None, None, value)
        detector.clear_captured()
        assert detector.get_captured() is None
        assert detector.captures == ()
        assert detector.metadata == {}
        detector.process_activations(None, None, X + 5)
        detector.process_activations(None, None, X + 6)
        expected = {"first": X + 5, "all": X + 6, "cat": torch.cat([X + 5, X + 6])}[keep]
        assert torch.equal(detector.get_captured(), expected)


def test_d05_an_unknown_policy_is_refused_and_captures_that_cannot_be_joined_say_so() -> None:
    with pytest.raises(ValueError, match="keep must be"):
        LayerActivationDetector("layer", keep="some")  # type: ignore[arg-type]
    detector = LayerActivationDetector("layer", keep="cat")
    for shape in ((2, 3), (2, 4)):
        detector.process_activations(None, None, torch.zeros(shape))
    with pytest.raises(ValueError, match=r"2 captures cannot be joined .*\(2, 3\), \(2, 4\)"):
        detector.get_captured()
    detector.cat_dim = 1
    assert detector.get_captured().shape == (2, 7)


def test_d06_the_steps_of_a_generation_are_joined_along_the_sequence() -> None:
    model = nn.Sequential(nn.Identity())
    joined, every = LayerActivationDetector("0", keep="cat"), LayerActivationDetector("0", keep="all")
    prompt, steps = torch.randn(2, 5, 3), [torch.randn(2, 1, 3) for _ in range(3)]
    with attach(model, {"0": [joined, every]}), HookRun(9) as run:
        for run.step, tokens in enumerate((prompt, *steps)):
            model(tokens)
    assert torch.equal(joined.get_captured(), torch.cat([prompt, *steps], dim=1))
    assert [(c.run, c.step, c.call) for c in every.captures] == [(9, 0, 0), (9, 1, 0), (9, 2, 0), (9, 3, 0)]
    assert (joined.captured.run, joined.captured.step) == (9, 3)


def test_d07_a_call_that_yields_nothing_leaves_nothing_of_the_previous_batch() -> None:
    layer, inputs, outputs = LayerActivationDetector("layer"), ModelInputDetector(), ModelOutputDetector()
    layer.process_activations(None, None, X)
    inputs.process_activations(None, (X.long(),), None)
    outputs.process_activations(None, None, X)
    layer.process_activations(None, None, "nothing")
    inputs.process_activations(None, ("nothing",), None)
    outputs.process_activations(None, None, "nothing")
    for detector in (layer, inputs, outputs):
        assert detector.metadata == {} == detector.tensor_metadata


def test_d07_a_call_that_fails_leaves_nothing_either() -> None:
    detector = LayerActivationDetector("layer", sink=lambda *_: 1 / 0)
    with pytest.raises(RuntimeError, match="division by zero"):
        detector.process_activations(None, None, X)
    assert detector.get_captured() is None


@dataclass
class Record:
    loss: torch.Tensor | None
    logits: torch.Tensor


@dataclass(frozen=True)
class FrozenState:
    note: str
    states: Any


Pair = namedtuple("Pair", ["note", "value"])


@pytest.mark.parametrize(
    "output",
    [
        {"hidden": X},
        OrderedDict(note="n", hidden=X),
        UserDict(hidden=X),
        {"attentions": X + 1, "last_hidden_state": X},
        {"loss": torch.tensor(1.0), "logits": X},
        Record(torch.tensor(1.0), X),
        FrozenState("n", ("m", [X])),
        Pair("n", X),
        (("deep", [{"x": X}]), "end"),
        ([X + 1], X),
    ],
)
def test_d08_tensors_are_found_in_containers_of_any_kind(output: Any) -> None:
    assert extract_tensor_from_output(output) is X
    assert torch.equal(captured_from(output), X)


def test_d08_select_chooses_by_index_key_path_and_function() -> None:
    output = (X, {"a": X + 1, "b": (X + 2, X + 3)})
    for select, expected in (
        (0, X),
        (-1, X + 1),
        ((1, "a"), X + 1),
        ((1, "b", -1), X + 3),
        (lambda o: o[1]["b"][0], X + 2),
    ):
        assert torch.equal(captured_from(output, select=select), expected)
    for select in (5, "a", (1, "c"), (0, 0), lambda _: None):
        assert captured_from(output, select=select) is None
    with pytest.raises(RuntimeError, match="select= must return one of the tensors"):
        captured_from(output, select=lambda o: o[0] * 2)


def test_d08_finding_nothing_is_said_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    module, detector = nn.Identity(), LayerActivationDetector("here", "d")
    with attach(module, {"": detector}), caplog.at_level(logging.WARNING), HookRun() as run:
        for _ in range(3):
            module("no tensor")
    assert caplog.text.count("found no tensor in str") == 1
    assert detector.missed == 3
    assert run.report().found_nothing == ("d",)


def test_d09_a_meta_tensor_stays_on_meta_and_is_flagged() -> None:
    detector = LayerActivationDetector("layer")
    detector.process_activations(None, None, torch.empty(2, 3, device="meta"))
    assert detector.get_captured().is_meta
    assert detector.metadata == {"activations_shape": (2, 3), "activations_meta": True}
    detector.process_activations(None, None, X)
    assert detector.metadata == {"activations_shape": (2, 3)}


def test_d10_a_hook_whose_module_only_lends_its_weights_is_reported() -> None:
    attention = nn.MultiheadAttention(4, 2)
    detector = LayerActivationDetector("out_proj", "silent")
    with attach(attention, {"out_proj": detector}), HookRun(3) as run:
        attention(*[torch.randn(5, 1, 4)] * 3)
    assert run.report().never_fired == ("silent",)
    assert "never called: out_proj" in str(run.report())
    assert detector.fired == 0


def test_d36_captured_ids_do_not_alias_the_callers() -> None:
    ids = torch.tensor([[1, 2, 3]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    detector = ModelInputDetector(save_attention_mask=True)
    detector.process_activations(None, ({"input_ids": ids, "attention_mask": mask},), None)
    ids.zero_()
    mask.zero_()
    assert detector.get_captured_input_ids().tolist() == [[1, 2, 3]]
    assert detector.get_captured_attention_mask().all()


def test_d39_every_position_of_the_input_is_searched() -> None:
    for given in (("text", X), (None, ("a", X)), ("a", {"b": X})):
        assert extract_tensor_from_input(given) is X
    assert extract_tensor_from_input(((X,), X + 1)) is X


def test_d59_two_threads_running_one_model_do_not_see_each_others_captures() -> None:
    model, detector = nn.Sequential(nn.Identity()), LayerActivationDetector("0", keep="all")
    both_fired = threading.Barrier(2)
    seen: dict[int, tuple[Any, Any]] = {}

    def work(number: int) -> None:
        with HookRun(number):
            model(X + number)
            both_fired.wait(timeout=10)
            seen[number] = (detector.get_captured(), [c.run for c in detector.captures])
            both_fired.wait(timeout=10)

    with attach(model, {"0": detector}):
        threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in (1, 2):
        tensor, runs = seen[number]
        assert torch.equal(tensor, X + number)
        assert runs == [number]


def test_d59_a_reader_outside_of_the_run_sees_whole_runs_only() -> None:
    model, detector = nn.Sequential(nn.Identity()), LayerActivationDetector("0")
    readings: list[torch.Tensor | None] = []

    def read() -> None:
        thread = threading.Thread(target=lambda: readings.append(detector.get_captured()))
        thread.start()
        thread.join()

    with attach(model, {"0": detector}):
        with HookRun(1):
            model(X)
            read()
        read()
    assert readings[0] is None
    assert torch.equal(readings[1], X)
    assert detector.captured.run == 1


def test_d59_what_a_subclass_adds_up_survives_from_run_to_run() -> None:
    class Counting(LayerActivationDetector):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            super().process_activations(module, input, output)
            self.metadata["calls"] = self.metadata.get("calls", 0) + 1

    model, detector = nn.Sequential(nn.Identity()), Counting("0")
    with attach(model, {"0": detector}):
        for number in range(3):
            with HookRun(number):
                model(X)
    assert detector.metadata["calls"] == 3


def test_d65_captures_are_contiguous() -> None:
    for tensor in (X.t(), X[:, ::2], X.expand(4, 2, 3), torch.randn(1, 2, 3, 4).to(memory_format=torch.channels_last)):
        captured = captured_from(tensor)
        assert captured.is_contiguous()
        assert torch.equal(captured, tensor)


def test_d76_select_0_means_the_tensor_whether_a_layer_returns_it_bare_or_in_a_tuple() -> None:
    for output in (X, (X, "cache")):
        assert torch.equal(captured_from(output, select=0), X)


def test_d80_a_layer_detector_captures_inputs_and_feeds_a_sink() -> None:
    seen: list[Any] = []
    model = nn.Sequential(nn.ReLU())
    store = object()
    detector = LayerActivationDetector(
        "0", hook_type="pre_forward", store=store, sink=lambda hook, capture: seen.append((hook, capture))
    )
    with attach(model, {"0": detector}):
        model(-X)
    assert detector.store is store
    assert torch.equal(detector.get_captured(), -X)
    assert seen[0][0] is detector
    assert seen[0][1].tensor is detector.get_captured()


def test_d80_inputs_passed_by_keyword_are_captured_and_selected_by_name() -> None:
    class Named(nn.Module):
        def forward(self, x: torch.Tensor, *, mask: torch.Tensor) -> torch.Tensor:
            return x * mask

    module = Named()
    first = LayerActivationDetector("", hook_type="pre_forward")
    named = LayerActivationDetector("", hook_type="pre_forward", select="mask")
    with attach(module, {"": [first, named]}):
        module(x=X, mask=X + 1)
        assert torch.equal(first.get_captured(), X)
        assert torch.equal(named.get_captured(), X + 1)
        module(X, mask=X + 2)
    assert torch.equal(named.get_captured(), X + 2)


def test_a_capture_belongs_to_no_graph_and_keeps_nothing_alive() -> None:
    module, detector = nn.Linear(3, 3), LayerActivationDetector("")
    with attach(module, {"": detector}):
        y = module(X)
        reference = weakref.ref(y)
        del y
        gc.collect()
    assert reference() is None
    assert detector.get_captured().grad_fn is None


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool, torch.complex64]
)
def test_captures_keep_every_dtype(dtype: torch.dtype) -> None:
    tensor = X.to(dtype)
    assert torch.equal(captured_from(tensor), tensor)
    assert captured_from(tensor).dtype is dtype


def test_sparse_and_parameter_outputs_are_captured() -> None:
    sparse = torch.eye(3).to_sparse()
    assert torch.equal(captured_from(sparse).to_dense(), torch.eye(3))
    parameter = nn.Parameter(X.clone())
    captured = captured_from(parameter)
    with torch.no_grad():
        parameter.zero_()
    assert torch.equal(captured, X)
    assert type(captured) is torch.Tensor
