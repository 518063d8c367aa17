"""The contract, sections 1 and 2: types and Hook."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import core_hooks
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


X = torch.arange(4.0).reshape(2, 2)


def test_every_name_of_the_hooks_is_importable_from_core_hooks_and_from_core_hooks_hooks() -> None:
    names = [
        "Hook",
        "HookType",
        "HookError",
        "Detector",
        "Controller",
        "LayerActivationDetector",
        "ModelInputDetector",
        "ModelOutputDetector",
        "FunctionController",
        "extract_tensor_from_input",
        "extract_tensor_from_output",
        "apply_modification_to_output",
        "HOOK_FUNCTION_INPUT",
        "HOOK_FUNCTION_OUTPUT",
    ]
    for name in names:
        assert getattr(core_hooks, name) is getattr(core_hooks.hooks, name)
        assert name in dir(core_hooks)
    from core_hooks.hooks.controller import Controller as FromController
    from core_hooks.hooks.detector import Detector as FromDetector
    from core_hooks.hooks.hook import Hook as FromHook

    assert (FromHook, FromDetector, FromController) == (Hook, Detector, Controller)


def test_everything_in_all_of_the_hooks_can_be_imported_and_nothing_else() -> None:
    for name in core_hooks.hooks.__all__:
        assert getattr(core_hooks.hooks, name) is not None
        assert name in core_hooks.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = core_hooks.nonsense
    with pytest.raises(AttributeError, match="nonsense"):
        _ = core_hooks.hooks.nonsense


def test_hook_type_has_two_string_members() -> None:
    assert [member.value for member in HookType] == ["forward", "pre_forward"]
    assert HookType.FORWARD == "forward"
    assert isinstance(HookType.PRE_FORWARD, str)


def test_hook_error_carries_its_parts_and_says_them_in_the_documented_words() -> None:
    original = ValueError("boom")
    error = HookError("h1", "forward", original)
    assert (error.hook_id, error.hook_type, error.original_error) == ("h1", "forward", original)
    assert str(error) == "Hook h1 (type=forward) raised exception: boom"
    assert isinstance(error, Exception)
    assert type(HookError("h", HookType.PRE_FORWARD, original).hook_type) is str
    assert HookError("h", HookType.PRE_FORWARD, original).hook_type == "pre_forward"


def test_a_hook_starts_with_the_documented_attributes() -> None:
    hook = Recorder()
    assert hook.layer_signature is None
    assert hook.hook_type is HookType.FORWARD
    assert uuid.UUID(hook.id).version == 4
    assert hook.enabled is True
    assert hook.context is None
    assert Recorder(layer_signature=0).layer_signature == 0
    assert Recorder("layer", "pre_forward", "mine").id == "mine"
    assert Recorder("layer", "pre_forward", "mine").hook_type is HookType.PRE_FORWARD


def test_hook_is_abstract_and_so_are_detector_and_controller() -> None:
    for cls in (Hook, Detector, Controller):
        with pytest.raises(TypeError, match="abstract"):
            cls()


def test_a_bad_hook_type_is_refused_in_the_documented_words() -> None:
    with pytest.raises(ValueError) as error:
        Recorder(hook_type="sideways")
    assert str(error.value) == ("Invalid hook_type string 'sideways'. Must be one of: ['forward', 'pre_forward']")
    with pytest.raises(ValueError, match=r"hook_type must be HookType enum or string, got: <class 'int'>"):
        Recorder(hook_type=3)


def test_hook_type_may_be_set_again_before_the_torch_hook_is_made() -> None:
    hook = Recorder(result=(X,))
    hook.hook_type = "pre_forward"
    assert hook.hook_type is HookType.PRE_FORWARD
    assert hook.get_torch_hook()(nn.Identity(), (X + 1,)) == (X,)


def test_disable_and_enable_act_at_once_on_an_attached_hook() -> None:
    module, hook = nn.Identity(), Recorder()
    module.register_forward_hook(hook.get_torch_hook())
    module(X)
    hook.disable()
    module(X)
    assert (len(hook.calls), hook.enabled) == (1, False)
    hook.enable()
    module(X)
    assert (len(hook.calls), hook.enabled) == (2, True)


def test_a_disabled_hook_returns_none_and_runs_nothing() -> None:
    for hook_type, args in (("forward", (X,)), ("pre_forward", ())):
        hook = Recorder(hook_type=hook_type, result=(X,), error=RuntimeError("never"))
        hook.disable()
        assert hook.get_torch_hook()(nn.Identity(), (X,), *args) is None
        assert hook.calls == []


def test_set_context_replaces_the_context() -> None:
    hook = Recorder()
    first, second = SimpleNamespace(device="cpu"), SimpleNamespace(device="cuda")
    hook.set_context(first)
    assert hook.context is first
    hook.set_context(second)
    assert hook.context is second


def test_the_torch_hook_takes_both_arities_and_stand_ins() -> None:
    forward, module, output = Recorder(), SimpleNamespace(name="stand-in"), object()
    assert forward.get_torch_hook()(module, (X,), output) is None
    assert forward.get_torch_hook()(module, (X,), {}, output) is None
    assert forward.calls == [(module, (X,), output)] * 2
    pre = Recorder(hook_type="pre_forward")
    assert pre.get_torch_hook()(module, (X,)) is None
    assert pre.get_torch_hook()(module, (X,), {}) is None
    assert pre.calls == [(module, (X,), None)] * 2


def test_a_pre_hooks_result_is_passed_on_and_reaches_the_module() -> None:
    hook = Recorder(hook_type="pre_forward", result=(X * 3,))
    assert hook.get_torch_hook()(nn.Identity(), (X,))[0] is hook.result[0]
    for with_kwargs in (False, True):
        module = nn.Identity()
        module.register_forward_pre_hook(hook.get_torch_hook(), with_kwargs=with_kwargs)
        assert torch.equal(module(X), X * 3)


def test_a_pre_hooks_result_replaces_keyword_arguments_in_their_places() -> None:
    class Difference(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a - b

    module = Difference()
    hook = Recorder(hook_type="pre_forward", result=(X * 5, X))
    module.register_forward_pre_hook(hook.get_torch_hook(), with_kwargs=True)
    assert torch.equal(module(X, b=X), X * 4)
    assert torch.equal(module(b=X, a=X), -X * 4)
    hook.result = X * 7  # one value replaces the positional arguments
    assert torch.equal(module(X, b=X), X * 6)


def test_a_plain_forward_hook_changes_nothing_unless_it_returns_the_outputs_own_type() -> None:
    for result, expected in ((None, None), ("text", None), (X * 2, X * 2)):
        returned = Recorder(result=result).get_torch_hook()(nn.Identity(), (X,), X)
        assert returned is None if expected is None else torch.equal(returned, expected)
    assert Recorder(result=X).get_torch_hook()(nn.Identity(), (X,), X) is None


@pytest.mark.parametrize("hook_type", ["forward", "pre_forward"])
def test_any_exception_becomes_a_hook_error_raised_from_the_cause(hook_type: str) -> None:
    original = KeyError("lost")
    hook = Recorder("layer", hook_type, "h", error=original)
    arguments = ((X,), X) if hook_type == "forward" else ((X,),)
    with pytest.raises(HookError) as raised:
        hook.get_torch_hook()(nn.Identity(), *arguments)
    assert raised.value.original_error is original
    assert raised.value.__cause__ is original
    assert str(raised.value) == f"Hook h (type={hook_type}) raised exception: {original}"
    assert hook.last_error is raised.value
    assert (hook.fired, hook.failures) == (1, 1)


def test_an_attached_hooks_error_is_one_line_that_names_the_layer() -> None:
    model = nn.Sequential(nn.Identity())
    hook = Recorder(hook_id="h", error=ValueError("two\nlines"))
    with core_hooks.attach(model, {"0": hook}), pytest.raises(HookError) as raised:
        model(X)
    assert str(raised.value) == "Hook h (type=forward) raised exception: two lines (layer 0)"
    assert raised.value.layer == "0"
