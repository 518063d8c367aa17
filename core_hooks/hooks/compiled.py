"""What hooks must know of ``torch.compile`` and other wrappers around a model."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.errors import HookWarning

if TYPE_CHECKING:
    from torch import nn

# Modules that only wrap another one, by class name, and the attribute under which they hold it.
_WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
}


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside ``torch.compile`` and data-parallel wrappers; any other module is returned."""
    while True:
        attribute = _WRAPPERS.get(type(module).__name__)
        inner = module._modules.get(attribute) if attribute else None
        if inner is None:
            return module
        module = inner


def reset_if_compiled(model: nn.Module) -> bool:
    """Make a compiled model notice hooks that are about to be attached.

    Compiled code does not look whether its modules have hooks, so those attached after the first call would
    be ignored without a word. If the model or a part of it is compiled and anything was compiled in this
    process, all compiled code is dropped, with a warning, and the next call compiles it anew.

    Returns
    -------
    bool
        Whether compiled code was dropped.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None or not _holds_compiled_part(model) or not _anything_compiled():
        return False
    dynamo.reset()
    warnings.warn(
        "The model is compiled already: compiled code ignores hooks attached later, so it was dropped and "
        "the next call compiles again. Attach hooks before the first call to avoid this.",
        HookWarning,
        stacklevel=4,
    )
    return True


class RunEagerly:
    """While any is entered, compiled models run uncompiled, in every thread.

    Compiled code cannot ask which run it is in: where that matters, it must not run.
    """

    _lock = threading.Lock()
    _entered = 0
    _stance: Any = None

    def __enter__(self) -> RunEagerly:
        cls = RunEagerly
        with cls._lock:
            cls._entered += 1
            if cls._stance is None and "torch._dynamo" in sys.modules:
                cls._stance = torch.compiler.set_stance("force_eager")
        return self

    def __exit__(self, *exc: object) -> None:
        cls = RunEagerly
        with cls._lock:
            cls._entered -= 1
            if not cls._entered and cls._stance is not None:
                cls._stance.__exit__(None, None, None)
                cls._stance = None


def _holds_compiled_part(model: nn.Module) -> bool:
    return any(
        type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None
        for module in model.modules()
    )


def _anything_compiled() -> bool:
    convert_frame = sys.modules["torch._dynamo.convert_frame"]
    return bool(convert_frame.input_codes.seen)
