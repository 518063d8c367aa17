"""The shapes of what every module of a model takes and gives, seen in one forward."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core_hooks.hooks.call_input import CallInput
from core_hooks.hooks.compiled import unwrap
from core_hooks.hooks.nested import find_input, find_output, follow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from torch.utils.hooks import RemovableHandle

Shape = tuple[int, ...]


@contextmanager
def call_shapes(model: nn.Module) -> Iterator[dict[str, tuple[Shape, Shape]]]:
    """Fill a dictionary, dotted name to shapes in and out, from the first call of each module within the block.

    Shapes are those of the tensor that a detector there would see; ``()`` where a module takes or gives none. A
    module that is not called is not in it. A compiled model is left alone: hooks would have it compiled again.

    Each hook takes itself off at its first call, so further forwards cost nothing; the rest go with the block.
    """
    seen: dict[str, tuple[Shape, Shape]] = {}
    handles: dict[str, RemovableHandle] = {}

    def watch(path: str, module: nn.Module) -> None:
        def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            handles.pop(path).remove()
            seen[path] = (_shape(CallInput(args, kwargs), find_input), _shape(output, find_output))

        handles[path] = module.register_forward_hook(look, with_kwargs=True)

    try:
        if unwrap(model) is model:
            for path, module in model.named_modules():
                watch(path, module)
        yield seen
    finally:
        for handle in handles.values():
            handle.remove()


def _shape(value: Any, find: Any) -> Shape:
    path = find(value)
    return tuple(follow(value, path).shape) if path is not None else ()
