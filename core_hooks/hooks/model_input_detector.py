"""Captures the token ids a model is called with, and which of them are real tokens."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

import torch

from core_hooks.hooks.call_input import keyword_arguments
from core_hooks.hooks.capture import own_copy
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.errors import ActivationError, StopForward
from core_hooks.hooks.hook_type import HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT, HookType

if TYPE_CHECKING:
    from torch import nn

_IDS, _MASK = "input_ids", "attention_mask"


class ModelInputDetector(Detector):
    """Captures ``input_ids`` and, if asked to, a mask of the tokens that are neither padding nor special.

    Meant for the root of a model, called with a tensor of ids, a mapping such as a tokenizer's encoding, or
    keywords.

    Parameters
    ----------
    layer_signature, hook_id
        As for ``Hook``.
    save_input_ids, save_attention_mask
        What to keep; plain attributes, read at every call.
    special_token_ids
        Ids the mask leaves out; an empty one leaves none out. ``None``: those of the context.

    Notes
    -----
    Captures are ``int64`` (or whatever integers the ids are) and ``bool``, both in the shape of the ids,
    usually ``(batch, sequence)``, on the CPU, in storage of their own. With a key-value cache the mask given
    to the model covers earlier tokens too; the columns of the present ids are kept.
    """

    captured_keys: ClassVar[tuple[str, ...]] = (_IDS, f"{_IDS}_shape", _MASK, f"{_MASK}_shape")

    def __init__(
        self,
        layer_signature: str | int | None = None,
        hook_id: str | None = None,
        save_input_ids: bool = True,
        save_attention_mask: bool = False,
        special_token_ids: Iterable[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(hook_type=HookType.PRE_FORWARD, hook_id=hook_id, layer_signature=layer_signature, **options)
        self.save_input_ids = save_input_ids
        self.save_attention_mask = save_attention_mask
        self.special_token_ids = None if special_token_ids is None else set(special_token_ids)

    def process_activations(
        self,
        module: nn.Module | None,
        input: HOOK_FUNCTION_INPUT | Mapping[str, Any] | None,
        output: HOOK_FUNCTION_OUTPUT,
    ) -> None:
        """Capture the inputs of one call; a call without token ids leaves nothing.

        Raises
        ------
        RuntimeError
            When they cannot be read, e.g. for a mask of another shape; the cause says why.
        """
        try:
            self.clear_captured()
            ids, mask = _inputs_of(module, input)
            if ids is None:
                self._found_nothing(input)
                return
            self._keep(ids, mask)
        except StopForward:
            raise
        except Exception as error:
            raise ActivationError(
                f"Error extracting inputs in ModelInputDetector {self.id} "
                f"(layer={'unknown' if self.layer_signature is None else self.layer_signature}): {error}"
            ) from error

    def set_inputs_from_encodings(self, encodings: Mapping[str, Any], module: nn.Module | None = None) -> None:
        """Take the inputs from what a tokenizer returned, unless the hook is disabled.

        Parameters
        ----------
        encodings
            A mapping; without ``input_ids`` it leaves nothing.
        module
            Not used.

        Raises
        ------
        RuntimeError
            When they cannot be read; the cause says why.
        """
        if not self.enabled:
            return
        try:
            if not isinstance(encodings, Mapping):
                raise TypeError(f"encodings must be a mapping, got {type(encodings).__name__}")
            self.clear_captured()
            ids = encodings.get(_IDS)
            if _are_ids(ids):
                self._keep(ids, encodings.get(_MASK))
        except Exception as error:
            raise ActivationError(
                f"Error setting inputs from encodings in ModelInputDetector {self.id}: {error}"
            ) from error

    def get_captured_input_ids(self) -> torch.Tensor | None:
        """Return the captured ids, ``None`` if there are none."""
        return self.tensor_metadata.get(_IDS)

    def get_captured_attention_mask(self) -> torch.Tensor | None:
        """Return the mask, ``True`` for real tokens that are not special; ``None`` if there is none."""
        return self.tensor_metadata.get(_MASK)

    def clear_captured(self) -> None:
        """Forget ids and mask."""
        state = self._current_state(writing=True)
        for key in self.captured_keys:
            state.tensor_metadata.pop(key, None)
            state.metadata.pop(key, None)

    def _keep(self, ids: torch.Tensor, mask: Any) -> None:
        state = self._current_state(writing=True)
        if self.save_input_ids:
            state.tensor_metadata[_IDS] = own_copy(ids)
            state.metadata[f"{_IDS}_shape"] = tuple(ids.shape)
        if self.save_attention_mask:
            real = self._real_tokens(ids, mask)
            state.tensor_metadata[_MASK] = real
            state.metadata[f"{_MASK}_shape"] = tuple(real.shape)

    def _real_tokens(self, ids: torch.Tensor, mask: Any) -> torch.Tensor:
        given = _as_bool(mask, ids) if isinstance(mask, torch.Tensor) else None
        real = torch.ones_like(ids, dtype=torch.bool) if given is None else given
        special = self._special_ids()
        if special:
            real = real & ~torch.isin(ids, torch.tensor(sorted(special), device=ids.device))
        return own_copy(real)

    def _special_ids(self) -> set[int]:
        if self.special_token_ids is not None:
            return set(self.special_token_ids)
        found = getattr(self.context, "special_token_ids", None)
        return set() if found is None else set(found)


def _inputs_of(module: Any, call: Any) -> tuple[torch.Tensor | None, Any]:
    if isinstance(call, Mapping):  # called by hand with an encoding
        ids = call.get(_IDS)
        return (ids if _are_ids(ids) else None), call.get(_MASK)
    keywords = keyword_arguments(call)
    args = tuple(call or ())[: len(call) - len(keywords)] if call is not None else ()
    named = {**dict(zip(_parameter_names(module.__class__), args, strict=False)), **keywords}
    first = args[0] if args else None
    if isinstance(first, Mapping):
        named.update(first)
    candidates = (named.get(_IDS), first)
    return next((ids for ids in candidates if _are_ids(ids)), None), named.get(_MASK)


@lru_cache(maxsize=256)
def _parameter_names(module_class: type) -> tuple[str, ...]:
    forward = getattr(module_class, "forward", None)
    try:
        return tuple(inspect.signature(forward).parameters)[1:] if callable(forward) else ()
    except (TypeError, ValueError):  # written in C, or not a function
        return ()


def _are_ids(value: Any) -> TypeGuard[torch.Tensor]:
    if not isinstance(value, torch.Tensor):
        return False
    return not (value.dtype.is_floating_point or value.dtype.is_complex or value.dtype is torch.bool)


def _as_bool(mask: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    if mask.dim() > 2 and mask.dim() != ids.dim():
        raise ValueError(
            f"an attention mask of shape {tuple(mask.shape)} says which tokens see which, not which are real; "
            f"one of the shape of the ids, {tuple(ids.shape)}, is needed"
        )
    # Additive masks hold 0 where a token counts and a large negative number where it does not; those made of
    # zeros and ones mean what they say in any dtype.
    additive = mask.dtype.is_floating_point and not bool((mask > 0).any())
    real = mask >= 0 if additive else mask.bool()
    if mask.dim() == ids.dim() and mask.shape[-1] > ids.shape[-1]:
        real = real[..., -ids.shape[-1] :]
    if real.shape != ids.shape:
        raise ValueError(f"the attention mask has shape {tuple(mask.shape)}, the ids {tuple(ids.shape)}")
    return real.to(ids.device)
