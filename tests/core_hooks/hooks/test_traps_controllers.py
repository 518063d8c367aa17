"""Part 2, what changing an activation gets wrong in the reference: D11 to D30, D73 to D75."""

from __future__ import annotations

import copy
import logging
import warnings
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import (
    Controller,
    Detector,
    FunctionController,
    HookError,
    LayerActivationDetector,
    apply_modification_to_output,
    attach,
)
from core_hooks.hooks.nested import find_all, follow, replace

X = torch.arange(6.0).reshape(2, 3)


class Both(Detector, Controller):
    """Written in the order in which the reference forgets the controller."""

    def process_activations(self, module: Any, input: Any, output: Any) -> None:
        self.tensor_metadata["seen"] = output.clone()

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        return output + 1


class Returns(Controller):
    def __init__(self, result: Any, **options: Any) -> None:
        super().__init__(**options)
        self.result = result

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        return self.result


def controlled(output: Any, function: Any = lambda x: x + 1, **options: Any) -> Any:
    """Return what the caller of a module that returns ``output`` gets."""
    changed = FunctionController("layer", function, **options).get_torch_hook()(nn.Identity(), (X,), {}, output)
    return output if changed is None else changed


def test_d11_a_shape_that_would_broadcast_is_refused() -> None:
    for wrong in (X[:1], X[0], torch.tensor(1.0)):
        with pytest.raises(HookError, match=r"The result has shape .* the tensor it replaces \(2, 3\)"):
            controlled(X, lambda _, wrong=wrong: wrong)


def test_d12_a_shape_may_change_where_that_is_allowed() -> None:
    module = nn.Identity()
    with attach(module, {"": FunctionController("", lambda x: x[:1], allow_shape_change=True)}):
        assert torch.equal(module(X), X[:1])
    changed = controlled((X, "kept"), lambda x: torch.cat([x, x]), allow_shape_change=True)
    assert changed[0].shape == (4, 3)


def test_d13_another_float_dtype_is_cast_back_unless_switched_off() -> None:
    output = X.bfloat16()
    assert controlled(output, lambda x: x.float() * 2).dtype is torch.bfloat16
    assert controlled(output, lambda x: x.float() * 2, preserve_dtype=False).dtype is torch.float32


def test_d13_float_to_int_and_back_is_an_error() -> None:
    for output, function in ((X, torch.Tensor.long), (X.long(), torch.Tensor.float), (X, lambda x: x > 1)):
        with pytest.raises(HookError, match="converting would lose values"):
            controlled(output, function)
    with pytest.raises(HookError, match="converting would lose values"):
        controlled(X, torch.Tensor.long, preserve_dtype=False)
    assert controlled(X.long(), torch.Tensor.float, preserve_dtype=False).dtype is torch.float32
    assert controlled(X.long(), torch.Tensor.int).dtype is torch.int64


def test_d14_a_steering_vector_gets_its_gradient() -> None:
    model, vector = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1)), nn.Parameter(torch.zeros(3))
    with attach(model, {"0": FunctionController("0", lambda x: x + vector)}):
        model(X).sum().backward()
    assert torch.allclose(vector.grad, model[1].weight.detach()[0] * 2)


def test_d15_gradients_go_through_the_change() -> None:
    module, x = nn.Identity(), X.clone().requires_grad_()
    with attach(module, {"": FunctionController("", lambda t: t * 10)}):
        module(x).sum().backward()
    assert torch.equal(x.grad, torch.full_like(X, 10.0))


def test_d15_an_in_place_change_that_autograd_needs_undone_is_noticed() -> None:
    model = nn.Sequential(nn.Sigmoid())
    with attach(model, {"0": FunctionController("0", lambda t: t.mul_(2))}):
        y = model(X.clone().requires_grad_())
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_d16_a_module_that_returns_its_input_leaves_the_callers_tensor_alone() -> None:
    for module in (nn.Identity(), nn.Dropout().eval()):
        x = X.clone()
        with attach(module, {"": FunctionController("", lambda t: t * 0)}):
            y = module(x)
        assert torch.equal(x, X)
        assert not y.any()


