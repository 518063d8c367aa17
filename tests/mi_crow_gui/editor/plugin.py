"""A plugin as somebody else would write it: a detector with one number to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core_hooks.hooks.kinds import HookKind
from core_hooks.hooks.tensor_detector import TensorDetector

if TYPE_CHECKING:
    import torch

    from core_hooks.hooks.detector import DetectorState


class CountTokens(TensorDetector):
    captured_keys = ("tokens",)

    def observe(self, tensor: torch.Tensor, state: DetectorState) -> None:
        state.metadata["tokens"] = tensor.shape[1]


KIND = HookKind(
    "count_tokens",
    "Count tokens",
    "Counts the tokens of a call",
    lambda site, settings: CountTokens(site),
    results=lambda hook: list({"Tokens": hook.metadata["tokens"]}.items()) if hook.metadata else [],
)
