"""The contract, sections 3 to 5: Detector, Controller, both at once."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import Controller, Detector, Hook, HookError, HookType


class Recorder(Hook):
    def __init__(self, *args: Any, result: Any = None, error: BaseException | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[tuple[Any, Any, Any]] = []
        self.result, self.error = result, error

    def _hook_fn(self, module: Any, input: Any, output: Any) -> Any:
        self.calls.append((module, input, output))
        if self.error is not None:
            raise self.error
        return self.result


class Seen(Detector):
    def process_activations(self, module: Any, input: Any, output: Any) -> None:
        self.metadata["seen"] = (module, input, output)


class Plus(Controller):
    def __init__(self, amount: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.amount = amount
        self.calls: list[tuple[Any, Any, Any]] = []

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        self.calls.append((module, inputs, output))
        target = output if self.hook_type is HookType.FORWARD else inputs
        return target + self.amount


X = torch.arange(4.0).reshape(2, 2)


# Detector


def test_a_detector_keeps_its_store_and_has_metadata_of_its_own() -> None:
    store = object()
    one, other = Seen(store=store), Seen()
    assert one.store is store
    assert other.store is None
    assert one.metadata == {} == one.tensor_metadata
    one.metadata["key"] = 1
    one.tensor_metadata["tensor"] = X
    assert other.metadata == {} == other.tensor_metadata
    one.metadata = {"new": 2}
    one.tensor_metadata = {}
    assert (one.metadata, one.tensor_metadata) == ({"new": 2}, {})


def test_page_order_of_parameters_differs_between_the_classes() -> None:
    assert Recorder("layer", "pre_forward", "id").layer_signature == "layer"
    store = object()
    detector = Seen("pre_forward", "id", store, "layer")
    assert (detector.hook_type, detector.id, detector.store, detector.layer_signature) == (
        HookType.PRE_FORWARD,
        "id",
        store,
        "layer",
    )

    class Same(Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> None:
            return None

    controller = Same("pre_forward", "id", "layer")
    assert (controller.hook_type, controller.id, controller.layer_signature) == (
        HookType.PRE_FORWARD,
        "id",
        "layer",
    )


def test_a_detector_sees_the_call_and_never_changes_it() -> None:
    module, output = nn.Identity(), [X]
    detector = Seen()
    assert detector.get_torch_hook()(module, (X,), output) is None
    assert detector.metadata["seen"] == (module, (X,), output)
    pre = Seen(hook_type="pre_forward")
    assert pre.get_torch_hook()(module, (X,)) is None
    assert pre.metadata["seen"] == (module, (X,), None)


def test_a_detector_that_returns_something_still_changes_nothing() -> None:
    class Returning(Detector):
        def process_activations(self, module: Any, input: Any, output: Any) -> Any:
            return X * 100

    module = nn.Identity()
    module.register_forward_hook(Returning().get_torch_hook())
    assert torch.equal(module(X), X)


# Controller


def test_a_forward_controller_gets_first_input_and_first_output_and_replaces_the_output() -> None:
    module, controller = nn.Linear(2, 2), Plus()
    handle = module.register_forward_hook(controller.get_torch_hook())
    changed = module(X)
    handle.remove()
    assert torch.equal(changed, module(X) + 1)
    _, inputs, output = controller.calls[0]
    assert inputs is X
    assert torch.equal(output, module(X))


@pytest.mark.parametrize("make", [lambda x: (x, "kept"), lambda x: [x, "kept"], lambda x: ("kept", x)])
def test_a_controller_keeps_the_container_and_its_other_elements(make: Any) -> None:
    output = make(X)
    changed = Plus().get_torch_hook()(nn.Identity(), (X,), output)
    assert type(changed) is type(output)
    place = next(i for i, item in enumerate(output) if item is X)
    assert torch.equal(changed[place], X + 1)
    assert changed[1 - place] == "kept"


def test_a_controller_replaces_last_hidden_state_of_an_object() -> None:
    output = SimpleNamespace(last_hidden_state=X, other="kept")
    changed = Plus().get_torch_hook()(nn.Identity(), (X,), output)
    assert type(changed) is SimpleNamespace
    assert torch.equal(changed.last_hidden_state, X + 1)
    assert changed.other == "kept"
    assert output.last_hidden_state is X


def test_a_pre_controller_replaces_the_first_argument_and_keeps_the_others() -> None:
    controller = Plus(hook_type="pre_forward")
    changed = controller.get_torch_hook()(nn.Identity(), (X, "other", 3))
    assert torch.equal(changed[0], X + 1)
    assert changed[1:] == ("other", 3)
    assert controller.calls[0][1] is X


def test_a_controller_is_not_called_where_there_is_no_tensor() -> None:
    for hook_type, arguments in (("forward", ((X,), "text")), ("forward", ((X,), None)), ("pre_forward", (("text",),))):
        controller = Plus(hook_type=hook_type)
        assert controller.get_torch_hook()(nn.Identity(), *arguments) is None
        assert controller.calls == []


def test_none_from_a_controller_leaves_the_value() -> None:
    class Same(Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> None:
            return None

    assert Same().get_torch_hook()(nn.Identity(), (X,), X) is None
    assert Same(hook_type="pre_forward").get_torch_hook()(nn.Identity(), (X,)) is None


# Both


class Both(Controller, Detector):
    def __init__(self, hook_type: Any = HookType.FORWARD, hook_id: str | None = None) -> None:
        Controller.__init__(self, hook_type=hook_type, hook_id=hook_id)
        Detector.__init__(self, hook_type=hook_type, hook_id=hook_id)
        self.order: list[str] = []
        self.fail_to_look = False
        self.fail_to_change = False

    def process_activations(self, module: Any, input: Any, output: Any) -> None:
        self.order.append("look")
        if self.fail_to_look:
            raise ValueError("cannot look")
        self.tensor_metadata["seen"] = (output if output is not None else input[0]).clone()

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        self.order.append("change")
        if self.fail_to_change:
            raise ValueError("cannot change")
        return (inputs if output is None else output) + 1


class BothCooperative(Controller, Detector):
    def __init__(self) -> None:
        super().__init__(hook_type="pre_forward", hook_id="both")

    process_activations = Both.process_activations
    modify_activations = Both.modify_activations


@pytest.mark.parametrize("hook_type", ["forward", "pre_forward"])
def test_a_hook_that_is_both_looks_at_the_unmodified_value_and_then_changes_it(hook_type: str) -> None:
    both = Both(hook_type, "b")
    arguments = ((X,), X) if hook_type == "forward" else ((X,),)
    changed = both.get_torch_hook()(nn.Identity(), *arguments)
    assert torch.equal(changed if hook_type == "forward" else changed[0], X + 1)
    assert both.order == ["look", "change"]
    assert torch.equal(both.tensor_metadata["seen"], X)
    assert (both.id, both.hook_type.value) == ("b", hook_type)


def test_one_cooperative_super_init_is_enough_for_both() -> None:
    both = BothCooperative()
    assert (both.id, both.hook_type, both.store, both.metadata) == ("both", HookType.PRE_FORWARD, None, {})
    both.order = []
    both.fail_to_look = both.fail_to_change = False
    assert torch.equal(both.get_torch_hook()(nn.Identity(), (X,))[0], X + 1)


def test_a_second_init_does_not_undo_the_options_of_the_first() -> None:
    class Reversed(Detector, Controller):
        process_activations = Both.process_activations
        modify_activations = Both.modify_activations

        def __init__(self) -> None:
            Controller.__init__(self, preserve_dtype=False, allow_shape_change=True)
            Detector.__init__(self)

    hook = Reversed()
    assert (hook.preserve_dtype, hook.allow_shape_change) == (False, True)


def test_a_failure_to_look_is_logged_and_recorded_and_the_change_still_happens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = Both(hook_id="b")
    both.fail_to_look = True
    with caplog.at_level(logging.WARNING):
        changed = both.get_torch_hook()(nn.Identity(), (X,), X)
    assert torch.equal(changed, X + 1)
    assert "cannot look" in caplog.text
    assert isinstance(both.last_error, HookError)
    assert isinstance(both.last_error.original_error, ValueError)
    assert both.failures == 1


def test_a_failure_to_change_is_raised() -> None:
    both = Both()
    both.fail_to_change = True
    with pytest.raises(HookError, match="cannot change"):
        both.get_torch_hook()(nn.Identity(), (X,), X)


def test_both_halves_are_skipped_when_disabled() -> None:
    both = Both()
    both.disable()
    assert both.get_torch_hook()(nn.Identity(), (X,), X) is None
    assert both.order == []