def test_d17_a_module_that_returns_a_weight_keeps_its_weight() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(X.clone())
            self.register_buffer("fixed", X.clone())

        def forward(self) -> Any:
            return self.weight.view(3, 2), self.fixed

    module = Table()
    with attach(module, {"": FunctionController("", lambda t: t * 0, apply_to="all")}), torch.no_grad():
        weight, fixed = module()
    assert not weight.any()
    assert not fixed.any()
    assert torch.equal(module.weight, X)
    assert torch.equal(module.fixed, X)


def test_d18_expanded_outputs_are_changed() -> None:
    expanded = torch.ones(1, 3).expand(4, 3)
    assert torch.equal(controlled(expanded, lambda x: x * 2), torch.full((4, 3), 2.0))


def test_d19_apply_to_all_reaches_every_tensor_and_the_default_only_the_first() -> None:
    output = (X, [X + 1, {"a": X + 2}])
    first = controlled(output, lambda x: x * 2)
    assert torch.equal(first[0], X * 2)
    assert first[1] is output[1]
    every = controlled(output, lambda x: x * 2, apply_to="all")
    assert torch.equal(every[0], X * 2)
    assert torch.equal(every[1][0], (X + 1) * 2)
    assert torch.equal(every[1][1]["a"], (X + 2) * 2)
    with pytest.raises(ValueError, match="apply_to must be"):
        FunctionController("l", torch.neg, apply_to="some")
    pre = FunctionController("l", torch.neg, "pre_forward", apply_to="all")
    changed = pre.get_torch_hook()(nn.Identity(), (X, X + 1))
    assert torch.equal(changed[1], -(X + 1))


def test_d20_logits_of_a_model_output_and_entries_of_dicts_are_changed() -> None:
    loss = torch.tensor(1.0)
    changed = controlled(SimpleNamespace(loss=loss, logits=X))
    assert torch.equal(changed.logits, X + 1)
    assert changed.loss is loss
    assert torch.equal(controlled({"hidden": X, "n": 1})["hidden"], X + 1)


def test_d20_a_controller_that_never_found_a_tensor_says_so(caplog: pytest.LogCaptureFixture) -> None:
    controller = FunctionController("here", torch.neg)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            controller.get_torch_hook()(nn.Identity(), (X,), "text")
    assert caplog.text.count("found no tensor in str") == 1
    assert controller.missed == 3


@dataclass(frozen=True, slots=True)
class Frozen:
    note: str
    hidden: Any
    last: int = 3


@dataclass
class Computed:
    hidden: Any

    def __post_init__(self) -> None:
        self.extra = "kept"


Pair = namedtuple("Pair", ["note", "value"])


class MyList(list):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Frozen("n", x),
        lambda x: Frozen("n", [x]),
        Computed,
        lambda x: Pair("n", x),
        lambda x: {"a": x, "n": 1},
        lambda x: OrderedDict(n=1, a=x),
        lambda x: UserDict(a=x),
        lambda x: MappingProxyType({"a": x}),
        lambda x: MyList([x]),
        lambda x: torch.return_types.max((x, torch.zeros(1))),
        lambda x: (("n", [x]), {"b": 1}),
        lambda x: SimpleNamespace(last_hidden_state=x, n=1),
    ],
)
def test_d21_the_container_is_rebuilt_and_never_written_into(make: Any) -> None:
    output = make(X)
    before = copy.copy(output) if not isinstance(output, MappingProxyType) else dict(output)
    changed = controlled(output)
    assert type(changed) is type(output)
    assert changed is not output
    path = find_all(output)[0]
    assert follow(output, path) is X
    assert torch.equal(follow(changed, path), X + 1)
    assert repr(before) == repr(output) or isinstance(output, MappingProxyType)
    assert repr(replace(changed, path, X)) == repr(output)


