"""A controller made from a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.controller import Controller
from core_hooks.hooks.errors import ActivationError, StopForward, text_of
from core_hooks.hooks.hook_type import FORWARD, HookType

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


Tensor = torch.Tensor


class FunctionController(Controller):
    """Replaces a tensor by a function of it.

    Parameters
    ----------
    layer_signature
        Layer this controller is meant for, kept as given.
    function
        Takes the tensor and returns one of the same shape. With ``apply_to="first"``, the default, it is
        called with the tensor that stands for the output (or the first argument); with ``"all"``, with every
        tensor in it in turn.
    hook_type, hook_id
        As for ``Hook``.
    **options
        Those of ``Controller``.

    Raises
    ------
    ValueError
        When the function is ``None`` or not callable.
    """

    def __init__(
        self,
        layer_signature: str | int | None,
        function: Callable[[torch.Tensor], torch.Tensor],
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        **options: Any,
    ) -> None:
        if function is None:
            raise ValueError("function cannot be None")
        if not callable(function):
            raise ValueError(f"function must be callable, got: {type(function)}")
        super().__init__(hook_type=hook_type, hook_id=hook_id, layer_signature=layer_signature, **options)
        self.function = function

    def modify_activations(
        self, module: nn.Module, inputs: torch.Tensor | None, output: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Return ``function`` of the output (of the inputs, before the forward).

        Raises
        ------
        RuntimeError
            When the function fails or returns something that is not a tensor.
        """
        target = output if self._hook_type is FORWARD else inputs
        if not isinstance(target, Tensor):
            return target
        try:
            result = self.function(target)
            _insist_on_tensor(result)
        except StopForward:
            raise
        except Exception as error:
            raise ActivationError(
                f"Error applying function in FunctionController {self.id}: {text_of(error)}"
            ) from error
        return result

    def fitting(self, result: Any, target: torch.Tensor) -> torch.Tensor:
        """Return the result as it may take the target's place; raise if it may not."""
        _insist_on_tensor(result)
        return super().fitting(result, target)

    def _torch_hook_kind(self) -> str:
        kind = super()._torch_hook_kind()
        own = type(self).modify_activations is FunctionController.modify_activations
        return "function" if kind == "control" and own else kind


def _insist_on_tensor(result: object) -> None:
    if not isinstance(result, Tensor):
        raise TypeError(f"Function must return a torch.Tensor, got: {type(result)}")
