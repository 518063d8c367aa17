"""What torch calls: bound methods of a small object that stays behind when a model is copied or saved.

A bound method costs no more to call than a plain function, is copied and pickled through the object it is bound
to, and so a copy of a hooked model carries hooks that do nothing instead of writing into the original's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.compiler import is_dynamo_compiling

from core_hooks.hooks.call_input import CallInput
from core_hooks.hooks.errors import StopForward
from core_hooks.hooks.run import active_runs, admit

if TYPE_CHECKING:
    from types import TracebackType

    from core_hooks.hooks.controller import Controller
    from core_hooks.hooks.function_controller import FunctionController
    from core_hooks.hooks.hook import Hook
    from core_hooks.hooks.layer_activation_detector import LayerActivationDetector

Tensor = torch.Tensor
_ABSENT: Any = object()


class _Inert:
    """Stands where a hook was in a copied or unpickled model."""

    enabled = False


_INERT: Any = _Inert()
_NO_FIRES = torch.zeros((), dtype=torch.int64)


class TorchHook:
    """The callable that is registered with torch for one hook.

    Each method takes the arguments torch gives with ``with_kwargs=True``, and those it gives without.
    The methods repeat their first lines because a shared one would cost more than the rest of the call.
    """

    __slots__ = ("__weakref__", "hook", "traced_fires")

    def __init__(self, hook: Hook, traced_fires: torch.Tensor) -> None:
        self.hook = hook
        self.traced_fires = traced_fires

    # Copying goes through this too.
    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _inert_torch_hook, ()

    def detect_forward(self, module: Any, args: Any, kwargs: Any, output: Any = _ABSENT) -> None:
        """Call a pure detector after its module."""
        hook = self.hook
        if not hook.enabled:
            return
        if output is _ABSENT:
            kwargs, output = None, kwargs
        if active_runs:
            admit(hook)
        try:
            if is_dynamo_compiling():
                self.traced_fires.add_(1)
            else:
                hook._fires += 1
            hook.process_activations(module, CallInput(args, kwargs) if kwargs else args, output)  # type: ignore[attr-defined]
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a hook raises is reported under the hook's name
            hook._fail(error)

    def capture_forward(self, module: Any, args: Any, kwargs: Any, output: Any = _ABSENT) -> None:
        """Call a detector that copies what its module returns; a tensor on the CPU takes the shortest way."""
        hook: LayerActivationDetector = self.hook  # type: ignore[assignment]
        if output is _ABSENT:
            kwargs, output = None, kwargs
        if not hook.enabled:
            return
        if type(output) is not Tensor or not hook._plain or not output.is_cpu or is_dynamo_compiling():
            self.detect_forward(module, args, kwargs, output)
            return
        if active_runs:
            admit(hook)
            state = hook._calling_state()
        else:
            state = hook._state
            state.call = state.calls
            state.calls += 1
        hook._fires += 1
        try:
            hook._keep_copy(state, output)
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001
            hook._fail(hook._capture_failed(state, error))

    def act_forward(self, module: Any, args: Any, kwargs: Any, output: Any = _ABSENT) -> Any:
        """Call any other hook after its module; return what replaces the output, ``None`` to leave it."""
        hook = self.hook
        if not hook.enabled:
            return None
        if output is _ABSENT:
            kwargs, output = None, kwargs
        if active_runs and not admit(hook):
            return None
        try:
            if is_dynamo_compiling():
                self.traced_fires.add_(1)
            else:
                hook._fires += 1
            result = hook._hook_fn(module, CallInput(args, kwargs) if kwargs else args, output)
            if result is None or result is output:
                return None
            # A plain hook's result of another kind was never meant for torch.
            return result if hook.controls or isinstance(result, type(output)) else None
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001
            hook._fail(error)
            return None

    def control_forward(self, module: Any, args: Any, kwargs: Any, output: Any = _ABSENT) -> Any:
        """Call a pure controller after its module; return what replaces the output, ``None`` to leave it."""
        hook: Controller = self.hook  # type: ignore[assignment]
        if not hook.enabled:
            return None
        if output is _ABSENT:
            kwargs, output = None, kwargs
        if active_runs and not admit(hook):
            return None
        try:
            if is_dynamo_compiling():
                self.traced_fires.add_(1)
            else:
                hook._fires += 1
            if type(output) is Tensor and args and type(args[0]) is Tensor and hook.select is None:
                # By far the most calls: a tensor in, a tensor out.
                result = hook.modify_activations(module, args[0], output)
                return None if result is None or result is output else hook.fitting(result, output)
            return hook._control(module, CallInput(args, kwargs) if kwargs else args, output)
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001
            hook._fail(error)
            return None

    def function_forward(self, module: Any, args: Any, kwargs: Any, output: Any = _ABSENT) -> Any:
        """Call a function controller's function; what ``control_forward`` would do, without the detours."""
        hook: FunctionController = self.hook  # type: ignore[assignment]
        if not hook.enabled:
            return None
        if output is _ABSENT:
            kwargs, output = None, kwargs
        if type(output) is not Tensor or hook.select is not None or is_dynamo_compiling():
            return self.control_forward(module, args, kwargs, output)
        if active_runs and not admit(hook):
            return None
        hook._fires += 1
        try:
            result = hook.function(output)
            if (
                type(result) is Tensor
                and result.shape == output.shape
                and result.dtype is output.dtype
                and result.is_cpu
                and output.is_cpu
                and not hook.refuse_nan
            ):
                return result
            return hook.fitting(result, output)
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001
            hook._fail(error)
            return None

    def detect_pre(self, module: Any, args: Any, kwargs: Any = None) -> None:
        """Call a pure detector before its module."""
        hook = self.hook
        if not hook.enabled:
            return
        if active_runs:
            admit(hook)
        try:
            if is_dynamo_compiling():
                self.traced_fires.add_(1)
            else:
                hook._fires += 1
            hook.process_activations(module, CallInput(args, kwargs) if kwargs else args, None)  # type: ignore[attr-defined]
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001
            hook._fail(error)

    def act_pre(self, module: Any, args: Any, kwargs: Any = _ABSENT) -> Any:
        """Call any other hook before its module; return the new arguments in the form torch expects."""
        hook = self.hook
        if not hook.enabled:
            return None
        if active_runs and not admit(hook):
            return None
        try:
            if is_dynamo_compiling():
                self.traced_fires.add_(1)
            else:
                hook._fires += 1
            named = kwargs if kwargs is not _ABSENT else None
            result = hook._hook_fn(module, CallInput(args, named) if named else args, None)
            if result is None or result is args:
                return None
            if kwargs is _ABSENT:
                return result
            return _new_arguments(result, args, kwargs)
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001
            hook._fail(error)
            return None

    control_pre = act_pre
    capture_pre = detect_pre

    def function_pre(self, module: Any, args: Any, kwargs: Any = _ABSENT) -> Any:
        """Call a function controller's function on the first argument, without the detours of ``act_pre``."""
        hook: FunctionController = self.hook  # type: ignore[assignment]
        if not hook.enabled:
            return None
        if (
            not args
            or type(target := args[0]) is not Tensor
            or hook.select is not None
            or (kwargs and kwargs is not _ABSENT)
            or hook.apply_to != "first"
        ):
            return self.act_pre(module, args, kwargs)
        if active_runs and not admit(hook):
            return None
        try:
            if is_dynamo_compiling():
                self.traced_fires.add_(1)
            else:
                hook._fires += 1
            result = hook.function(target)
            if not (
                type(result) is Tensor
                and result.shape == target.shape
                and result.dtype is target.dtype
                and result.is_cpu
                and target.is_cpu
                and not hook.refuse_nan
            ):
                result = hook.fitting(result, target)
            changed = (result,) if len(args) == 1 else (result, *args[1:])
            return changed if kwargs is _ABSENT else (changed, kwargs)
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001
            hook._fail(error)
            return None


def _new_arguments(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    if not kwargs and type(result) is tuple:
        return result, kwargs
    if isinstance(result, CallInput):
        return result.args, dict(result.kwargs)
    if not isinstance(result, tuple):
        result = (result,)
    if kwargs and len(result) == len(args) + len(kwargs):
        call = CallInput(args, kwargs).with_values(result)
        return call.args, dict(call.kwargs)
    return result, kwargs


def _inert_torch_hook() -> TorchHook:
    return TorchHook(_INERT, _NO_FIRES)


def beyond_torch_hook(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without its first entries in this file, which hold the whole call in their frames."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace
