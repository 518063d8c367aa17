"""Forwards over copies of one sequence, and what was seen inside the one that nothing was changed in."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.analysis.undisturbed import undisturbed
from core_hooks.hooks.attachment import attach
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.errors import RunCancelled
from core_hooks.hooks.hook_type import HookType
from core_hooks.hooks.nested import find_input, find_output, follow
from core_hooks.hooks.run import HookRun
from core_hooks.model.architecture import kind_of
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import call, logits_of, model_inputs

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torch import nn

    from core_hooks.hooks.hook import Hook
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence


@dataclass(frozen=True, slots=True)
class Site:
    """What a module returns or, with `before`, what it is given; `path` is its dotted name."""

    path: str
    before: bool = False


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
    keepers = {site: _Keeper(site) for site in dict.fromkeys(sites)}
    hooks: dict[str, list[Hook]] = {}
    for site, keeper in keepers.items():
        hooks.setdefault(site.path, []).append(keeper)
    logits = run_rows(opened, tokens, 1, hooks, last_only=last_only, cancel=cancel)
    values = {}
    for site, keeper in keepers.items():
        value = keeper.value
        if value is None or value.numel() % len(tokens):
            raise ModelError(f"{site.path} held nothing that belongs to the tokens, so it can't be looked into.")
        values[site] = value.reshape(len(tokens), -1)
    return BaseRun(tokens, logits, values)


def run_rows(
    opened: OpenedModel,
    tokens: TokenSequence,
    rows: int,
    hooks: Mapping[str, Sequence[Hook]],
    *,
    last_only: bool = False,
    cancel: threading.Event | None = None,
) -> torch.Tensor:
    """Run the model once over `rows` copies of `tokens` with `hooks` attached, and no others acting.

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
        `cancel` was set.
    """
    with alone(opened, hooks, cancel):
        return forward_rows(opened, tokens, rows, last_only=last_only)


@contextmanager
def alone(opened: OpenedModel, hooks: Mapping[str, Sequence[Hook]], cancel: threading.Event | None) -> Iterator[None]:
    """Attach `hooks` and let no others act, in a run of their own that `cancel` ends."""
    with undisturbed(opened.model), HookRun(cancel=cancel), attach(opened.model, hooks):
        yield


def forward_rows(opened: OpenedModel, tokens: TokenSequence, rows: int, *, last_only: bool = False) -> torch.Tensor:
    """Do what `run_rows` does, with the hooks that are attached already."""
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


class _Keeper(Detector):
    """Keeps the tensor of one site, on its device."""

    def __init__(self, site: Site) -> None:
        super().__init__(hook_type=HookType.PRE_FORWARD if site.before else HookType.FORWARD)
        self._kept_site = site
        self.value: torch.Tensor | None = None

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        found = input if self._kept_site.before else output
        path = find_input(found) if self._kept_site.before else find_output(found)
        # A copy, because some blocks add to a part's output in place.
        self.value = None if path is None else follow(found, path).detach().clone()


def _inputs(opened: OpenedModel, tokens: TokenSequence, rows: int, last_only: bool) -> dict[str, Any]:
    inputs = model_inputs(opened, tokens)
    if "*" in inputs:
        return {"*": tuple(_rows_of(value, rows) for value in inputs["*"])}
    accepted = inspect.signature(type(opened.model).forward).parameters
    inputs = {name: _rows_of(value, rows) for name, value in inputs.items()}
    if "use_cache" in accepted:
        inputs["use_cache"] = False
    if last_only and "logits_to_keep" in accepted:
        inputs["logits_to_keep"] = 1
    return inputs


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
