"""Captures the logits and the final hidden state a model returns."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from core_hooks.hooks.capture import own_copy
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.errors import ActivationError, StopForward
from core_hooks.hooks.hook_type import HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT, HookType

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

_LOGITS, _HIDDEN = "output_logits", "output_hidden_state"


class ModelOutputDetector(Detector):
    """Captures what a model returns; meant for its root.

    Parameters
    ----------
    layer_signature, hook_id
        As for ``Hook``.
    save_output_logits
        Keep ``output.logits``; of a tuple or list the first element, without a leading loss; a tensor as it is.
    save_output_hidden_state
        Keep ``output.last_hidden_state``, or the last of ``output.hidden_states``, which models with a head
        return when they are called with ``output_hidden_states=True``.

    Notes
    -----
    Captures keep the model's shape and dtype, usually ``(batch, sequence, vocabulary)`` and
    ``(batch, sequence, width)``; they are detached, on the CPU, in storage of their own.
    """

    captured_keys: ClassVar[tuple[str, ...]] = (_LOGITS, f"{_LOGITS}_shape", _HIDDEN, f"{_HIDDEN}_shape")

    def __init__(
        self,
        layer_signature: str | int | None = None,
        hook_id: str | None = None,
        save_output_logits: bool = True,
        save_output_hidden_state: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(hook_type=HookType.FORWARD, hook_id=hook_id, layer_signature=layer_signature, **options)
        self.save_output_logits = save_output_logits
        self.save_output_hidden_state = save_output_hidden_state
        self._said_absent = False

    def process_activations(
        self,
        module: nn.Module | None,
        input: HOOK_FUNCTION_INPUT | None,
        output: HOOK_FUNCTION_OUTPUT,
    ) -> None:
        """Capture what one call returned; what is not there is not kept, and nothing older stays.

        Raises
        ------
        RuntimeError
            When it cannot be copied; the cause says why.
        """
        try:
            self.clear_captured()
            if self.save_output_logits:
                logits = _logits_of(output)
                if logits is None:
                    self._found_nothing(output)
                else:
                    self._keep(_LOGITS, logits)
            if self.save_output_hidden_state:
                hidden = _hidden_state_of(output)
                if hidden is not None:
                    self._keep(_HIDDEN, hidden)
                else:
                    self._say_absent(output)
        except StopForward:
            raise
        except Exception as error:
            raise ActivationError(
                f"Error extracting outputs in ModelOutputDetector {self.id} "
                f"(layer={'unknown' if self.layer_signature is None else self.layer_signature}): {error}"
            ) from error

    def get_captured_output_logits(self) -> torch.Tensor | None:
        """Return the captured logits, ``None`` if there are none."""
        return self.tensor_metadata.get(_LOGITS)

    def get_captured_output_hidden_state(self) -> torch.Tensor | None:
        """Return the captured hidden state, ``None`` if there is none."""
        return self.tensor_metadata.get(_HIDDEN)

    def clear_captured(self) -> None:
        """Forget logits and hidden state."""
        state = self._current_state(writing=True)
        for key in self.captured_keys:
            state.tensor_metadata.pop(key, None)
            state.metadata.pop(key, None)

    def _keep(self, key: str, tensor: torch.Tensor) -> None:
        state = self._current_state(writing=True)
        state.tensor_metadata[key] = own_copy(tensor)
        state.metadata[f"{key}_shape"] = tuple(tensor.shape)

    def _say_absent(self, output: object) -> None:
        if not self._said_absent:
            self._said_absent = True
            logger.warning(
                "ModelOutputDetector %s was asked for the hidden state, and the %s it was given has none; "
                "call the model with output_hidden_states=True",
                self.id,
                type(output).__name__,
            )


def _entry(output: Any, name: str) -> Any:
    found = getattr(output, name, None)
    return output.get(name) if found is None and isinstance(output, Mapping) else found


def _logits_of(output: Any) -> torch.Tensor | None:
    logits = _entry(output, "logits")
    if isinstance(logits, torch.Tensor):
        return logits
    if isinstance(output, (tuple, list)):
        without_loss = [item for item in output if not (isinstance(item, torch.Tensor) and item.dim() == 0)]
        first = without_loss[0] if without_loss else None
        return first if isinstance(first, torch.Tensor) else None
    return output if isinstance(output, torch.Tensor) else None


def _hidden_state_of(output: Any) -> torch.Tensor | None:
    if isinstance(output, (torch.Tensor, tuple, list)):
        return None
    hidden = _entry(output, "last_hidden_state")
    if isinstance(hidden, torch.Tensor):
        return hidden
    every = _entry(output, "hidden_states")
    last = every[-1] if isinstance(every, (tuple, list)) and every else None
    return last if isinstance(last, torch.Tensor) else None
