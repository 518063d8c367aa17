"""The contract, sections 6 to 10: the built-in detectors, FunctionController, the utilities."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import (
    FunctionController,
    HookType,
    LayerActivationDetector,
    ModelInputDetector,
    ModelOutputDetector,
    apply_modification_to_output,
    extract_tensor_from_input,
    extract_tensor_from_output,
)

X = torch.arange(6.0).reshape(2, 3)
IDS = torch.tensor([[1, 5, 6], [0, 7, 1]])


class Unreadable:
    """Fails in whatever way it is looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise OSError("unreadable")


# 6 LayerActivationDetector


def test_a_layer_detector_needs_a_layer_and_0_is_one() -> None:
    with pytest.raises(ValueError, match="^layer_signature cannot be None for LayerActivationDetector$"):
        LayerActivationDetector(None)  # type: ignore[arg-type]
    assert LayerActivationDetector(0).layer_signature == 0
    detector = LayerActivationDetector("layer", "id", torch.float16)
    assert (detector.id, detector.hook_type, detector.target_dtype) == ("id", HookType.FORWARD, torch.float16)


def test_a_layer_detector_captures_values_and_shape() -> None:
    module, detector = nn.Linear(3, 4), LayerActivationDetector("layer")
    module.register_forward_hook(detector.get_torch_hook())
    y = module(X)
    captured = detector.get_captured()
    assert torch.equal(captured, y)
    assert captured is detector.tensor_metadata["activations"]
    assert detector.metadata["activations_shape"] == (2, 4)
    assert type(detector.metadata["activations_shape"]) is tuple
    assert not captured.requires_grad
    assert captured.device.type == "cpu"
    module(X + 1)
    assert not torch.equal(detector.get_captured(), y)


def test_a_layer_detector_casts_to_its_target_dtype() -> None:
    detector = LayerActivationDetector("layer", target_dtype=torch.bfloat16)
    detector.process_activations(None, None, X)
    assert detector.get_captured().dtype is torch.bfloat16


@pytest.mark.parametrize("nothing", ["invalid", None, 3, ("a", 1), {}])
def test_no_tensor_stores_nothing_and_is_no_error(nothing: Any) -> None:
    detector = LayerActivationDetector("layer")
    detector.process_activations(None, None, nothing)
    assert detector.get_captured() is None
    assert detector.metadata == {} == detector.tensor_metadata


def test_clear_captured_drops_exactly_its_keys() -> None:
    detector = LayerActivationDetector("layer")
    detector.process_activations(None, None, X)
    detector.metadata["mine"], detector.tensor_metadata["mine"] = 1, X
    assert set(detector.metadata) == {"activations_shape", "mine"}
    detector.clear_captured()
    assert detector.metadata == {"mine": 1}
    assert set(detector.tensor_metadata) == {"mine"}
    assert detector.get_captured() is None


def test_a_layer_detector_says_where_it_failed() -> None:
    detector = LayerActivationDetector("here", "d", select=lambda _: 1 / 0)
    with pytest.raises(RuntimeError) as error:
        detector.process_activations(None, None, X)
    assert str(error.value) == (
        "Error extracting activations in LayerActivationDetector d (layer=here): division by zero"
    )
    assert isinstance(error.value.__cause__, ZeroDivisionError)


# 7 ModelInputDetector


def test_the_input_detector_captures_ids_from_a_tensor_or_a_dict() -> None:
    for first in (IDS, {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}):
        detector = ModelInputDetector()
        assert detector.hook_type is HookType.PRE_FORWARD
        detector.process_activations(None, (first,), None)
        assert torch.equal(detector.get_captured_input_ids(), IDS)
        assert detector.metadata == {"input_ids_shape": (2, 3)}
        assert detector.get_captured_attention_mask() is None


@pytest.mark.parametrize("call", [(), ("text",), ({"other": IDS},), (None,), None])
def test_the_input_detector_leaves_nothing_where_there_are_no_ids(call: Any) -> None:
    detector = ModelInputDetector(save_attention_mask=True)
    detector.process_activations(None, call, None)
    assert detector.metadata == {} == detector.tensor_metadata


def test_the_flags_of_the_input_detector_are_read_at_call_time() -> None:
    detector = ModelInputDetector(special_token_ids=[])
    detector.save_input_ids, detector.save_attention_mask = False, True
    detector.process_activations(None, (IDS,), None)
    assert detector.get_captured_input_ids() is None
    assert detector.get_captured_attention_mask().all()
    assert set(detector.metadata) == {"attention_mask_shape"}


