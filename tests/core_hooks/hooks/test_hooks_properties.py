"""What must hold for any nested output, any order of attaching and failing, any mix of threads."""

from __future__ import annotations

import threading
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule
from torch import nn

from core_hooks import (
    FunctionController,
    Hook,
    HookError,
    HookRun,
    LayerActivationDetector,
    RunCancelled,
    StopForward,
    attach,
    extract_tensor_from_input,
    extract_tensor_from_output,
)
from core_hooks.hooks.nested import find_all, find_output, follow, replace

Pair = namedtuple("Pair", ["left", "right"])


@dataclass(frozen=True)
class Record:
    first: Any
    second: Any


@dataclass(slots=True)
class Slotted:
    value: Any


tensors = st.builds(
    lambda shape, seed: torch.randn(shape, generator=torch.Generator().manual_seed(seed)),
    st.lists(st.integers(1, 3), max_size=3),
    st.integers(0, 99),
)
leaves = st.one_of(tensors, st.none(), st.integers(), st.text(max_size=3))
keys = st.one_of(st.text(max_size=3), st.sampled_from(["last_hidden_state", "logits", "loss"]), st.integers())
nested = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
        st.builds(Pair, inner, inner),
        st.builds(Record, inner, inner),
        st.builds(Slotted, inner),
    ),
    max_leaves=8,
)


