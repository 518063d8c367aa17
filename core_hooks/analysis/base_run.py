"""Forwards over copies of one sequence, and what was seen inside the one that nothing was changed in."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.analysis.taps import Site, tapped
from core_hooks.hooks.errors import RunCancelled
from core_hooks.model.architecture import kind_of
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import call, logits_of, model_inputs

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence


@dataclass(frozen=True, slots=True, eq=False)
class BaseRun:
    """A forward over one sequence.

    Attributes
    ----------
    tokens
        What it ran on.
    logits
        ``[1, tokens, vocabulary]``, or of the last token alone where no more was asked for.
    values
        What each site held, ``[tokens, channels]``, on the model's device.
    """

    tokens: TokenSequence
    logits: torch.Tensor
    values: dict[Site, torch.Tensor]


def run_base(
    opened: OpenedModel,
    tokens: TokenSequence,
    sites: Iterable[Site] = (),
    *,
    last_only: bool = False,
    cancel: threading.Event | None = None,
) -> BaseRun:
    """Run the model once over `tokens`, keeping what `sites` hold.

    Raises
    ------
    ModelError
        The model gives no logits over a vocabulary, or a site held nothing that belongs to the tokens.
    RunCancelled
        `cancel` was set.
    """
    keepers = {site: _Keeper() for site in dict.fromkeys(sites)}
    with tapped(opened.model, {site: (keeper,) for site, keeper in keepers.items()}, cancel):
        logits = forward_rows(opened, tokens, 1, last_only=last_only)
    values = {}
    for site, keeper in keepers.items():
        value = keeper.value
        if value is None or value.numel() % len(tokens):
            raise ModelError(f"{site.path} held nothing that belongs to the tokens, so it can't be looked into.")
        values[site] = value.reshape(len(tokens), -1)
    return BaseRun(tokens, logits, values)


def forward_rows(opened: OpenedModel, tokens: TokenSequence, rows: int, *, last_only: bool = False) -> torch.Tensor:
    """Run the model once over `rows` copies of `tokens`, with whatever is tapped.

    Returns
    -------
    torch.Tensor
        Logits ``[rows, tokens, vocabulary]``; with `last_only`, where the model can do with less, of the last token
        alone.

    Raises
    ------
    ModelError
        The model gives no logits over a vocabulary for the tokens of a prompt.
    RunCancelled
        The experiment was cancelled.
    """
    name = opened.summary.architecture
    if kind_of(opened.model) == "seq2seq":
        raise ModelError(f"{name} reads with one stack and writes with another; experiments need a single one.")
    if not len(tokens):
        raise ModelError("The prompt is empty; type some text.")
    output, stopped = call(opened, _inputs(opened, tokens, rows, last_only))
    if stopped == "cancelled":
        raise RunCancelled("The experiment was cancelled.")
    logits = logits_of(output)
    if logits is None:
        raise ModelError(f"{name} gives no logits over a vocabulary, so there is nothing to measure.")
    return logits


class _Keeper:
    """Keeps the tensor of one site, on its device."""

    value: torch.Tensor | None = None

    def __call__(self, held: torch.Tensor) -> torch.Tensor:
        # A copy, because some blocks add to a part's output in place.
        self.value = held.detach().clone()
        return held


def _inputs(opened: OpenedModel, tokens: TokenSequence, rows: int, last_only: bool) -> dict[str, Any]:
    inputs = model_inputs(opened, tokens)
    if "*" in inputs:
        return {"*": tuple(_rows_of(value, rows) for value in inputs["*"])}
    accepted = _parameters(type(opened.model).forward)
    inputs = {name: _rows_of(value, rows) for name, value in inputs.items()}
    if "use_cache" in accepted:
        inputs["use_cache"] = False
    if last_only and "logits_to_keep" in accepted:
        inputs["logits_to_keep"] = 1
    return inputs


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def _rows_of(value: Any, rows: int) -> Any:
    if not isinstance(value, torch.Tensor) or not value.dim() or value.shape[0] != 1:
        return value
    return value.expand(rows, *value.shape[1:])


def rows_that_fit(opened: OpenedModel, tokens: Sequence[int], last_only: bool, budget: int = 1 << 28) -> int:
    """Return how many rows to run at once so that logits and attention stay within `budget` bytes; 1 to 64."""
    count, summary = len(tokens), opened.summary
    per_row = 4 * (
        (1 if last_only else 2 * count) * summary.vocabulary
        + summary.heads * count * count
        + 16 * count * max(1, summary.width)
    )
    return max(1, min(64, budget // max(1, per_row)))
