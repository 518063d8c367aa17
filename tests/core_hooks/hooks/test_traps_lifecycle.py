"""Part 2, attaching, copying, stopping and failing: D40 to D46, D53, D54, D58, D61 to D64, D71, D72, D78, D79."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import sys
import threading
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import (
    Controller,
    Detector,
    FunctionController,
    Hook,
    HookError,
    HookRun,
    HookWarning,
    LayerActivationDetector,
    StopAfter,
    StopForward,
    attach,
    hooks_of,
    register,
)

X = torch.arange(6.0).reshape(2, 3)


def chain(length: int = 3) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(3, 3) for _ in range(length))).eval()


def torch_hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def plus_one(**options: Any) -> FunctionController:
    return FunctionController("layer", lambda x: x + 1, **options)


def test_d40_a_hook_error_survives_pickling() -> None:
    for error in (HookError("h", "forward", ValueError("boom")), HookError("h", "forward", ValueError("boom"), "a.b")):
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert (again.hook_id, again.hook_type, again.layer) == (error.hook_id, error.hook_type, error.layer)
        assert isinstance(again.original_error, ValueError)


def test_d41_the_original_error_is_the_users_own() -> None:
    class Own(Exception):
        pass

    def fail(_: Any) -> Any:
        raise Own("mine")

    model = chain()
    hooks: list[Hook] = [
        FunctionController("1", fail, hook_id="h"),
        FunctionController("1", fail, "pre_forward", hook_id="h"),
        LayerActivationDetector("1", "h", select=fail),
    ]
    for hook in hooks:
        with attach(model, {"1": hook}), pytest.raises(HookError) as error:
            model(X)
        assert type(error.value.original_error) is Own
        assert error.value.__cause__ is error.value.original_error
        assert str(error.value) == f"Hook h (type={hook.hook_type.value}) raised exception: mine (layer 1)"


def test_d42_a_hook_type_that_is_not_the_hooks_is_refused() -> None:
    with pytest.raises(ValueError, match="is a forward hook and cannot be registered as pre_forward"):
        register(nn.Identity(), plus_one(), hook_type="pre_forward")
    register(nn.Identity(), plus_one(), hook_type="forward").close()


def test_d43_a_deep_copy_of_a_hooked_model_has_hooks_that_do_nothing() -> None:
    model = chain()
    plain = model(X)
    detector = LayerActivationDetector("1")
    with attach(model, {"1": [detector, plus_one(), plus_one(hook_type="pre_forward")]}):
        twin = copy.deepcopy(model)
        assert torch.equal(twin(X), plain)
        assert detector.fired == 0
        assert not torch.equal(model(X), plain)
        assert detector.fired == 1


def test_d44_a_hooked_model_can_be_saved_and_comes_back_unhooked() -> None:
    model = chain()
    plain = model(X)
    with attach(model, {"1": [LayerActivationDetector("1"), plus_one()], "": LayerActivationDetector("")}):
        buffer = io.BytesIO()
        torch.save(model, buffer)
        buffer.seek(0)
        for again in (torch.load(buffer, weights_only=False), pickle.loads(pickle.dumps(model))):
            assert torch.equal(again(X), plain)


def test_d44_a_hook_itself_can_be_copied_and_pickled_and_is_then_attached_nowhere() -> None:
    model, detector = chain(), LayerActivationDetector("1", "d")
    with attach(model, {"1": detector}):
        model(X)
        for twin in (copy.deepcopy(detector), pickle.loads(pickle.dumps(detector))):
            assert (twin.id, twin.attached, twin.fired) == ("d", False, 1)
            assert torch.equal(twin.get_captured(), detector.get_captured())
            with attach(chain(), {"0": twin}):
                assert twin.attached


def test_d45_a_hook_knows_whether_it_is_attached_and_can_remove_itself() -> None:
    module, hook = nn.Identity(), plus_one()
    assert (hook.attached, hook.site) == (False, None)
    registration = register(module, hook, "a.b")
    hook.set_context(SimpleNamespace(device="cpu"))
    assert (hook.attached, hook.site) == (True, "a.b")
    assert hooks_of(module) == (hook,)
    hook.remove()
    assert (hook.attached, hook.site, hook.context) == (False, None, None)
    assert torch_hooks(module) == 0
    assert hooks_of(module) == ()
    hook.remove()
    registration.close()
    assert registration.closed


def test_d46_one_hook_has_one_place_at_a_time() -> None:
    first, second, hook = chain(), chain(), plus_one()
    with attach(first, {"0": hook}):
        with pytest.raises(ValueError, match=r"is attached already \(layer 0\)"):
            attach(second, {"0": hook})
        with pytest.raises(ValueError, match="is attached already"):
            register(second, hook)
        assert torch_hooks(second) == 0
    with attach(second, {"1": hook}):
        assert hook.site == "1"


def test_d46_a_hook_given_twice_is_refused() -> None:
    hook = plus_one()
    with pytest.raises(ValueError, match="is given twice"):
        attach(chain(), {"0": hook, "1": hook})


def test_d53_the_forward_ends_once_every_requested_layer_ran_in_whatever_order_they_were_listed() -> None:
    model = chain(4)
    detectors = {site: LayerActivationDetector(site) for site in ("2", "0", "1", "3")}
    with attach(model, detectors), StopAfter(model, ["2", "0", "1"]) as stop:
        model(X)
        pytest.fail("the forward went on")
    assert stop.stopped
    assert stop.fired == ("2", "0", "1")
    assert stop.missed == ()
    assert all(detectors[site].fired == 1 for site in ("0", "1", "2"))
    assert detectors["3"].fired == 0
    assert torch.equal(stop.output, detectors["2"].get_captured())
    assert torch_hooks(model) == 0


def test_d53_hooks_behind_the_controllers_of_the_last_layer_still_run() -> None:
    model, after = chain(), LayerActivationDetector("0", stage="after")
    with StopAfter(model, ["0"]) as stop, attach(model, {"0": [after, plus_one()]}):
        model(X)
    assert stop.stopped
    assert torch.equal(after.get_captured(), model[0](X) + 1)


def test_d54_nothing_is_attached_when_one_of_several_cannot_be() -> None:
    model = chain()
    with pytest.raises(ValueError, match=r"Layer name '1x' not found in model\.$|Did you mean"):
        attach(model, {"0": plus_one(), "1": [plus_one(), plus_one()], "1x": plus_one()})
    with pytest.raises(TypeError, match="Only hooks can be attached, got int"):
        attach(model, {"0": plus_one(), "1": [3]})  # type: ignore[list-item]
    assert torch_hooks(model) == 0


def test_d58_controllers_off_in_one_run_stay_on_in_another_thread() -> None:
    model = chain()
    plain, both = model(X), threading.Barrier(2)
    results: dict[bool, torch.Tensor] = {}

    def work(controllers: bool) -> None:
        with HookRun(controllers=controllers):
            both.wait(timeout=10)
            results[controllers] = model(X)
            both.wait(timeout=10)

    with attach(model, {"2": plus_one()}):
        threads = [threading.Thread(target=work, args=(on,)) for on in (True, False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert torch.equal(results[True], plain + 1)
    assert torch.equal(results[False], plain)


def test_d58_controllers_are_off_in_a_compiled_model_too() -> None:
    model = chain()
    plain = model(X)
    compiled = torch.compile(model, backend="eager")
    with attach(compiled, {"2": plus_one()}):
        for _ in range(2):
            assert torch.allclose(compiled(X), plain + 1)
            with HookRun(controllers=False), HookRun(controllers=False):
                assert torch.allclose(compiled(X), plain)
        with HookRun():
            assert torch.allclose(compiled(X), plain + 1)


def test_d58_a_hook_that_is_both_still_looks_while_controllers_are_off() -> None:
    class Both(Controller, Detector):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            self.metadata["looked"] = True

        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            return output + 1

    model, both = chain(), Both()
    plain = model(X)
    with attach(model, {"2": both}), HookRun(controllers=False) as run:
        assert torch.equal(model(X), plain)
        assert both.metadata["looked"]
    assert run.report().fired == {both.id: 1}


def test_d61_hooks_attached_after_the_first_compiled_call_are_not_ignored() -> None:
    model = chain()
    compiled = torch.compile(model, backend="eager")
    plain = compiled(X)
    with pytest.warns(HookWarning, match="compiled already"):
        attachment = attach(compiled, {"1": LayerActivationDetector("1"), "2": plus_one()})
    with attachment:
        assert torch.allclose(compiled(X), plain + 1)
        assert attachment.sites["1"][0].fired == 1


def test_d61_hooks_attached_before_the_first_call_compile_without_graph_breaks() -> None:
    model = chain()
    plain, unhooked = model(X), copy.deepcopy(model)
    detector, after = LayerActivationDetector("1"), LayerActivationDetector("2", stage="after")
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    counters = sys.modules["torch._dynamo"].utils.counters
    counters.clear()
    with attach(compiled, {"1": detector, "2": [after, plus_one(), plus_one(hook_type="pre_forward")]}):
        for number in range(1, 5):
            with torch.no_grad():
                y = compiled(X + number)
            assert torch.allclose(detector.get_captured(), unhooked[1](unhooked[0](X + number)), atol=1e-6)
            assert torch.equal(after.get_captured(), y)
            assert detector.fired == number
    # A second one for the entries of the second capture: that the graph was compiled anew for every call
    # would show as one a call.
    assert counters["stats"]["unique_graphs"] <= 2
    with torch.no_grad():
        assert torch.allclose(compiled(X), plain, atol=1e-6)


def test_d62_disabling_and_removing_are_honoured_by_compiled_code() -> None:
    model, hook = chain(), plus_one()
    plain = model(X)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    attachment = attach(compiled, {"2": hook})
    assert torch.allclose(compiled(X), plain + 1)
    hook.disable()
    assert torch.allclose(compiled(X), plain)
    hook.enable()
    assert torch.allclose(compiled(X), plain + 1)
    attachment.close()
    assert torch.allclose(compiled(X), plain)


def test_d62_a_compiled_model_captures_inside_of_a_run() -> None:
    model, detector = chain(), LayerActivationDetector("1")
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with attach(compiled, {"1": detector}), HookRun(1):
        compiled(X)
        assert detector.get_captured() is not None
    assert detector.get_captured() is not None


def test_d63_names_of_a_compiled_or_wrapped_model_are_the_models() -> None:
    model, hook = chain(), plus_one()
    for wrapped in (
        torch.compile(model, backend="eager"),
        nn.DataParallel(model),
        nn.DataParallel(torch.compile(model)),
    ):
        with attach(wrapped, {"1": hook}):
            assert hook.site == "1"
        with attach(wrapped, {wrapped: hook}):
            assert hook.site == ""
    nested = nn.Sequential(torch.compile(chain(), backend="eager"))
    with attach(nested, {"0.1": hook}):
        assert hook.site == "0.1"


def test_d64_nothing_of_a_hooked_model_is_kept_alive() -> None:
    model, detector = chain(), LayerActivationDetector("1")
    context = type("Context", (), {})()
    detector.set_context(context, weak=True)
    attachment = attach(model, {"1": detector, "2": plus_one()})
    model(X)
    references = [weakref.ref(model[1]), weakref.ref(context)]
    gc.collect()
    gc.disable()
    try:
        del model, context, attachment
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()
    assert detector.context is None
    assert not detector.attached


def test_d71_a_hook_disabled_with_detach_gives_the_fast_path_back() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    x, hook = torch.randn(1, 3, 4), LayerActivationDetector("self_attn")
    registration = register(layer.self_attn, hook, "self_attn")
    hook.disable(detach=True)
    assert torch_hooks(layer) == 0
    assert (hook.attached, registration.suspended) == (True, True)
    with torch.no_grad():
        layer(x)
        hook.enable()
        assert torch_hooks(layer) == 1
        layer(x)
    assert hook.fired == 1
    hook.remove()
    hook.enable()
    assert torch_hooks(layer) == 0


def test_d71_a_hook_comes_back_in_its_place() -> None:
    module = nn.Identity()
    double, plus = FunctionController("", lambda x: x * 2), plus_one()
    with attach(module, {"": [double, plus]}):
        double.disable(detach=True)
        assert torch.equal(module(X), X + 1)
        double.enable()
        assert torch.equal(module(X), X * 2 + 1)


@pytest.mark.parametrize("stop", [StopForward("enough"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("errors", ["raise", "disable"])
def test_d72_control_flow_passes_through_unwrapped(stop: BaseException, errors: Any) -> None:
    def halt(_: Any) -> Any:
        raise stop

    class Halting(Detector):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            raise stop

    class Both(Halting, Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            raise AssertionError("the forward should have ended")

    model = chain()
    hooks: list[Hook] = [
        FunctionController("1", halt),
        FunctionController("1", halt, "pre_forward"),
        FunctionController("1", halt, select=0),
        LayerActivationDetector("1", sink=lambda *_: halt(None)),
        Halting(),
        Halting(hook_type="pre_forward"),
        Both(),
    ]
    for hook in hooks:
        hook.errors = errors
        with attach(model, {"1": hook}), pytest.raises(type(stop)) as raised:
            model(X)
        assert raised.value is stop
        assert (hook.enabled, hook.last_error) == (True, None)
    assert torch_hooks(model) == 0


def test_d78_a_detector_and_a_controller_share_a_layer_in_the_stated_order() -> None:
    model = nn.Sequential(nn.Identity())
    before, after = LayerActivationDetector("0"), LayerActivationDetector("0", stage="after")
    double = FunctionController("0", lambda x: x * 2)
    for order in ([before, after, double], [double, after, before], [after, double, before]):
        with attach(model, {"0": [*order[:1], plus_one(), *order[1:]]}):
            model(X)
        assert torch.equal(before.get_captured(), X)
    registrations = [register(model[0], hook) for hook in (after, double)]
    registrations += [register(model[0], hook) for hook in (plus_one(), before)]
    y = model(X)
    assert torch.equal(before.get_captured(), X)
    assert torch.equal(y, X * 2 + 1)
    assert torch.equal(after.get_captured(), y)
    for registration in registrations:
        registration.close()


def test_d78_the_same_order_holds_before_the_forward() -> None:
    model = nn.Sequential(nn.Identity())
    before = LayerActivationDetector("0", hook_type="pre_forward")
    after = LayerActivationDetector("0", hook_type="pre_forward", stage="after")
    with attach(model, {"0": [after, plus_one(hook_type="pre_forward"), before]}):
        model(X)
    assert torch.equal(before.get_captured(), X)
    assert torch.equal(after.get_captured(), X + 1)


def test_d79_a_layer_that_never_runs_is_named_and_the_forward_ends_by_itself() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Identity()])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.blocks[0](x) + 1

    model = Listed()
    with StopAfter(model, ["blocks", "blocks.0"]) as stop:
        assert torch.equal(model(X), X + 1)
    assert not stop.stopped
    assert stop.missed == ("blocks",)
    assert stop.fired == ("blocks.0",)
    with pytest.raises(ValueError, match="at least one layer"):
        StopAfter(model, [])


def test_stop_after_ends_only_its_own_forward_and_passes_other_errors() -> None:
    model = chain()
    with pytest.raises(ZeroDivisionError), StopAfter(model, ["0"]):
        _ = 1 / 0
    outer = StopAfter(model, ["1"])
    with outer, StopAfter(model, ["2"]) as inner:
        model(X)
    assert (outer.stopped, inner.stopped) == (True, False)
    assert torch_hooks(model) == 0
