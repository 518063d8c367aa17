"""What happens when a hook fails, a run is cancelled, and what a run reports."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import (
    FunctionController,
    HookRun,
    LayerActivationDetector,
    RunCancelled,
    attach,
    current_run,
)

X = torch.arange(6.0).reshape(2, 3)


def chain(length: int = 3) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(3, 3) for _ in range(length))).eval()


def torch_hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def plus_one(**options: Any) -> FunctionController:
    return FunctionController("layer", lambda x: x + 1, **options)


def test_a_failing_hook_disables_itself_and_the_forward_completes() -> None:
    told: list[Any] = []
    model = chain()
    plain = model(X)
    for hook in (
        FunctionController("1", lambda _: 1 / 0, errors="disable"),  # type: ignore[arg-type, return-value]
        FunctionController("1", lambda x: x[:1], errors="disable"),
        FunctionController("1", lambda x: x.long(), errors="disable"),
        FunctionController("1", lambda x: x * float("nan"), errors="disable", refuse_nan=True),
        FunctionController("1", lambda _: "text", "pre_forward", errors="disable"),  # type: ignore[arg-type, return-value]
    ):
        told.clear()
        hook.on_failure = lambda failed, error: told.append((failed, error))
        with attach(model, {"1": hook}), HookRun(4) as run:
            assert torch.equal(model(X), plain)
            assert torch.equal(model(X), plain)
        assert (hook.enabled, hook.failures, hook.fired) == (False, 1, 1)
        assert told == [(hook, hook.last_error)]
        report = run.report()
        assert report.disabled == (hook.id,)
        assert list(report.failed) == [hook.id]
        assert report.failed[hook.id] == str(hook.last_error)


def test_a_failing_detector_that_may_be_disabled_leaves_the_value_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, detector = chain(), LayerActivationDetector("1", select=lambda _: 1 / 0, errors="disable")
    with attach(model, {"1": detector}):
        model(X)
    assert not detector.enabled
    assert "the hook is disabled and the forward goes on" in caplog.text


def test_the_error_policy_is_given_to_detectors_and_controllers_alike() -> None:
    told: list[Any] = []
    model, fail = chain(), lambda *_: 1 / 0
    for hook in (
        LayerActivationDetector("1", sink=fail, errors="disable", on_failure=lambda *failure: told.append(failure)),
        FunctionController("1", fail, errors="disable", on_failure=lambda *failure: told.append(failure)),
    ):
        with attach(model, {"1": hook}):
            model(X)
        assert told.pop() == (hook, hook.last_error)
    with pytest.raises(ValueError, match="errors must be 'raise' or 'disable', got: 'ignore'"):
        plus_one(errors="ignore")


def test_the_kept_error_keeps_the_users_line_but_not_the_tensors() -> None:
    class Big:
        pass

    references: list[weakref.ref[Big]] = []

    def fail(_: torch.Tensor) -> torch.Tensor:
        big = Big()
        references.append(weakref.ref(big))
        raise ValueError("here")

    model, hook = chain(), FunctionController("1", fail, errors="disable")
    with attach(model, {"1": hook}):
        model(X)
    gc.collect()
    assert references[0]() is None
    trace = hook.last_error.original_error.__traceback__
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names == ["fail"]


def test_cancel_ends_the_forward_at_the_next_hook() -> None:
    cancel = threading.Event()
    model = chain()
    detectors = [LayerActivationDetector(str(i)) for i in range(3)]
    detectors[1].sink = lambda *_: cancel.set()
    detectors[1]._plain = False
    with attach(model, {str(i): d for i, d in enumerate(detectors)}), HookRun(7, cancel) as run:
        with pytest.raises(RunCancelled, match="Run 7 was cancelled"):
            model(X)
    assert [d.fired for d in detectors] == [1, 1, 0]
    assert run.report().cancelled
    assert "(cancelled)" in str(run.report())


def test_cancel_is_seen_by_hooks_of_every_kind() -> None:
    cancel = threading.Event()
    cancel.set()
    model = chain()
    for hook in (plus_one(), plus_one(hook_type="pre_forward"), LayerActivationDetector("1"), plus_one(select=0)):
        hook.errors = "disable"
        with attach(model, {"1": hook}), HookRun(cancel=cancel), pytest.raises(RunCancelled):
            model(X)
        assert hook.enabled


def test_a_run_is_entered_once_and_only_its_thread_is_in_it() -> None:
    assert current_run() is None
    seen: list[Any] = []
    with HookRun(5) as run:
        assert current_run() is run
        thread = threading.Thread(target=lambda: seen.append(current_run()))
        thread.start()
        thread.join()
        with HookRun(6) as inner:
            assert current_run() is inner
        assert current_run() is run
    assert (current_run(), seen) == (None, [None])
    with pytest.raises(RuntimeError, match="entered once"), run:
        pass


def test_the_report_of_a_run_counts_only_its_own_calls() -> None:
    model, detector, idle = chain(), LayerActivationDetector("1", "one"), LayerActivationDetector("2", "two")
    off = plus_one(hook_id="off")
    off.disable()
    with attach(model, {"1": [detector, off], "2": idle}):
        model(X)
        with HookRun(8, hooks=[idle]) as run:
            model[1](X)
        report = run.report()
        assert report.fired == {"one": 1}
        assert report.never_fired == ("two",)
        with HookRun(9) as run:
            model(X)
            model(X)
    report = run.report()
    assert (report.number, report.cancelled) == (9, False)
    assert report.fired == {"one": 2, "two": 2}
    assert (report.never_fired, report.disabled) == ((), ("off",))
    assert [(r.hook_id, r.kind, r.fired) for r in report.hooks] == [
        ("one", "LayerActivationDetector", 2),
        ("off", "FunctionController", 0),
        ("two", "LayerActivationDetector", 2),
    ]
    assert detector.fired == 4


def test_what_an_inner_run_captured_belongs_to_the_run_around_it_too() -> None:
    model, detector = chain(), LayerActivationDetector("1")
    with attach(model, {"1": detector}), HookRun(1):
        model(X)
        with HookRun(2):
            model(X + 1)
            inner = detector.get_captured()
        assert detector.get_captured() is inner
    assert detector.get_captured() is inner


def test_a_run_that_is_kept_remembers_its_layers_and_lets_go_of_its_tensors() -> None:
    model, detector = chain(), LayerActivationDetector("any")
    with attach(model, {"1": detector}), HookRun(1) as run:
        model(X)
    captured = weakref.ref(detector.get_captured())
    detector.clear_captured()
    assert captured() is None
    assert [record.layer for record in run.report().hooks] == ["1"]


def test_controllers_switched_off_are_not_reported_as_silent() -> None:
    model = chain()
    with attach(model, {"1": plus_one()}), HookRun(controllers=False) as run:
        model(X)
    assert run.report().hooks == ()


def test_running_clean_gives_bit_identical_results() -> None:
    model = chain()
    never_hooked = copy.deepcopy(model)
    with attach(model, {"0": [LayerActivationDetector("0"), plus_one()], "2": plus_one(hook_type="pre_forward")}):
        model(X)
    assert torch.equal(model(X), never_hooked(X))
    assert torch_hooks(model) == 0