def test_d21_the_same_rules_hold_in_every_container() -> None:
    for make in (lambda x: x, lambda x: (x,), lambda x: {"a": x}, lambda x: SimpleNamespace(last_hidden_state=x)):
        with pytest.raises(HookError, match="The result has shape"):
            controlled(make(X), lambda x: x[:1])
        changed = controlled(make(X.half()), lambda x: x.float())
        assert changed is not None
        assert (
            follow(changed, find_all(changed)[0] if not isinstance(changed, torch.Tensor) else ()).dtype is torch.half
        )


def test_d22_the_change_moves_to_the_output_and_never_the_output_to_the_change() -> None:
    meta = torch.empty(2, 3, device="meta")
    assert controlled(meta, lambda _: X).is_meta
    target, listed, new = X.clone(), [X.clone()], X + 1
    in_tuple = (X.clone(),)
    for output in (target, listed, in_tuple):
        apply_modification_to_output(output, new, target_device="meta")
    assert torch.equal(target, new)
    assert torch.equal(listed[0], new)
    assert torch.equal(in_tuple[0], new)


def test_d23_cpu_with_an_index_is_the_cpu() -> None:
    module, controller = nn.Identity(), FunctionController("", lambda x: x + 1)
    controller.set_context(SimpleNamespace(device="cpu:0"))
    with attach(module, {"": controller}):
        assert torch.equal(module(X.to("cpu:0")), X + 1)
        assert torch.equal(module(X), X + 1)
    target = X.clone()
    apply_modification_to_output((target,), X + 1, target_device="cpu:0")
    assert torch.equal(target, X + 1)


class Attention(nn.Module):
    """Called with keywords, as the attention of transformers is."""

    def forward(self, hidden_states: torch.Tensor, *, scale: torch.Tensor | None = None) -> Any:
        return hidden_states * (1 if scale is None else scale), None


def test_d24_a_pre_controller_changes_what_was_passed_by_keyword() -> None:
    module = Attention()
    with attach(module, {"": FunctionController("", lambda x: x + 1, "pre_forward")}):
        assert torch.equal(module(hidden_states=X)[0], X + 1)
        assert torch.equal(module(X, scale=X)[0], (X + 1) * X)
    with attach(module, {"": FunctionController("", lambda x: x + 1, "pre_forward", select="scale")}):
        assert torch.equal(module(hidden_states=X, scale=X)[0], X * (X + 1))


