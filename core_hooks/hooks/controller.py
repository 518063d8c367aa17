"""Hooks that change."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from core_hooks.hooks.acting_hook import ActingHook
from core_hooks.hooks.extraction import extract_tensor_from_input
from core_hooks.hooks.hook_type import FORWARD, HookType
from core_hooks.hooks.nested import Path, Select, find_all, follow, locate, replace

if TYPE_CHECKING:
    from torch import nn


Tensor = torch.Tensor


class Controller(ActingHook):
    """A hook that replaces the tensor a module returns, or the one it is called with.

    A subclass implements ``modify_activations``. What the module returned is never written into: the caller
    of the module receives a new container with the new tensor, and autograd flows through it.

    Parameters
    ----------
    hook_type, hook_id, layer_signature
        As for ``Hook``.
    select
        Which tensor of a container to change: an index, a key, a tuple of these, or a function of the
        container. Default: ``last_hidden_state``, ``logits`` or the first tensor.
    apply_to
        ``"first"``: that one tensor. ``"all"``: every tensor found, each in a call of its own.
    preserve_dtype
        Cast a floating result to the dtype of the tensor it replaces (default ``True``).
    allow_shape_change
        Accept a result of another shape (default ``False``).
    refuse_nan
        Treat NaN or infinity in the result, where the original had none, as a failure (default ``False``).
    **options
        Those of ``ActingHook``: ``errors``, ``on_failure``.

    Notes
    -----
    Options left at ``None`` keep what the class says, so that a subclass can set them as class attributes.
    """

    controls: ClassVar[bool] = True
    select: Select | None = None
    apply_to: Literal["first", "all"] = "first"
    preserve_dtype: bool = True
    allow_shape_change: bool = False
    refuse_nan: bool = False

    def __init__(
        self,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        layer_signature: str | int | None = None,
        *,
        select: Select | None = None,
        apply_to: Literal["first", "all"] | None = None,
        preserve_dtype: bool | None = None,
        allow_shape_change: bool | None = None,
        refuse_nan: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(hook_type=hook_type, hook_id=hook_id, layer_signature=layer_signature, **options)
        if apply_to not in (None, "first", "all"):
            raise ValueError(f"apply_to must be 'first' or 'all', got: {apply_to!r}")
        # Set on the instance even where the class has the value: that is where looking them up is fast.
        self.select = self.select if select is None else select
        self.apply_to = self.apply_to if apply_to is None else apply_to
        self.preserve_dtype = self.preserve_dtype if preserve_dtype is None else preserve_dtype
        self.allow_shape_change = self.allow_shape_change if allow_shape_change is None else allow_shape_change
        self.refuse_nan = self.refuse_nan if refuse_nan is None else refuse_nan

    @abstractmethod
    def modify_activations(
        self, module: nn.Module, inputs: torch.Tensor | None, output: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Return the tensor that takes the place of the module's.

        Parameters
        ----------
        module
            The module that was called.
        inputs
            The first tensor it was called with, by position or keyword; ``None`` if there is none.
        output
            The tensor it returned; ``None`` before the forward.

        Returns
        -------
        torch.Tensor or None
            A tensor of the same shape and kind (floating, integer, ...), on any device, to replace ``output``
            (after the forward) or ``inputs`` (before it). ``None`` changes nothing.
        """

    def _control(self, module: nn.Module, input: Any, output: Any) -> Any:
        before = self._hook_type is not FORWARD
        value = input if before else output
        paths = self._paths(value, before)
        if not paths:
            self._found_nothing(value)
            return None
        changed = value
        for path in paths:
            target = follow(value, path)
            if before:
                result = self.modify_activations(module, target, None)
            else:
                result = self.modify_activations(module, extract_tensor_from_input(input), target)
            if result is not None and result is not target:
                changed = replace(changed, path, self.fitting(result, target))
        return None if changed is value else changed

    def _paths(self, value: Any, before: bool) -> list[Path]:
        if self.select is None and self.apply_to == "all":
            return find_all(value)
        path = locate(value, self.select, before)
        return [] if path is None else [path]

    def fitting(self, result: Any, target: torch.Tensor) -> torch.Tensor:
        """Return the result as it may take the target's place; raise if it may not.

        Raises
        ------
        TypeError
            For something that is not a tensor, or holds another kind of number.
        ValueError
            For another shape, or NaN where it is refused.
        """
        if not isinstance(result, Tensor):
            raise TypeError(f"modify_activations must return a torch.Tensor or None, got {type(result).__name__}")
        if not self.allow_shape_change and result.shape != target.shape:
            raise ValueError(
                f"The result has shape {tuple(result.shape)}, the tensor it replaces {tuple(target.shape)}; "
                "allow_shape_change=True accepts that"
            )
        if result.dtype is not target.dtype:
            result = self._of_fitting_dtype(result, target)
        if not (result.is_cpu and target.is_cpu) and result.device != target.device:
            result = result.to(target.device)
        if self.refuse_nan:
            _refuse_new_nonfinite(result, target)
        return result

    def _of_fitting_dtype(self, result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        have, want = _number_kind(result.dtype), _number_kind(target.dtype)
        if have == want and have != "quantised":
            return result.to(target.dtype) if self.preserve_dtype else result
        if self.preserve_dtype or (want == "floating" and have != "complex"):
            raise TypeError(
                f"The result is {have} ({result.dtype}), the tensor it replaces {want} ({target.dtype}); "
                "converting would lose values"
            )
        return result


def _number_kind(dtype: torch.dtype) -> str:
    if dtype in _QUANTISED:
        return "quantised"
    if dtype.is_floating_point:
        return "floating"
    if dtype.is_complex:
        return "complex"
    return "boolean" if dtype is torch.bool else "integer"


_QUANTISED = {torch.quint8, torch.qint8, torch.qint32, torch.quint4x2, torch.quint2x4}


def _refuse_new_nonfinite(result: torch.Tensor, target: torch.Tensor) -> None:
    if not (result.dtype.is_floating_point or result.dtype.is_complex):
        return
    finite = torch.isfinite(result)
    if bool(finite.all()) or not bool(torch.isfinite(target).all()):
        return
    nan, total = int(torch.isnan(result).sum()), result.numel()
    infinite = total - int(finite.sum()) - nan
    found = " and ".join(
        f"{name} in {count} of {total} values" for name, count in (("NaN", nan), ("Inf", infinite)) if count
    )
    raise ValueError(f"returned {found}")
