"""Functions of the tensors that modules take and return, put on a model for the length of an experiment.

An experiment calls a small model so often that hooks with counts, order and states would cost more than its forwards:
these are plain torch hooks, one a site, that find the tensor as all hooks of this package do.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.analysis.undisturbed import undisturbed
from core_hooks.hooks.call_input import CallInput
from core_hooks.hooks.errors import RunCancelled
from core_hooks.hooks.nested import find_input, find_output, follow, replace

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import nn

    Function = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Site:
    """What a module returns or, with `before`, what it is given; `path` is its dotted name."""

    path: str
    before: bool = False


@contextmanager
def tapped(
    model: nn.Module, functions: Mapping[Site, Sequence[Function]], cancel: threading.Event | None = None
) -> Iterator[None]:
    """Pass what each site holds through its functions in turn, and let no hook of this package act meanwhile.

    Parameters
    ----------
    functions
        Each gives the tensor back or another in its place, which need not have its shape.
    cancel
        Looked at wherever there is a function; `RunCancelled` is raised once it is set.
    """
    handles = []
    try:
        with undisturbed(model):
            for site, wanted in functions.items():
                module = model.get_submodule(site.path)
                tap = _Tap(tuple(wanted), cancel)
                if site.before:
                    handles.append(module.register_forward_pre_hook(tap.before, with_kwargs=True))
                else:
                    handles.append(module.register_forward_hook(tap.after))
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Tap:
    """What torch calls at one site."""

    __slots__ = ("_cancel", "_functions")

    def __init__(self, functions: tuple[Function, ...], cancel: threading.Event | None) -> None:
        self._functions, self._cancel = functions, cancel

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Pass on what the module is given."""
        if args and type(args[0]) is torch.Tensor:
            held = self._through(args[0])
            return None if held is args[0] else ((held, *args[1:]), kwargs)
        call = CallInput(args, kwargs)
        changed = self._inside(call, find_input(call))
        return None if changed is call else (changed.args, dict(changed.kwargs))

    def after(self, module: nn.Module, args: Any, output: Any) -> Any:
        """Pass on what the module returns."""
        if type(output) is torch.Tensor:
            return self._through(output)
        return self._inside(output, find_output(output))

    def _inside(self, value: Any, path: Any) -> Any:
        if path is None:
            return value
        held = follow(value, path)
        changed = self._through(held)
        return value if changed is held else replace(value, path, changed)

    def _through(self, held: torch.Tensor) -> torch.Tensor:
        if self._cancel is not None and self._cancel.is_set():
            raise RunCancelled("The experiment was cancelled.")
        for function in self._functions:
            held = function(held)
        return held
