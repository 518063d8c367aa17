"""A detector that takes the rows of a batch's real tokens, and nothing of its padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from core_hooks.hooks.detector import Detector
from core_hooks.hooks.extraction import extract_tensor_from_output

if TYPE_CHECKING:
    from typing import Literal

    import numpy as np
    from torch import nn

    from core_hooks.hooks.hook_type import HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT


class RowDetector(Detector):
    """Keeps, of the first call in a forward, one row for each token; who runs the forward takes them.

    Attributes
    ----------
    dtype
        What the rows are cast to; None keeps the module's own.
    kept
        int64, the places of the real tokens among ``batch * tokens``, on the module's device; None: all of them.
    shape
        Of the tensor of the last call, None before it.
    rows
        [tokens, channels], a copy of its own; None before the call.
    """

    def __init__(self, site: str, stage: Literal["before", "after"]) -> None:
        super().__init__(layer_signature=site, stage=stage)
        self.dtype: torch.dtype | None = None
        self.kept: torch.Tensor | None = None
        self.tokens = 0
        self.shape: tuple[int, ...] | None = None
        self.source_dtype: torch.dtype | None = None
        self.rows: torch.Tensor | None = None

    def begin(self, tokens: int, kept: torch.Tensor | None) -> None:
        """The next forward has `tokens` tokens, padding included."""
        self.tokens, self.kept, self.rows, self.shape = tokens, kept, None, None

    def take(self) -> torch.Tensor:
        """The rows of the forward that has ended."""
        rows, self.rows = self.rows, None
        if rows is None:
            raise RuntimeError(f"'{self.layer_signature}' did not run in this forward.")
        return rows

    def process_activations(self, module: nn.Module, input: HOOK_FUNCTION_INPUT, output: HOOK_FUNCTION_OUTPUT) -> None:
        """Take the rows of one call."""
        if self.shape is not None:
            return  # a module that is called several times in a forward is captured at its first call
        tensor = extract_tensor_from_output(output)
        if tensor is None:
            return
        self.shape, self.source_dtype = tuple(tensor.shape), tensor.dtype
        if tensor.numel() % self.tokens:
            return
        rows = tensor.detach().reshape(self.tokens, -1)
        if self.kept is not None:
            rows = rows.index_select(0, self.kept.to(rows.device))
        rows = rows.to(self.dtype or rows.dtype)
        if rows.data_ptr() == tensor.data_ptr():
            rows = rows.clone()  # the model goes on to work with its own
        self.rows = rows


def to_host(rows: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    """The rows in host memory, of the same shape; from an accelerator they are under way until the event happened."""
    if rows.device.type != "cuda":
        return rows.to("cpu"), None
    host = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
    host.copy_(rows, non_blocking=True)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(rows.device))
    return host, event


def as_numpy(rows: torch.Tensor) -> np.ndarray:
    """The values without a copy; bfloat16 as its bits in uint16."""
    values: np.ndarray
    if rows.dtype == torch.bfloat16:
        values = rows.view(torch.uint16).numpy()
    else:
        values = rows.numpy()
    return values
