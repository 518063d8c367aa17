"""The model by itself: what is attached to it looks away."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from core_hooks.hooks.registration import hooked_modules, hooks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Disable every hook of this package that is attached to `model`, and enable the same ones again at the end.

    Experiments run the model many times, with variants of a prompt as rows of a batch: a controller written for one
    row would change the wrong ones, and a detector would file what nobody asked for. Hooks that are attached inside
    act as always.
    """
    hooked = hooked_modules()
    disabled = [
        hook
        for module in (model.modules() if hooked else ())
        if module in hooked
        for hook in hooks_of(module)
        if hook.enabled
    ]
    for hook in disabled:
        hook.disable()
    try:
        yield
    finally:
        for hook in disabled:
            hook.enable()
