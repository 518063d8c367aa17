"""What detectors and controllers share: one call that first looks and then changes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from core_hooks.hooks.errors import HookError, StopForward
from core_hooks.hooks.hook import Hook
from core_hooks.hooks.run import active_runs, controllers_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

logger = logging.getLogger(__name__)


class ActingHook(Hook):
    """A hook whose work is ``process_activations``, ``modify_activations``, or both in this order.

    Parameters
    ----------
    errors, on_failure
        As for ``Hook``; left at ``None`` they keep what the class says.
    **options
        Those of ``Hook``.

    Attributes
    ----------
    detector_errors
        Of a hook that is both: ``"log"`` records a failure to look and changes the value all the same;
        ``"raise"`` treats it like any other failure.
    """

    detector_errors: Literal["log", "raise"] = "log"

    def __init__(
        self,
        *,
        errors: Literal["raise", "disable"] | None = None,
        on_failure: Callable[[Hook, HookError], None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if errors not in (None, "raise", "disable"):
            raise ValueError(f"errors must be 'raise' or 'disable', got: {errors!r}")
        self.errors = self.errors if errors is None else errors
        if on_failure is not None:
            self.on_failure = on_failure

    def _hook_fn(self, module: nn.Module, input: Any, output: Any) -> Any:
        if self.detects:
            self._detect(module, input, output)
        if self.controls and (not active_runs or controllers_on()):
            return self._control(module, input, output)
        return None

    def _detect(self, module: nn.Module, input: Any, output: Any) -> None:
        if not self.controls or self.detector_errors == "raise":
            self.process_activations(module, input, output)  # type: ignore[attr-defined]
            return
        try:
            self.process_activations(module, input, output)  # type: ignore[attr-defined]
        except StopForward:
            raise
        except Exception as error:  # noqa: BLE001 - the half that changes values must still run
            logger.warning("%s; the value is modified all the same", self._record_failure(error))

    def _control(self, module: nn.Module, input: Any, output: Any) -> Any:
        raise NotImplementedError

    def _torch_hook_kind(self) -> str:
        if self.detects is self.controls or type(self)._hook_fn is not ActingHook._hook_fn:
            return "act"
        return "detect" if self.detects else "control"
