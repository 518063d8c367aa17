"""Many variants of one forward, each with its own change somewhere inside, run as rows of batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import nn

from core_hooks.analysis.base_run import forward_rows, rows_that_fit
from core_hooks.analysis.branching import Grower, Saving
from core_hooks.analysis.taps import Site, tapped
from core_hooks.hooks.errors import RunCancelled
from core_hooks.model.architecture import one_line

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from core_hooks.analysis.metrics import Metric
    from core_hooks.analysis.taps import Function
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

Place = tuple[int, int]
_WHOLE = -1  # where a row starts that is there from the beginning

# Models that were seen to take a batch that grows, and with which detours: it is proved once for each.
_proved: WeakKeyDictionary[nn.Module, set[tuple[bool, bool]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """A change of what one site holds.

    Attributes
    ----------
    block
        Index of the block that the site lies in.
    site
        The site; the block's own output counts as inside it.
    change
        Called with ``[tokens, channels]`` of one row, in the model's dtype, to be changed in place, and with what
        each of `reads` holds in the unchanged forward, of the same shape.
    reads
        Sites that come no later than `site` in the forward.
    """

    block: int
    site: Site
    change: Callable[..., None]
    reads: tuple[Site, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A forward with some edits, and the cell of a map that it fills: row and column."""

    place: Place
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """The metric of each variant by its place, NaN where it failed, and the sentence why.

    `baseline` is the metric of the unchanged forward, as it ran beside the variants; NaN when none of them ran.
    """

    baseline: float
    values: dict[Place, float]
    failures: dict[Place, str]


