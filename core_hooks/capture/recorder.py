"""A detector that turns what a module gave into `CaptureRecord`s for a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from core_hooks.capture.record import CaptureRecord
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.extraction import extract_tensor_from_output
from core_hooks.hooks.hook_type import HookType
from core_hooks.hooks.nested import follow, locate
from core_hooks.hooks.run import current_run

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import nn

    from core_hooks.hooks.hook_type import HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Own, read-only host copy of `tensor`, on any device and of any dtype.

    bfloat16 and the 8-bit floats, which numpy lacks, become float32 (exact); every other dtype stays.
    """
    tensor = tensor.detach()
    if tensor.dtype.is_floating_point and tensor.dtype not in (torch.float64, torch.float32, torch.float16):
        owned = tensor.to(device="cpu", dtype=torch.float32, copy=True)
    else:
        owned = tensor.to(device="cpu", copy=True)
    values: np.ndarray = owned.contiguous().resolve_conj().resolve_neg().numpy()
    values.flags.writeable = False
    return values


class RecordingDetector(Detector):
    """Captures the first tensor of a module's output, or of what goes in, and hands it to `sink` as a record.

    Parameters
    ----------
    site
        Dotted name that the records carry.
    sink
        Called in the thread of the forward, once a call of the module; it must be quick.
    stage
        ``"before"`` or ``"after"`` the controllers of the same site; ``"input"`` for what goes into the module,
        before the controllers that change that.

    Attributes
    ----------
    prompt_tokens
        Length of the prompt of the run at hand, from which the position of a generated token follows.
    """

    def __init__(
        self,
        site: str,
        sink: Callable[[CaptureRecord], None],
        *,
        hook_id: str | None = None,
        stage: Literal["before", "after", "input"] = "before",
    ) -> None:
        ingoing = stage == "input"
        super().__init__(
            hook_type=HookType.PRE_FORWARD if ingoing else HookType.FORWARD,
            hook_id=hook_id,
            layer_signature=site,
            stage="before" if stage == "input" else stage,
        )
        self._recorded_stage = stage
        self.prompt_tokens = 0
        self._recorded_as = site
        self._sink = sink
        self._where = (-1, -1)
        self._call = 0

    def process_activations(
        self,
        module: nn.Module,
        input: HOOK_FUNCTION_INPUT,
        output: HOOK_FUNCTION_OUTPUT,
    ) -> None:
        """Record one side of a call; a call without a tensor there leaves nothing."""
        tensor = self._tensor(input, output)
        if tensor is None:
            return
        run = current_run()
        number, step = (run.number, run.step) if run is not None else (0, 0)
        self._call = self._call + 1 if self._where == (number, step) else 0
        self._where = (number, step)
        self._sink(
            CaptureRecord(
                run=number,
                step=step,
                call=self._call,
                site=self._recorded_as,
                hook_id=self.id,
                stage=self._recorded_stage,
                values=to_numpy(tensor),
                dtype=str(tensor.dtype).removeprefix("torch."),
                first_token=self.prompt_tokens + step - 1 if step else 0,
            )
        )

    def _tensor(self, input: HOOK_FUNCTION_INPUT, output: HOOK_FUNCTION_OUTPUT) -> torch.Tensor | None:
        if self._recorded_stage != "input":
            return extract_tensor_from_output(output)
        path = locate(input, None, before=True)
        return None if path is None else follow(input, path)
