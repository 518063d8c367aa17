"""Attaching is a handle and a context manager: all or nothing, idempotent, only its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from core_hooks import Attachment, FunctionController, Hook, HookRun, LayerActivationDetector, attach, hooks_of

X = torch.arange(6.0).reshape(2, 3)


class Tree(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.shared = self.blocks[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shared(self.blocks[1](x))


def times(factor: float) -> FunctionController:
    return FunctionController("layer", lambda x: x * factor)


def torch_hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_importing_the_package_and_its_torch_free_parts_does_not_import_torch() -> None:
    code = "import sys, core_hooks, core_hooks.hooks; dir(core_hooks); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hooks_are_given_by_dotted_name_or_module_one_or_several_a_site() -> None:
    model = Tree()
    root, first, second = (LayerActivationDetector(0) for _ in range(3))
    with attach(model, {"": root, "blocks.1": [first, times(2)], model.shared: second}) as attachment:
        assert isinstance(attachment, Attachment)
        y = model(X)
        assert attachment.hooks[0] is root
        assert list(attachment.sites) == ["", "blocks.1", "blocks.0"]
        assert [hook.site for hook in (root, first, second)] == ["", "blocks.1", "blocks.0"]
        assert torch.equal(root.get_captured(), y)
        assert hooks_of(model) == (root,)
    assert torch_hooks(model) == 0


def test_a_module_reached_by_two_names_carries_the_first() -> None:
    model, hook = Tree(), LayerActivationDetector(0)
    with attach(model, {"shared": hook}):
        assert hook.site == "blocks.0"


def test_close_is_idempotent_and_removes_only_its_own() -> None:
    model, foreign = Tree(), []
    handle = model.blocks[0].register_forward_hook(lambda *_: foreign.append(1))
    other = attach(model, {"blocks.0": LayerActivationDetector(0)})
    attachment = attach(model, {"blocks.0": times(2), "blocks.1": times(3)})
    attachment.close()
    attachment.close()
    assert attachment.closed
    assert not attachment.hooks
    model(X)
    assert foreign == [1]
    assert other.hooks[0].fired == 1
    other.close()
    assert torch_hooks(model) == 1
    handle.remove()


def test_unknown_sites_are_refused_with_those_that_resemble_them() -> None:
    model = Tree()
    with pytest.raises(ValueError, match=r"Layer name 'block.1' not found in model. Did you mean blocks.1"):
        attach(model, {"blocks.0": times(2), "block.1": times(2)})
    with pytest.raises(ValueError, match="Linear given as a site is not part of the model"):
        attach(model, {nn.Linear(1, 1): times(2)})
    assert torch_hooks(model) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_while_attaching_leaves_nothing(error: type[BaseException], monkeypatch: Any) -> None:
    model, hooks = Tree(), [times(2), times(3)]
    original = nn.Module.register_forward_hook
    calls: list[int] = []

    def interrupted(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise error
        return original(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "register_forward_hook", interrupted)
    with pytest.raises(error):
        attach(model, {"blocks.0": hooks[0], "blocks.1": hooks[1]})
    monkeypatch.undo()
    assert torch_hooks(model) == 0
    assert not any(hook.attached for hook in hooks)
    with attach(model, {"blocks.0": hooks}):
        pass


def test_an_exception_in_the_block_takes_the_hooks_off() -> None:
    model = Tree()
    with pytest.raises(KeyboardInterrupt), attach(model, {"blocks.0": times(2)}):
        raise KeyboardInterrupt
    assert torch_hooks(model) == 0


def test_hooks_are_exchanged_and_reordered_on_a_live_attachment() -> None:
    model = nn.Sequential(nn.Identity())
    plus, double = FunctionController("0", lambda x: x + 1), times(2)
    with attach(model, {"0": [plus, double]}) as attachment:
        assert torch.equal(model(X), (X + 1) * 2)
        attachment.replace({"0": [double, plus]})
        assert torch.equal(model(X), X * 2 + 1)
        assert plus.fired == 2
        attachment.replace({"0": double})
        assert torch.equal(model(X), X * 2)
        assert not plus.attached
        with pytest.raises(ValueError, match="not found"):
            attachment.replace({"0": plus, "9": times(3)})
        assert torch.equal(model(X), X * 2)
        attachment.replace({})
        assert torch.equal(model(X), X)
    assert torch_hooks(model) == 0
    with pytest.raises(RuntimeError, match="closed"):
        attachment.replace({"0": plus})


def test_a_failed_exchange_puts_the_old_hooks_back(monkeypatch: Any) -> None:
    model, double = nn.Sequential(nn.Identity()), times(2)
    with attach(model, {"0": double}) as attachment:
        original, calls = nn.Module.register_forward_hook, []

        def failing(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == 2:
                raise MemoryError
            return original(self, *args, **kwargs)

        monkeypatch.setattr(nn.Module, "register_forward_hook", failing)
        with pytest.raises(MemoryError):
            attachment.replace({"0": [times(3), times(5)]})
        monkeypatch.undo()
        assert attachment.hooks == (double,)
        assert torch.equal(model(X), X * 2)


def test_a_hook_taken_off_by_itself_is_gone_from_the_module_and_close_does_not_mind() -> None:
    model, double = nn.Sequential(nn.Identity()), times(2)
    with attach(model, {"0": double}):
        double.remove()
        assert torch.equal(model(X), X)
    assert torch_hooks(model) == 0


def test_a_closed_attachment_leaves_room_for_the_same_hooks() -> None:
    model, double = nn.Sequential(nn.Identity()), times(2)
    double.set_context(model)
    for _ in range(3):
        with attach(model, {"0": double}):
            assert torch.equal(model(X), X * 2)
    assert double.fired == 3
    assert double.context is model


def test_plain_hooks_run_among_the_controllers() -> None:
    order: list[str] = []

    class Noting(Hook):
        def _hook_fn(self, module: Any, input: Any, output: Any) -> None:
            order.append("plain")

    model = nn.Sequential(nn.Identity())
    before = LayerActivationDetector("0", sink=lambda *_: order.append("before"))
    after = LayerActivationDetector("0", stage="after", sink=lambda *_: order.append("after"))
    controller = FunctionController("0", lambda x: order.append("controller") or x * 2)
    with attach(model, {"0": [after, Noting(), controller, before]}):
        model(X)
    assert order == ["before", "plain", "controller", "after"]


def test_calls_are_numbered_within_the_forward_of_a_run() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(x))

    model, detector = Twice(), LayerActivationDetector("layer", keep="all")
    with attach(model, {"layer": detector}), HookRun(2) as run:
        model(X)
        run.step = 1
        model(X)
    assert [(c.step, c.call) for c in detector.captures] == [(0, 0), (0, 1), (1, 0), (1, 1)]
