"""Activation patching: which places inside the model carry what tells two prompts apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core_hooks.analysis.alignment import insist_on_one_to_one
from core_hooks.analysis.base_run import forward_rows, run_base
from core_hooks.analysis.metrics import Divergence, LogitDifference, Metric, Probability
from core_hooks.analysis.parts import Handle, Part, handles_of
from core_hooks.analysis.sweep import Edit, Variant, sweep
from core_hooks.analysis.taps import tapped
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
PARTS: dict[Patched, Part] = {"residual": "block", "heads": "heads", "attention": "attention", "mlp": "mlp"}


@dataclass(frozen=True, slots=True, eq=False)
class PatchingMap:
    """How much of the clean run each place brings back.

    Attributes
    ----------
    part
        What was patched.
    metric
        Name of the metric, with its unit.
    words
        Vocabulary ids of what is measured: the word that should be said and, for a logit difference, the one that
        should not; empty for other metrics.
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
    words: tuple[int, ...]
    clean: float
    corrupted: float
    recovered: np.ndarray
    failures: dict[tuple[int, int], str]


@dataclass(frozen=True, slots=True, eq=False)
class PatchedForward:
    """The corrupted run with one place of the clean run in it.

    Attributes
    ----------
    metric, words, clean, corrupted
        As in `PatchingMap`.
    patched
        The metric of the patched forward.
    before, after
        Logits after the last token, ``[vocabulary]``, of the corrupted run as it is and with the place in it.
    """

    metric: str
    words: tuple[int, ...]
    clean: float
    corrupted: float
    patched: float
    before: torch.Tensor
    after: torch.Tensor

    @property
    def recovered(self) -> float:
        """As in `PatchingMap`; NaN when the metric does not tell the runs apart."""
        whole = self.clean - self.corrupted
        return (self.patched - self.corrupted) / whole if _telling(self.clean, self.corrupted) else float("nan")


def patch(
    opened: OpenedModel,
    anatomy: Anatomy,
    clean: TokenSequence,
    corrupted: TokenSequence,
    part: Patched = "residual",
    metric: Metric | Measure = "logit difference",
    *,
    words: tuple[int, int] = (-1, -1),
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
    words
        Vocabulary ids that take the place of the likeliest ones; -1 for those that are not named.
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
    handles = handles_of(opened, anatomy, PARTS[part], clean, cancel)
    sites = {handle.site for row in handles for handle in row}
    last_only = isinstance(metric, str) or metric.last_only
    source = run_base(opened, clean, sites, last_only=last_only, cancel=cancel)
    base = run_base(opened, corrupted, last_only=last_only, cancel=cancel)
    chosen = _metric(opened, metric, words, source, base) if isinstance(metric, str) else metric
    whole, nothing = float(chosen(source.logits, clean.ids)[0]), float(chosen(base.logits, corrupted.ids)[0])
    if not _telling(whole, nothing):
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
    return PatchingMap(part, chosen.name, _words(chosen), whole, nothing, recovered, result.failures)


def patch_one(
    opened: OpenedModel,
    anatomy: Anatomy,
    clean: TokenSequence,
    corrupted: TokenSequence,
    source: tuple[int, int],
    target: tuple[int, int] | None = None,
    part: Patched = "residual",
    metric: Metric | Measure = "logit difference",
    *,
    words: tuple[int, int] = (-1, -1),
    cancel: threading.Event | None = None,
) -> PatchedForward:
    """Put what the clean run held at one place into the corrupted run, at the same place or at another.

    Parameters
    ----------
    source
        Block, and token of the clean run or head.
    target
        Block, and token of the corrupted run or head; default: `source`. The prompts need not align, but for heads,
        which are put in at all tokens, they must be equally long.
    part, metric, words, cancel
        As in `patch`.

    Raises
    ------
    ModelError
        There is no such place, or the model has no such part.
    RunCancelled
        `cancel` was set.
    """
    handles = handles_of(opened, anatomy, PARTS[part], clean, cancel)
    here = _handle(opened, handles, source, clean, part)
    there = _handle(opened, handles, target or source, corrupted, part)
    if part == "heads" and len(clean) != len(corrupted):
        raise ModelError(
            f"A head is put in at all tokens, and the prompts have {len(clean)} and {len(corrupted)}; choose a part at "
            "one token, or prompts of one length."
        )
    last_only = isinstance(metric, str) or metric.last_only
    first = run_base(opened, clean, {here.site}, last_only=last_only, cancel=cancel)
    base = run_base(opened, corrupted, last_only=last_only, cancel=cancel)
    values = first.values[here.site][:, here.channels]
    rows = slice(None) if part == "heads" else (target or source)[1]
    new = values if part == "heads" else values[source[1]]

    def put(held: torch.Tensor) -> torch.Tensor:
        changed = held.clone()
        changed.view(-1, changed.shape[-1])[rows, there.channels] = new
        return changed

    with tapped(opened.model, {there.site: (put,)}, cancel):
        logits = forward_rows(opened, corrupted, 1, last_only=last_only)
    # The word that the clean run finds likeliest may be that of the corrupted run too; the forward tells all the same.
    chosen = metric if not isinstance(metric, str) else _metric(opened, metric, words, first, base, insist=False)
    return PatchedForward(
        chosen.name,
        _words(chosen),
        float(chosen(first.logits, clean.ids)[0]),
        float(chosen(base.logits, corrupted.ids)[0]),
        float(chosen(logits, corrupted.ids)[0]),
        base.logits[0, -1],
        logits[0, -1],
    )


def _handle(
    opened: OpenedModel,
    handles: tuple[tuple[Handle, ...], ...],
    place: tuple[int, int],
    tokens: TokenSequence,
    part: Patched,
) -> Handle:
    block, column = place
    row = handles[block] if 0 <= block < len(handles) else ()
    columns = len(row) if part == "heads" else len(tokens) if row else 0
    if not 0 <= column < columns:
        raise ModelError(f"{opened.summary.name} has no place {column} in block {block} to put anything.")
    return row[column if part == "heads" else 0]


def _telling(clean: float, corrupted: float) -> bool:
    """Whether a metric tells the runs apart by more than rounding."""
    return abs(clean - corrupted) > _LEAST * max(abs(clean), abs(corrupted))


def _words(metric: Metric) -> tuple[int, ...]:
    if isinstance(metric, LogitDifference):
        return metric.right, metric.wrong
    return (metric.token,) if isinstance(metric, Probability) else ()


def _edit(handle: Handle, source: BaseRun, token: int | None) -> Edit:
    values = source.values[handle.site][:, handle.channels]
    rows = slice(None) if token is None else slice(token, token + 1)

    def change(row: torch.Tensor) -> None:
        row[rows, handle.channels] = values[rows]

    return Edit(handle.block, handle.site, change)


def _metric(
    opened: OpenedModel,
    measure: Measure,
    words: tuple[int, int],
    clean: BaseRun,
    corrupted: BaseRun,
    *,
    insist: bool = True,
) -> Metric:
    if measure == "divergence":
        return Divergence(clean.logits[0, -1])
    likeliest = (int(run.logits[0, -1].argmax()) for run in (clean, corrupted))
    right, wrong = (named if named >= 0 else found for named, found in zip(words, likeliest, strict=True))
    if measure == "probability":
        return Probability(right)
    if insist and right == wrong:
        raise ModelError(
            f"Both prompts are continued with {token_text(opened, right)!r}, so their logit difference is 0; "
            "name two words, or measure the probability or the divergence."
        )
    return LogitDifference(right, wrong)
