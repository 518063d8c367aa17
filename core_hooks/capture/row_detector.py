"""A detector that takes a row for each token of a batch."""

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
    shape
        Of the tensor of the last call, None before it.
    rows
        [tokens, channels], a copy of its own; None before the call.
    """

    def __init__(self, site: str, stage: Literal["before", "after"]) -> None:
        super().__init__(layer_signature=site, stage=stage)
        self.dtype: torch.dtype | None = None
        self.tokens = 0
        self.shape: tuple[int, ...] | None = None
        self.source_dtype: torch.dtype | None = None
        self.rows: torch.Tensor | None = None

    def begin(self, tokens: int) -> None:
        """The next forward has `tokens` tokens, padding included."""
        self.tokens, self.rows, self.shape = tokens, None, None

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


def widened_by_torch(values: np.ndarray, stored_dtype: str, out: np.ndarray) -> np.ndarray:
    """What `core_hooks.capture.mapped_shard.as_float32` gives, several times faster than numpy makes it."""
    stored = torch.from_numpy(values)
    torch.from_numpy(out).copy_(stored.view(torch.bfloat16) if stored_dtype == "bfloat16" else stored)
    return out