def outline(value: Any) -> Any:
    """Return the same structure with the identity of its leaves."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [outline(item) for item in value]
    if isinstance(value, dict):
        return type(value).__name__, [(key, outline(item)) for key, item in value.items()]
    if isinstance(value, Record):
        return "Record", [outline(value.first), outline(value.second)]
    if isinstance(value, Slotted):
        return "Slotted", [outline(value.value)]
    return id(value)


@given(nested)
def test_replacing_a_tensor_changes_it_alone_and_the_original_not_at_all(value: Any) -> None:
    before = outline(value)
    for path in find_all(value):
        old, new = follow(value, path), torch.zeros(1)
        changed = replace(value, path, new)
        assert follow(changed, path) is new
        assert outline(replace(changed, path, old)) == before
        assert [follow(changed, other) is follow(value, other) for other in find_all(value)] == [
            other != path for other in find_all(value)
        ]
    assert outline(value) == before


@given(nested)
def test_what_is_extracted_is_one_of_the_tensors_and_nothing_is_missed(value: Any) -> None:
    every = [follow(value, path) for path in find_all(value)]
    for found in (extract_tensor_from_output(value), extract_tensor_from_input((value,))):
        assert (found is None) == (not every)
        assert found is None or any(found is tensor for tensor in every)


@given(nested, st.sampled_from(["first", "all"]))
def test_a_controller_changes_any_output_where_a_detector_sees_it(value: Any, apply_to: Any) -> None:
    class Returns(nn.Module):
        def forward(self) -> Any:
            return value

    before, module = outline(value), Returns()
    detector = LayerActivationDetector("l", stage="after")
    controller = FunctionController("l", lambda x: x + 1, apply_to=apply_to)
    with attach(module, {"": [controller, detector]}):
        changed = module()
    assert outline(value) == before
    path = find_output(value)
    if path is None:
        assert changed is value
        assert detector.get_captured() is None
        return
    assert torch.equal(follow(changed, path), follow(value, path) + 1)
    assert torch.equal(detector.get_captured(), follow(value, path) + 1)
    for other in find_all(value):
        if other != path:
            expected = follow(value, other) + (1 if apply_to == "all" else 0)
            assert torch.equal(follow(changed, other), expected)


class Attaching(RuleBasedStateMachine):
    """Attach, run, fail, cancel, stop, disable and close in any order: only what is attached acts."""

    attachments = Bundle("attachments")
    sites = st.sampled_from(["", "0", "1", "1.0"])

    @initialize()
    def start(self) -> None:
        self.model = nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity()))
        self.foreign = self.model[0].register_forward_hook(lambda *_: None)
        self.open: dict[Any, list[Hook]] = {}
        self.x = torch.ones(2)

    def hook(self, kind: str, site: str) -> Hook:
        if kind == "detector":
            return LayerActivationDetector(site, keep="all")
        if kind == "pre":
            return FunctionController(site, lambda x: x + 1, "pre_forward")
        return FunctionController(site, lambda x: x + 1)

    @rule(
        target=attachments,
        wanted=st.lists(st.tuples(sites, st.sampled_from(["detector", "pre", "plus"])), min_size=1, max_size=4),
    )
    def attach(self, wanted: list[tuple[str, str]]) -> Any:
        by_site: dict[str, list[Hook]] = {}
        for site, kind in wanted:
            by_site.setdefault(site, []).append(self.hook(kind, site))
        attachment = attach(self.model, by_site)
        self.open[attachment] = [hook for hooks in by_site.values() for hook in hooks]
        return attachment

    @rule(site=sites)
    def attach_with_a_wrong_name(self, site: str) -> None:
        with pytest.raises(ValueError, match="not found"):
            attach(self.model, {site: self.hook("plus", site), "9": self.hook("plus", "9")})

    @rule(attachment=consumes(attachments))
    def close(self, attachment: Any) -> None:
        attachment.close()
        attachment.close()
        for hook in self.open.pop(attachment):
            assert not hook.attached

    @rule(attachment=attachments, detach=st.booleans())
    def disable(self, attachment: Any, detach: bool) -> None:
        if attachment in self.open:
            self.open[attachment][0].disable(detach)

    @rule(attachment=attachments)
    def enable(self, attachment: Any) -> None:
        if attachment in self.open:
            self.open[attachment][0].enable()

    @rule(attachment=attachments, site=sites)
    def replace(self, attachment: Any, site: str) -> None:
        if attachment in self.open:
            kept = self.open[attachment][-1]
            attachment.replace({site: [kept, self.hook("plus", site)]})
            self.open[attachment] = list(attachment.hooks)

    @rule(controllers=st.booleans())
    def forward(self, controllers: bool) -> None:
        with HookRun(controllers=controllers):
            y = self.model(self.x)
        acting = [h for h in self.hooks() if h.controls and h.enabled]
        assert torch.equal(y, self.x + (len(acting) if controllers else 0))

    @rule(failure=st.sampled_from([ValueError, KeyboardInterrupt, StopForward]), site=sites)
    def forward_that_fails(self, failure: type[BaseException], site: str) -> None:
        def fail(_: Any) -> Any:
            raise failure

        expected = HookError if failure is ValueError else failure
        with attach(self.model, {site: FunctionController(site, fail)}), pytest.raises(expected), HookRun():
            self.model(self.x)

    @precondition(lambda self: any(h.enabled for h in self.hooks()))
    @rule()
    def forward_that_is_cancelled(self) -> None:
        cancel = threading.Event()
        cancel.set()
        with HookRun(cancel=cancel), pytest.raises(RunCancelled):
            self.model(self.x)

    def hooks(self) -> list[Hook]:
        return [hook for hooks in self.open.values() for hook in hooks]

    @invariant()
    def torch_has_what_is_attached_and_no_more(self) -> None:
        if not hasattr(self, "model"):
            return
        ours = 0
        for module in self.model.modules():
            for table in (module._forward_hooks, module._forward_pre_hooks):
                ours += sum(hasattr(call, "__self__") for call in table.values())
        suspended = sum(hook._registration.suspended for hook in self.hooks())
        marks = len(self.open)
        assert ours == len(self.hooks()) - suspended + marks
        assert self.foreign.id in self.model[0]._forward_hooks


TestAttaching = Attaching.TestCase
TestAttaching.settings = settings(max_examples=40, stateful_step_count=15)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 3)), min_size=2, max_size=4))
def test_threads_with_runs_of_their_own_do_not_see_each_other(plans: list[tuple[bool, bool, int]]) -> None:
    model = nn.Sequential(nn.Identity())
    detector = LayerActivationDetector("0", keep="all", stage="after")
    barrier = threading.Barrier(len(plans))
    failures: list[BaseException] = []

    def work(number: int, controllers: bool, cancelled: bool, forwards: int) -> None:
        try:
            cancel = threading.Event()
            with HookRun(number, cancel, controllers) as run:
                for _ in range(forwards):
                    y = model(torch.full((2,), float(number)))
                    assert torch.equal(y, torch.full((2,), float(number) + controllers))
                barrier.wait(timeout=10)
                mine = detector.captures
                assert [capture.run for capture in mine] == [number] * forwards
                assert all(torch.equal(capture.tensor, y) for capture in mine)
                if cancelled:
                    cancel.set()
                    with pytest.raises(RunCancelled):
                        model(torch.ones(2))
            assert run.report().fired[detector.id] == forwards
            assert run.report().cancelled == cancelled
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)
            barrier.abort()

    with attach(model, {"0": [detector, FunctionController("0", lambda x: x + 1)]}):
        threads = [threading.Thread(target=work, args=(number, *plan)) for number, plan in enumerate(plans, start=10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures, failures
    assert detector.captured.run in range(10, 10 + len(plans))
