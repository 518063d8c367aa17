"""Activation patching: which places inside the model carry what tells two prompts apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core_hooks.analysis.alignment import insist_on_one_to_one
from core_hooks.analysis.base_run import run_base
from core_hooks.analysis.metrics import Divergence, LogitDifference, Metric, Probability
from core_hooks.analysis.parts import Handle, Part, handles_of
from core_hooks.analysis.sweep import Edit, Variant, sweep
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import token_text

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    import torch

    from core_hooks.analysis.base_run import BaseRun
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

Patched = Literal["residual", "heads", "attention", "mlp"]
Measure = Literal["logit difference", "probability", "divergence"]
_LEAST = 1e-5  # relative difference of the metric below which it is rounding
_PARTS: dict[Patched, Part] = {"residual": "block", "heads": "heads", "attention": "attention", "mlp": "mlp"}


@dataclass(frozen=True, slots=True, eq=False)
class PatchingMap:
    """How much of the clean run each place brings back.

    Attributes
    ----------
    part
        What was patched.
    metric
        Name of the metric, with its unit.
    clean, corrupted
        The metric of both runs as they are.
    recovered
        ``(patched - corrupted) / (clean - corrupted)``: 0 is as corrupted, 1 as clean; float32 ``[blocks, tokens]``,
        for heads ``[blocks, heads]``. NaN where there is no such part, it was not asked for, or it failed.
    failures
        Why, for the cells that failed.
    """

    part: Patched
    metric: str
    clean: float
    corrupted: float
    recovered: np.ndarray
    failures: dict[tuple[int, int], str]


def patch(
    opened: OpenedModel,
    anatomy: Anatomy,
    clean: TokenSequence,
    corrupted: TokenSequence,
    part: Patched = "residual",
    metric: Metric | Measure = "logit difference",
    *,
    places: Collection[tuple[int, int]] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> PatchingMap:
    """Put what the clean run held, place by place, into the corrupted run and measure what comes back.

    Method: Meng et al., "Locating and Editing Factual Associations in GPT" (2022); Heimersheim and Nanda, "How to use
    and interpret activation patching" (2024). Hooks that are attached to the model look away meanwhile.

    Parameters
    ----------
    part
        ``"residual"``: what a block returns, at one token. ``"attention"``, ``"mlp"``: what it adds to the residual
        stream, at one token. ``"heads"``: one head, at all tokens.
    metric
        ``"logit difference"``: the word that the clean run finds likeliest next against that of the corrupted run;
        ``"probability"`` of the former; ``"divergence"`` of the prediction after the last token from the clean one;
        or any metric.
    places
        Only these cells: block, and token or head.
    on_progress, cancel
        See `sweep`.

    Raises
    ------
    ModelError
        The prompts don't align token by token, the metric does not tell them apart, or the model has no such part.
    RunCancelled
        `cancel` was set.
    """
    insist_on_one_to_one(clean, corrupted)
    handles = handles_of(opened, anatomy, _PARTS[part], clean, cancel)
    sites = {handle.site for row in handles for handle in row}
    last_only = isinstance(metric, str) or metric.last_only
    source = run_base(opened, clean, sites, last_only=last_only, cancel=cancel)
    base = run_base(opened, corrupted, last_only=last_only, cancel=cancel)
    chosen = _metric(opened, metric, source, base) if isinstance(metric, str) else metric
    whole, nothing = float(chosen(source.logits, clean.ids)[0]), float(chosen(base.logits, corrupted.ids)[0])
    if not abs(whole - nothing) > _LEAST * max(abs(whole), abs(nothing)):
        raise ModelError(
            f"The {chosen.name} is {whole:.4g} for both prompts, so there is nothing to bring back; "
            "choose another metric or prompt."
        )
    columns = max(len(row) for row in handles) if part == "heads" else len(clean)
    variants = [
        Variant((block, column), (_edit(handle, source, None if part == "heads" else column),))
        for block, row in enumerate(handles)
        for column, handle in enumerate(row if part == "heads" else row * columns)
        if places is None or (block, column) in places
    ]
    result = sweep(opened, anatomy, corrupted, variants, chosen, on_progress=on_progress, cancel=cancel)
    recovered = np.full((len(handles), columns), np.nan, np.float32)
    for place, value in result.values.items():
        recovered[place] = (value - nothing) / (whole - nothing)
    return PatchingMap(part, chosen.name, whole, nothing, recovered, result.failures)


def _edit(handle: Handle, source: BaseRun, token: int | None) -> Edit:
    values = source.values[handle.site][:, handle.channels]
    rows = slice(None) if token is None else slice(token, token + 1)

    def change(row: torch.Tensor) -> None:
        row[rows, handle.channels] = values[rows]

    return Edit(handle.block, handle.site, change)


def _metric(opened: OpenedModel, measure: Measure, clean: BaseRun, corrupted: BaseRun) -> Metric:
    if measure == "divergence":
        return Divergence(clean.logits[0, -1])
    right, wrong = int(clean.logits[0, -1].argmax()), int(corrupted.logits[0, -1].argmax())
    if measure == "probability":
        return Probability(right)
    if right == wrong:
        raise ModelError(
            f"Both prompts are continued with {token_text(opened, right)!r}, so their logit difference is 0; "
            "name two words, or measure the probability or the divergence."
        )
    return LogitDifference(right, wrong)
