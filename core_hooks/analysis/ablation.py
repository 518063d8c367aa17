"""Ablation: what is lost when a head, an MLP or a block is taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from core_hooks.analysis.base_run import run_base
from core_hooks.analysis.metrics import Loss, Metric
from core_hooks.analysis.parts import Handle, handles_of
from core_hooks.analysis.sweep import Edit, Variant, sweep
from core_hooks.analysis.taps import Site
from core_hooks.model.architecture import kind_of
from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from core_hooks.analysis.base_run import BaseRun
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

Ablated = Literal["heads", "mlp", "block"]
By = Literal["zero", "mean", "resample"]


@dataclass(frozen=True, slots=True, eq=False)
class AblationMap:
    """What each part is worth.

    Attributes
    ----------
    part, by
        What was taken out, and what was put in its place.
    metric
        Name of the metric, with its unit.
    baseline
        The metric of the model as it is.
    change
        The metric without the part, less the baseline, float32 ``[blocks, heads]``; one column for MLPs and blocks.
        NaN where there is no such part or it could not be measured.
    failures
        Why, for the cells that could not be measured.
    """

    part: Ablated
    by: By
    metric: str
    baseline: float
    change: np.ndarray
    failures: dict[tuple[int, int], str]


def ablate(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    part: Ablated = "heads",
    by: By = "zero",
    metric: Metric | None = None,
    *,
    reference: Sequence[TokenSequence] = (),
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> AblationMap:
    """Take every head, MLP or block out in turn and measure what changes.

    A head is what the output projection is given in its channels, an MLP what it adds to the residual stream, a block
    what it returns less what it is given. Hooks that are attached to the model look away meanwhile.

    Parameters
    ----------
    by
        ``"zero"``: nothing in its place. ``"mean"``: its mean over all tokens of the reference, at every token.
        ``"resample"``: at every token what it held at a token of the reference that was drawn at random (after
        Chan et al., "Causal Scrubbing", 2022); the same draw for every cell.
    metric
        Default: the mean loss of all tokens but the first.
    reference
        Sequences for ``"mean"`` and ``"resample"``; default: `tokens` alone.
    seed
        Of the draw.
    on_progress, cancel
        See `sweep`.

    Raises
    ------
    ModelError
        The model has no such part or does not run on these tokens.
    RunCancelled
        `cancel` was set.
    """
    metric = metric or Loss()
    handles, edits = _prepare(opened, anatomy, tokens, part, by, metric, reference, seed, cancel)
    variants = [
        Variant((block, column), (edits(handle),))
        for block, row in enumerate(handles)
        for column, handle in enumerate(row)
    ]
    result = sweep(opened, anatomy, tokens, variants, metric, on_progress=on_progress, cancel=cancel)
    change = np.full((len(handles), max(len(row) for row in handles)), np.nan, np.float32)
    for place, value in result.values.items():
        change[place] = value - result.baseline
    return AblationMap(part, by, metric.name, result.baseline, change, result.failures)


def ablate_together(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    places: Sequence[tuple[int, int]],
    part: Ablated = "heads",
    by: By = "zero",
    metric: Metric | None = None,
    *,
    reference: Sequence[TokenSequence] = (),
    seed: int = 0,
    cancel: threading.Event | None = None,
) -> float:
    """Return the metric with several heads, MLPs or blocks taken out at once; parameters as in `ablate`.

    Parameters
    ----------
    places
        Block and head of each; the head is 0 for MLPs and blocks.

    Raises
    ------
    ModelError
        As `ablate`; also for a place that the model does not have, and when it can't be measured.
    """
    metric = metric or Loss()
    handles, edits = _prepare(opened, anatomy, tokens, part, by, metric, reference, seed, cancel)
    chosen = []
    for block, column in places:
        if not 0 <= block < len(handles) or not 0 <= column < len(handles[block]):
            raise ModelError(f"{opened.summary.name} has no place {column} in block {block} among its {part}.")
        chosen.append(edits(handles[block][column]))
    result = sweep(opened, anatomy, tokens, [Variant((0, 0), tuple(chosen))], metric, cancel=cancel)
    if result.failures:
        raise ModelError(result.failures[0, 0])
    return result.values[0, 0]


def _prepare(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    part: Ablated,
    by: By,
    metric: Metric,
    reference: Sequence[TokenSequence],
    seed: int,
    cancel: threading.Event | None,
) -> tuple[tuple[tuple[Handle, ...], ...], Callable[[Handle], Edit]]:
    """Return what can be taken out, and how to take it out."""
    if isinstance(metric, Loss) and kind_of(opened.model) == "masked":
        raise ModelError(f"{opened.summary.architecture} does not predict the next token, so it has no loss to add to.")
    handles = handles_of(opened, anatomy, part, tokens, cancel)
    pools: list[BaseRun] = []
    if by != "zero" and reference:
        sites = {site for row in handles for handle in row for site in _sites(handle, part)}
        pools = [run_base(opened, other, sites, last_only=True, cancel=cancel) for other in reference]
    total = sum(len(pool.tokens) for pool in pools) or len(tokens)
    drawn = torch.from_numpy(np.random.default_rng(seed).integers(0, max(1, total), len(tokens)))

    def substitute(values: torch.Tensor) -> torch.Tensor:
        # Averaged in float32: half precision would lose most of a long sum.
        return values.float().mean(0).to(values.dtype) if by == "mean" else values[drawn.to(values.device)]

    def of_pools(handle: Handle) -> torch.Tensor:
        held = [torch.cat([pool.values[site] for pool in pools]) for site in _sites(handle, part)]
        return substitute(_held(handle, *held))

    def edits(handle: Handle) -> Edit:
        known = of_pools(handle) if pools else None

        def change(row: torch.Tensor, *held: torch.Tensor) -> None:
            if by == "zero":
                new: torch.Tensor | float = 0.0
            else:
                new = substitute(_held(handle, *held)) if known is None else known
            # What a block adds is taken out, what it was given stays.
            row[:, handle.channels] = held[-1] + new if part == "block" else new

        wanted = _sites(handle, part) if part == "block" or (by != "zero" and known is None) else ()
        return Edit(handle.block, handle.site, change, wanted)

    return handles, edits


def _sites(handle: Handle, part: Ablated) -> tuple[Site, ...]:
    """Return where to look for what a part gives: of a block, that is what it returns less what it is given."""
    return (handle.site, Site(handle.site.path, before=True)) if part == "block" else (handle.site,)


def _held(handle: Handle, after: torch.Tensor, *before: torch.Tensor) -> torch.Tensor:
    return after - before[0] if before else after[:, handle.channels]
