"""The residual stream of one forward: before the first block and after each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.errors import RunCancelled
from core_hooks.hooks.hook_type import HookType
from core_hooks.hooks.layer_activation_detector import LayerActivationDetector
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import call, logits_of, model_inputs

if TYPE_CHECKING:
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """A residual stream, and the model's own logits after it.

    Attributes
    ----------
    stream
        ``[blocks + 1, tokens, channels]`` on the CPU, in the model's dtype: row 0 is what the first block is given,
        row ``i`` what block ``i - 1`` returns, with what controllers made of it.
    logits
        ``[tokens, vocabulary]`` on the model's device; None where the model gives none.
    """

    stream: torch.Tensor
    logits: torch.Tensor | None


def capture_residuals(opened: OpenedModel, anatomy: Anatomy, tokens: TokenSequence) -> Residuals:
    """Run the model once over `tokens` and keep its residual stream; hooks that are attached act as always.

    Memory: ``(blocks + 1) * tokens * channels`` values.

    Raises
    ------
    ModelError
        The model has no blocks, does not run on these tokens, or a hook ended the forward.
    RunCancelled
        The run that the caller is in was cancelled.
    """
    if not anatomy.blocks:
        raise ModelError(anatomy.lacks("blocks") or f"{opened.summary.name} has no blocks.")
    first = LayerActivationDetector(anatomy.blocks[0].path, hook_type=HookType.PRE_FORWARD, stage="after")
    after = [LayerActivationDetector(block.path, stage="after") for block in anatomy.blocks]
    sites = {block.path: [detector] for block, detector in zip(anatomy.blocks, after, strict=True)}
    sites[anatomy.blocks[0].path].insert(0, first)
    inputs = model_inputs(opened, tokens)
    with attach(opened.model, sites):
        output, stopped = call(opened, inputs)
        captured = [detector.get_captured() for detector in (first, *after)]
    if stopped == "cancelled":
        raise RunCancelled("The run was cancelled.")
    if output is None:
        raise ModelError("A hook stopped the forward before its end, so the residual stream is not whole.")
    stream = [tensor for tensor in captured if tensor is not None]
    if len(stream) != len(captured) or any(tensor.shape != stream[0].shape for tensor in stream):
        raise ModelError(
            f"The blocks of {opened.summary.name} don't hand a residual stream on; the lens can't be used."
        )
    if stream[0].dim() != 3 or stream[0].shape[1] != len(tokens):
        raise ModelError(
            f"The blocks of {opened.summary.name} do not see the prompt's tokens, so their stream has none."
        )
    logits = logits_of(output)
    return Residuals(torch.cat(stream), None if logits is None else logits[0])
