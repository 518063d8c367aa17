"""A detector that works out something about one tensor of every call, without keeping the tensor."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import torch

from core_hooks.hooks.detector import Detector, DetectorState
from core_hooks.hooks.errors import ActivationError, StopForward
from core_hooks.hooks.hook_type import FORWARD, HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT, HookType
from core_hooks.hooks.nested import Select, follow, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

# Values looked at together: a block of this many float32 stays in a cache, a copy of a large activation doesn't.
BLOCK = 1 << 18


class TensorDetector(Detector):
    """Collects something about a layer's tensor; a subclass implements ``observe``.

    Parameters
    ----------
    layer_signature
        Layer this detector is meant for, kept as given.
    hook_type, hook_id, store, stage
        As for ``Detector``.
    select
        Which tensor of a container: an index, a key, a tuple of these, or a function of the container.
    """

    def __init__(
        self,
        layer_signature: str | int | None = None,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        store: Any = None,
        stage: Literal["before", "after"] | None = None,
        select: Select | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            hook_type=hook_type,
            hook_id=hook_id,
            store=store,
            layer_signature=layer_signature,
            stage=stage,
            **options,
        )
        self.select = select

    @abstractmethod
    def observe(self, tensor: torch.Tensor, state: DetectorState) -> None:
        """Write what is to be known about a detached tensor, on its own device, into the state."""

    def process_activations(
        self,
        module: nn.Module | None,
        input: HOOK_FUNCTION_INPUT | None,
        output: HOOK_FUNCTION_OUTPUT,
    ) -> None:
        """Observe the tensor of one call; a call without one leaves nothing.

        Raises
        ------
        RuntimeError
            When it cannot be observed; the cause says why.
        """
        state = self._calling_state()
        try:
            self._drop(state)
            value = output if self._hook_type is FORWARD else input
            tensor = self._find(value)
            if tensor is None:
                self._found_nothing(value)
                return
            with torch.no_grad():
                self.observe(tensor.detach(), state)
        except StopForward:
            raise
        except Exception as error:
            raise ActivationError(
                f"Error observing activations in {type(self).__name__} {self.id} "
                f"(layer={self.layer_signature}): {error}"
            ) from error

    def clear_captured(self) -> None:
        """Forget what was observed."""
        self._drop(self._current_state(writing=True))

    def _find(self, value: Any) -> torch.Tensor | None:
        path = locate(value, self.select, before=self._hook_type is not FORWARD)
        return None if path is None else follow(value, path)

    def _drop(self, state: DetectorState) -> None:
        for key in self.captured_keys:
            state.tensor_metadata.pop(key, None)
            state.metadata.pop(key, None)


def real_blocks(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield a tensor's values, rows whole, in blocks of float32 (float64 where that is needed to hold them).

    Yields
    ------
    torch.Tensor
        ``(rows, channels)`` on the tensor's device, ``BLOCK`` values or one row if that is longer.

    Raises
    ------
    TypeError
        For complex numbers.
    """
    if tensor.dtype.is_complex:
        raise TypeError("complex numbers have no order; observe their absolute value or parts instead")
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    wide = tensor.dtype in (torch.float64, torch.int64, torch.int32) and tensor.device.type != "mps"
    rows = tensor.reshape(-1, tensor.shape[-1]) if tensor.dim() > 1 else tensor.reshape(1, -1)
    step = max(BLOCK // max(rows.shape[1], 1), 1)
    for start in range(0, rows.shape[0], step):
        yield rows[start : start + step].to(torch.float64 if wide else torch.float32)
