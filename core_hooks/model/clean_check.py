"""Proof that a model is as if it had never been hooked: no hook of ours on it, and the same logits bit for bit."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from core_hooks.hooks.registration import hooks_of
from core_hooks.model.forward import call, logits_of, model_inputs

if TYPE_CHECKING:
    from torch import nn

    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence


@dataclass(frozen=True, slots=True)
class CleanReport:
    """What was found.

    Attributes
    ----------
    hooks_left
        Dotted names of modules that still carry a hook of this package.
    identical
        The logits equal those of a copy of the modules that was never hooked, bit for bit, NaN included.
    largest_difference
        Largest absolute difference of a logit; 0.0 when identical.
    logits
        How many were compared.
    """

    hooks_left: tuple[str, ...]
    identical: bool
    largest_difference: float
    logits: int

    @property
    def clean(self) -> bool:
        """Nothing of ours is left, in the modules or in the numbers."""
        return self.identical and not self.hooks_left


def check_clean(opened: OpenedModel, tokens: TokenSequence) -> CleanReport:
    """Compare the model as it stands with a copy of its modules that nobody ever hooked.

    The copy shares the weights, so it costs no memory to speak of: what could differ is what hooks leave behind
    in modules, and that is what is looked for.

    Parameters
    ----------
    tokens
        What both are run on, once, with no hooks attached: the caller has taken its own off.

    Raises
    ------
    ModelError
        The model fails on these tokens.
    """
    left = tuple(name for name, module in opened.model.named_modules() if hooks_of(module))
    present = _logits(opened, tokens)
    module, opened.model = opened.model, _never_hooked(opened.model)
    try:
        untouched = _logits(opened, tokens)
    finally:
        opened.model = module
    if present is None or untouched is None:
        return CleanReport(left, present is untouched, 0.0, 0)
    identical = torch.equal(torch.nan_to_num(present), torch.nan_to_num(untouched)) and torch.equal(
        present.isnan(), untouched.isnan()
    )
    difference = 0.0 if identical else float((present.float() - untouched.float()).abs().nan_to_num(torch.inf).max())
    return CleanReport(left, identical, difference, present.numel())


def _logits(opened: OpenedModel, tokens: TokenSequence) -> torch.Tensor | None:
    output, _ = call(opened, model_inputs(opened, tokens))
    return logits_of(output) if output is not None else None


def _never_hooked(model: nn.Module) -> nn.Module:
    """Copy the modules around the same tensors, without any hook that anybody registered."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    for module in twin.modules():
        for registry in (module._forward_hooks, module._forward_pre_hooks):
            registry.clear()
    return twin