def test_the_mask_is_what_was_given_and_not_special() -> None:
    given = torch.tensor([[1, 1, 0], [1, 1, 1]])
    detector = ModelInputDetector(save_attention_mask=True, special_token_ids=[1])
    assert detector.special_token_ids == {1}
    detector.process_activations(None, ({"input_ids": IDS, "attention_mask": given},), None)
    mask = detector.get_captured_attention_mask()
    assert mask.dtype is torch.bool
    assert mask.tolist() == [[False, True, False], [True, True, False]]
    assert detector.metadata["attention_mask_shape"] == (2, 3)


def test_own_special_ids_win_over_the_context_and_an_empty_list_means_none() -> None:
    context = SimpleNamespace(special_token_ids={5})
    masks = []
    for own in (None, [], [6]):
        detector = ModelInputDetector(save_attention_mask=True, special_token_ids=own)
        detector.set_context(context)
        detector.process_activations(None, (IDS[:1],), None)
        masks.append(detector.get_captured_attention_mask().tolist())
    assert masks == [[[True, False, True]], [[True, True, True]], [[True, True, False]]]
    detector.special_token_ids = None
    detector.set_context(SimpleNamespace(special_token_ids=None))
    detector.process_activations(None, (IDS,), None)
    assert detector.get_captured_attention_mask().all()


def test_encodings_can_be_given_by_hand() -> None:
    detector = ModelInputDetector(save_attention_mask=True)
    detector.set_inputs_from_encodings({"input_ids": IDS, "attention_mask": IDS > 0}, module=nn.Identity())
    assert torch.equal(detector.get_captured_input_ids(), IDS)
    assert torch.equal(detector.get_captured_attention_mask(), IDS > 0)
    detector.set_inputs_from_encodings({"other": IDS})
    assert detector.get_captured_input_ids() is None
    detector.set_inputs_from_encodings({"input_ids": IDS})
    detector.clear_captured()
    assert detector.metadata == {} == detector.tensor_metadata


def test_the_input_detector_says_where_it_failed() -> None:
    bad = {"input_ids": IDS, "attention_mask": torch.ones(2, 1, 3, 3)}
    detector = ModelInputDetector(hook_id="d", save_attention_mask=True)
    with pytest.raises(RuntimeError, match=r"^Error extracting inputs in ModelInputDetector d \(layer=unknown\): "):
        detector.process_activations(None, (bad,), None)
    with pytest.raises(RuntimeError, match=r"^Error setting inputs from encodings in ModelInputDetector d: "):
        detector.set_inputs_from_encodings(bad)
    with pytest.raises(RuntimeError, match="Error setting inputs from encodings"):
        detector.set_inputs_from_encodings(None)  # type: ignore[arg-type]
    detector = ModelInputDetector("root", "d", save_attention_mask=True)
    with pytest.raises(RuntimeError, match=r"\(layer=root\)"):
        detector.process_activations(None, (bad,), None)


# 8 ModelOutputDetector


@pytest.mark.parametrize("output", [SimpleNamespace(logits=X), (X, "cache"), [X], X, {"logits": X}])
def test_the_output_detector_finds_logits(output: Any) -> None:
    detector = ModelOutputDetector()
    assert detector.hook_type is HookType.FORWARD
    detector.process_activations(None, None, output)
    assert torch.equal(detector.get_captured_output_logits(), X)
    assert detector.metadata == {"output_logits_shape": (2, 3)}
    assert detector.get_captured_output_hidden_state() is None


def test_the_output_detector_leaves_nothing_for_other_outputs() -> None:
    detector = ModelOutputDetector(save_output_hidden_state=True)
    for output in (None, "text", ("text", X), SimpleNamespace(), ()):
        detector.process_activations(None, None, output)
        assert detector.metadata == {} == detector.tensor_metadata


def test_the_hidden_state_comes_from_objects_only() -> None:
    detector = ModelOutputDetector(save_output_logits=False, save_output_hidden_state=True)
    detector.process_activations(None, None, SimpleNamespace(last_hidden_state=X, logits=X + 1))
    assert torch.equal(detector.get_captured_output_hidden_state(), X)
    assert detector.get_captured_output_logits() is None
    assert detector.metadata == {"output_hidden_state_shape": (2, 3)}
    for output in (X, (X,)):
        detector.process_activations(None, None, output)
        assert detector.get_captured_output_hidden_state() is None