def sweep(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    variants: Sequence[Variant],
    metric: Metric,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> SweepResult:
    """Measure each variant of the forward over `tokens`.

    Variants run as rows of batches that branch off the unchanged forward where their first edit lies: what comes
    before is computed once for all, the attention and MLP of the edit's own block included. Where an architecture
    does not take a batch that grows, the rows run whole. A batch that fails is halved until the variant that fails is
    alone. Hooks that are attached to the model look away meanwhile.

    Parameters
    ----------
    on_progress
        Called with the number of variants measured and that of all.
    cancel
        Checked in every block.

    Raises
    ------
    ModelError
        The metric can't be measured on these tokens.
    RunCancelled
        `cancel` was set.
    """
    runner = _Runner(opened, anatomy, tokens, metric)
    # One row is the unchanged forward, off which the others branch.
    most = max(1, rows_that_fit(opened, tokens.ids, metric.last_only) - 1)
    ordered = sorted(variants, key=runner.start)
    with tapped(opened.model, runner.functions(variants), cancel):
        for first in range(0, len(ordered), most):
            runner.run(ordered[first : first + most])
            if on_progress is not None:
                on_progress(min(first + most, len(ordered)), len(ordered))
    return SweepResult(runner.baseline, runner.values, runner.failures)


class _Runner:
    """Runs batches of variants and files their numbers."""

    def __init__(self, opened: OpenedModel, anatomy: Anatomy, tokens: TokenSequence, metric: Metric) -> None:
        self._opened, self._anatomy, self._tokens, self._metric = opened, anatomy, tokens, metric
        self._branches: bool | None = None  # not known before the first batch
        self._growers = [Grower() for _ in range(len(anatomy.blocks) + 1)]
        self._savings: list[Saving] = []
        self._kept: dict[Site, _Kept] = {}
        self._editors: dict[Site, _Editor] = {}
        self.baseline = math.nan
        self.values: dict[Place, float] = {}
        self.failures: dict[Place, str] = {}

    def start(self, variant: Variant) -> int:
        """Return how many blocks come before every edit; a block counts when what is edited is what it returns."""
        blocks = self._anatomy.blocks
        return min((e.block + (e.site == Site(blocks[e.block].path)) for e in variant.edits), default=0)

    def functions(self, variants: Sequence[Variant]) -> dict[Site, list[Function]]:
        """Return the functions by which all variants are run, for all batches."""
        blocks, edits = self._anatomy.blocks, [edit for variant in variants for edit in variant.edits]
        found: dict[Site, list[Function]] = {}
        sites = [Site(blocks[0].path, before=True), *(Site(block.path) for block in blocks)]
        for site in dict.fromkeys(s for edit in edits for s in edit.reads):
            self._kept[site] = _Kept(len(self._tokens))
            found[site] = [self._kept[site]]
        self._savings = [Saving(index, block) for index, block in enumerate(blocks)]
        for saving in self._savings:
            for site, function in saving.functions({edit.site for edit in edits if edit.block == saving.index}):
                found.setdefault(site, []).append(function)
        for site, grower in zip(sites, self._growers, strict=True):
            found.setdefault(site, []).append(grower)
        for site in dict.fromkeys(edit.site for edit in edits):
            self._editors[site] = _Editor(len(self._tokens), self._kept)
            found.setdefault(site, []).append(self._editors[site])
        return found

    def run(self, batch: Sequence[Variant]) -> None:
        """Measure variants, sorted by where they start."""
        try:
            logits, rows = self._logits(batch)
        except RunCancelled:
            raise
        except Exception as error:  # noqa: BLE001 - a cell shows whatever made it fail
            if len(batch) > 1:
                self.run(batch[: len(batch) // 2])
                self.run(batch[len(batch) // 2 :])
                return
            self.values[batch[0].place] = math.nan
            self.failures[batch[0].place] = f"{one_line(error)}."
            return
        # Outside of the attempt: a metric that can't be measured is no cell's failure.
        numbers = self._metric(logits, self._tokens.ids).tolist()
        self.baseline = numbers[0]
        for variant, row in zip(batch, rows, strict=False):
            self.values[variant.place] = numbers[row]
            if math.isnan(numbers[row]):
                reason = f"The {self._metric.name} is not a number: the logits hold NaN or infinity."
                self.failures[variant.place] = reason

    def _logits(self, batch: Sequence[Variant]) -> tuple[torch.Tensor, list[int]]:
        """Return the logits of the unchanged forward and of the variants, and the row of each variant."""
        starts = [self.start(variant) for variant in batch]
        logits = None
        detours = self._savings[self._probe(starts)].detours
        if self._branches is None and detours not in _proved.get(self._opened.model, ()):
            starts.append(self._probe(starts))
            logits = self._tried(batch, starts)
            if logits is not None:
                _proved.setdefault(self._opened.model, set()).add(detours)
        elif self._branches is not False:
            logits = self._forward(batch, starts)
        if logits is None:
            starts = [_WHOLE] * len(batch)
            logits = self._forward(batch, starts)
            self._branches = False  # these rows ran, so it was the growing that did not
        return logits, _rows(starts)

    def _probe(self, starts: list[int]) -> int:
        """Return the last block at which rows begin and take a detour, or the last of all."""
        blocks = range(len(self._savings))
        taken = [start for start in starts if start in blocks and any(self._savings[start].detours)]
        return max(taken, default=len(blocks) - 1)

    def _tried(self, batch: Sequence[Variant], starts: list[int]) -> torch.Tensor | None:
        """Return the logits of the first batch that grows, None when this architecture does not take one.

        The last start is that of a row which is not changed: it must come out as the unchanged forward does.
        """
        try:
            logits = self._forward(batch, starts)
        except RunCancelled:
            raise
        except Exception:  # noqa: BLE001 - if it was not the growing that failed, rows that run whole fail again
            return None
        if logits.shape[0] != len(starts) + 1 or not _close(logits[_rows(starts)[-1]], logits[0]):
            return None
        self._branches = True
        return logits

    def _forward(self, batch: Sequence[Variant], starts: list[int]) -> torch.Tensor:
        """Return the logits of the unchanged forward and of rows that branch off it before block ``starts[i]``."""
        for index, grower in enumerate(self._growers):
            grower.rows = starts.count(index)
        for saving in self._savings:
            born = [variant.edits for variant, start in zip(batch, starts, strict=False) if start == saving.index]
            saving.take(self._growers[saving.index].rows, born)
        for editor in self._editors.values():
            editor.changes = []
        for row, variant in zip(_rows(starts), batch, strict=False):
            for edit in variant.edits:
                self._editors[edit.site].changes.append((row, edit))
        whole = 1 + starts.count(_WHOLE)
        return forward_rows(self._opened, self._tokens, whole, last_only=self._metric.last_only)


def _rows(starts: list[int]) -> list[int]:
    """Return the row of each variant in a batch that grows at the block where it starts."""
    order = sorted(range(len(starts)), key=starts.__getitem__)
    rows = [0] * len(starts)
    for row, index in enumerate(order, 1):
        rows[index] = row
    return rows


def _close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether rows of logits are the one that they should be, but for what a batch of another size rounds otherwise."""
    precision = 1e-3 if wanted.dtype in (torch.float32, torch.float64) else 5e-2
    found, wanted = found.float().nan_to_num(), wanted.float().nan_to_num()
    return bool((found - wanted).abs().max() <= precision * (float(wanted.abs().max()) + 1e-6))


class _Kept:
    """What one site holds in the unchanged row."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self.value = torch.empty(0)

    def __call__(self, held: torch.Tensor) -> torch.Tensor:
        # A copy, because some blocks add to a part's output in place.
        self.value = held.reshape(-1, self._tokens, held.shape[-1])[0].clone()
        return held


class _Editor:
    """Changes the rows of one site that the batch at hand wants changed."""

    def __init__(self, tokens: int, kept: dict[Site, _Kept]) -> None:
        self._tokens, self._kept = tokens, kept
        self.changes: list[tuple[int, Edit]] = []

    def __call__(self, held: torch.Tensor) -> torch.Tensor:
        if not self.changes:
            return held
        edited = held.clone(memory_format=torch.contiguous_format)
        # Some parts see all tokens of all rows as one list.
        by_row = edited.view(-1, self._tokens, edited.shape[-1])
        for row, edit in self.changes:
            edit.change(by_row[row], *(self._kept[site].value for site in edit.reads))
        return edited