def test_d25_a_forward_controller_sees_what_was_passed_by_keyword() -> None:
    seen: list[Any] = []

    class Looks(Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> None:
            seen.append(inputs)

    module = Attention()
    with attach(module, {"": Looks()}):
        module(hidden_states=X)
        module(X, scale=X + 1)
    assert seen[0] is X
    assert seen[1] is X


def test_d26_a_nested_first_argument_keeps_its_nesting() -> None:
    class Nested(nn.Module):
        def forward(self, pair: Any, other: int) -> Any:
            return pair, other

    module = Nested()
    with attach(module, {"": FunctionController("", lambda x: x + 1, "pre_forward")}):
        (note, tensors), other = module(("note", [X, X]), 3)
    assert (note, other, type(tensors)) == ("note", 3, list)
    assert torch.equal(tensors[0], X + 1)
    assert tensors[1] is X


def test_d27_a_pre_controller_gets_no_output() -> None:
    seen: list[Any] = []

    class Looks(Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> None:
            seen.append((inputs, output))

    for arguments in (((X,),), ((X,), {}), ((("nested", X),),)):
        Looks(hook_type="pre_forward").get_torch_hook()(nn.Identity(), *arguments)
    assert [(inputs is X, output) for inputs, output in seen] == [(True, None)] * 3


def test_d28_a_hook_that_is_both_works_whichever_base_comes_first() -> None:
    hook = Both()
    assert torch.equal(hook.get_torch_hook()(nn.Identity(), (X,), X), X + 1)
    assert torch.equal(hook.tensor_metadata["seen"], X)


def test_d29_what_a_hook_is_does_not_hang_on_class_names() -> None:
    renamed = type("Detector", (Returns,), {})(X + 5)
    assert torch.equal(renamed.get_torch_hook()(nn.Identity(), (X,), X), X + 5)
    assert (Both.detects, Both.controls) == (True, True)
    assert (renamed.detects, renamed.controls) == (False, True)


def test_d30_a_failing_detector_half_shows_and_can_be_made_to_raise() -> None:
    class Blind(Both):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            raise ValueError("blind")

    hook = Blind(hook_id="b")
    assert torch.equal(hook.get_torch_hook()(nn.Identity(), (X,), X), X + 1)
    assert str(hook.last_error) == "Hook b (type=forward) raised exception: blind"
    assert hook.failures == 1
    hook.detector_errors = "raise"
    with pytest.raises(HookError, match="blind"):
        hook.get_torch_hook()(nn.Identity(), (X,), X)


def test_d73_a_list_output_is_not_mutated() -> None:
    output = [X, "kept"]
    changed = controlled(output)
    assert output[0] is X
    assert torch.equal(changed[0], X + 1)


@pytest.mark.parametrize("result", ["text", 3, [X]])
def test_d74_a_controller_that_returns_no_tensor_is_an_error(result: Any) -> None:
    with pytest.raises(HookError, match="must return a torch.Tensor or None") as error:
        Returns(result).get_torch_hook()(nn.Identity(), (X,), X)
    assert isinstance(error.value.original_error, TypeError)


def _quantised() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)


def test_d75_a_quantised_output_is_never_requantised_silently() -> None:
    quantised = _quantised()
    with pytest.raises(HookError, match="quantised"):
        controlled(quantised, lambda x: x.dequantize() * 2)
    assert controlled(quantised, lambda x: x.dequantize(), preserve_dtype=False).dtype is torch.float32
    assert controlled(quantised, lambda _: _quantised()).is_quantized


def test_quantised_linear_layers_are_captured_and_steered() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 3)), {nn.Linear})
    plain = model(X)
    detector = LayerActivationDetector("0")
    with attach(model, {"0": [detector, FunctionController("0", lambda x: x * 2)]}):
        assert torch.equal(model(X), plain * 2)
    assert torch.equal(detector.get_captured(), plain)


def test_a_bfloat16_model_takes_a_float32_steering_vector() -> None:
    model, vector = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)).bfloat16(), torch.ones(3)
    with attach(model, {"0": FunctionController("0", lambda x: x + vector)}):
        assert model(X.bfloat16()).dtype is torch.bfloat16


def test_refuse_nan_counts_new_nan_and_leaves_old_ones_alone() -> None:
    def spoil(x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[0, 0] = float("nan")
        y[0, 1] = float("inf")
        return y

    with pytest.raises(HookError, match="returned NaN in 1 of 6 values and Inf in 1 of 6 values"):
        controlled(X, spoil, refuse_nan=True)
    assert controlled(X, spoil).isnan().any()
    assert controlled(spoil(X), lambda x: x * 2, refuse_nan=True).isnan().any()


def test_options_can_be_set_on_the_class_or_later_on_the_hook() -> None:
    class Loose(FunctionController):
        allow_shape_change = True

    assert Loose("l", lambda x: x[:1]).get_torch_hook()(nn.Identity(), (X,), X).shape == (1, 3)
    strict = Loose("l", lambda x: x[:1], allow_shape_change=False)
    with pytest.raises(HookError):
        strict.get_torch_hook()(nn.Identity(), (X,), X)
    strict.allow_shape_change = True
    assert strict.get_torch_hook()(nn.Identity(), (X,), X).shape == (1, 3)


def test_a_subclass_of_function_controller_may_change_what_it_does() -> None:
    class Twice(FunctionController):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            once = super().modify_activations(module, inputs, output)
            return super().modify_activations(module, inputs, once)

    assert torch.equal(Twice("l", lambda x: x + 1).get_torch_hook()(nn.Identity(), (X,), X), X + 2)