def test_clear_captured_of_the_output_detector_drops_its_four_keys() -> None:
    detector = ModelOutputDetector(save_output_hidden_state=True)
    detector.process_activations(None, None, SimpleNamespace(last_hidden_state=X, logits=X))
    assert len(detector.metadata) == len(detector.tensor_metadata) == 2
    detector.metadata["mine"] = 1
    detector.clear_captured()
    assert (detector.metadata, detector.tensor_metadata) == ({"mine": 1}, {})


def test_the_output_detector_says_where_it_failed() -> None:
    with pytest.raises(RuntimeError) as error:
        ModelOutputDetector("root", "d").process_activations(None, None, Unreadable())  # type: ignore[arg-type]
    assert str(error.value) == "Error extracting outputs in ModelOutputDetector d (layer=root): unreadable"


# 9 FunctionController


def test_a_function_controller_refuses_what_is_no_function() -> None:
    with pytest.raises(ValueError, match="^function cannot be None$"):
        FunctionController("layer", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^function must be callable, got: <class 'int'>$"):
        FunctionController("layer", 3)  # type: ignore[arg-type]


def test_a_function_controller_applies_its_function() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    forward = FunctionController("layer", function)
    assert forward.function == function
    assert torch.equal(forward.modify_activations(None, X + 1, X), X * 2)  # type: ignore[arg-type]
    pre = FunctionController("layer", function, HookType.PRE_FORWARD, "id")
    assert pre.id == "id"
    assert torch.equal(pre.modify_activations(None, X, None), X * 2)  # type: ignore[arg-type]


def test_a_function_controller_returns_other_targets_as_they_are() -> None:
    forward, pre = FunctionController("l", torch.neg), FunctionController("l", torch.neg, "pre_forward")
    assert forward.modify_activations(None, "x", None) is None  # type: ignore[arg-type]
    assert forward.modify_activations(None, None, "text") == "text"  # type: ignore[arg-type]
    assert pre.modify_activations(None, None, X) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("result", [None, 3, "text"])
def test_a_function_that_returns_no_tensor_is_an_error(result: Any) -> None:
    controller = FunctionController("layer", lambda _: result, hook_id="c")
    with pytest.raises(RuntimeError, match="Function must return a torch.Tensor") as error:
        controller.modify_activations(None, None, X)  # type: ignore[arg-type]
    assert str(error.value).startswith("Error applying function in FunctionController c: ")


def test_a_failing_function_is_reported_with_its_cause() -> None:
    with pytest.raises(RuntimeError) as error:
        FunctionController("l", lambda _: 1 / 0, hook_id="c").modify_activations(None, None, X)  # type: ignore[arg-type, return-value]
    assert str(error.value) == "Error applying function in FunctionController c: division by zero"
    assert isinstance(error.value.__cause__, ZeroDivisionError)


# 10 Utilities


def test_extract_tensor_from_input_returns_the_same_object() -> None:
    other = X + 1
    for given in ((X, other), [X], ((X, other),), ([None, X],)):
        assert extract_tensor_from_input(given) is X
    for given in (None, (), ("text", 3), (("a",),)):
        assert extract_tensor_from_input(given) is None


def test_extract_tensor_from_output_returns_the_same_object() -> None:
    other = X + 1
    for given in (X, (X, other), ["skipped", X], SimpleNamespace(last_hidden_state=X), ("x", [other], X)):
        assert extract_tensor_from_output(given) is X
    for given in (None, "text", (), SimpleNamespace(last_hidden_state="no tensor"), object()):
        assert extract_tensor_from_output(given) is None


def test_apply_modification_works_in_place() -> None:
    new = X + 10
    tensor, in_tuple = X.clone(), X.clone()
    apply_modification_to_output(tensor, new)
    assert torch.equal(tensor, new)
    apply_modification_to_output(("a", in_tuple, X), new)
    assert torch.equal(in_tuple, new)
    old = X.half()
    listed: list[Any] = ["a", old, X]
    apply_modification_to_output(listed, new)
    assert torch.equal(listed[1], new.half())
    assert listed[1] is not old
    assert listed[2] is X
    holder = SimpleNamespace(last_hidden_state=X)
    apply_modification_to_output(holder, new)
    assert torch.equal(holder.last_hidden_state, new)
    for nothing in (None, "text", {}, (), [], SimpleNamespace(other=1)):
        assert apply_modification_to_output(nothing, new) is None


def test_apply_modification_works_on_parameters_and_inference_tensors_too() -> None:
    parameter = nn.Parameter(X.clone())
    apply_modification_to_output(parameter, X + 1)
    assert torch.equal(parameter, X + 1)
    with torch.inference_mode():
        inference = X.clone()
    apply_modification_to_output(inference, X + 1)
    assert torch.equal(inference, X + 1)
