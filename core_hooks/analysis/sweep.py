"""Many variants of one forward, each with its own change somewhere inside, run as rows of batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from core_hooks.analysis.base_run import Site, alone, forward_rows, rows_that_fit
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.errors import HookError, RunCancelled
from core_hooks.hooks.function_controller import FunctionController
from core_hooks.hooks.hook_type import HookType
from core_hooks.model.architecture import one_line

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from typing import Any

    from torch import nn

    from core_hooks.analysis.metrics import Metric
    from core_hooks.hooks.hook import Hook
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

Place = tuple[int, int]
_WHOLE = -1  # where a row starts that is there from the beginning


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
        Called with ``[tokens, channels]`` of one row, in the model's dtype, to be changed in place.
    """

    block: int
    site: Site
    change: Callable[[torch.Tensor], None]


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
    unchanged: torch.Tensor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> SweepResult:
    """Measure each variant of the forward over `tokens`.

    Variants run as rows of batches that branch off the unchanged forward where their first edit lies: what comes
    before is computed once for all. Where an architecture does not take a batch that grows, the rows run whole. A
    batch that fails is halved until the variant that fails is alone. Hooks that are attached to the model look away
    meanwhile.

    Parameters
    ----------
    unchanged
        Logits of the forward without edits where they are known, ``[1, tokens, vocabulary]`` or of the last token alone
        if `metric` needs no others; what the batches make of it is checked against them.
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
    runner = _Runner(opened, anatomy, tokens, metric, unchanged)
    # One row is the unchanged forward, off which the others branch.
    most = max(1, rows_that_fit(opened, tokens.ids, metric.last_only) - 1)
    ordered = sorted(variants, key=runner.start)
    with alone(opened, runner.hooks(variants), cancel):
        for first in range(0, len(ordered), most):
            runner.run(ordered[first : first + most])
            if on_progress is not None:
                on_progress(min(first + most, len(ordered)), len(ordered))
    return SweepResult(runner.baseline, runner.values, runner.failures)


class _Runner:
    """Runs batches of variants and files their numbers."""

    def __init__(
        self,
        opened: OpenedModel,
        anatomy: Anatomy,
        tokens: TokenSequence,
        metric: Metric,
        unchanged: torch.Tensor | None,
    ) -> None:
        self._opened, self._anatomy, self._tokens, self._metric = opened, anatomy, tokens, metric
        self._unchanged = unchanged
        self._branches: bool | None = None  # not known before the first batch
        self._growers = [_Grower() for _ in range(len(anatomy.blocks) + 1)]
        self._editors: dict[Site, _Editor] = {}
        self.baseline = math.nan
        self.values: dict[Place, float] = {}
        self.failures: dict[Place, str] = {}

    def start(self, variant: Variant) -> int:
        """Return how many blocks come before every edit; a block counts when what is edited is what it returns."""
        blocks = self._anatomy.blocks
        return min((e.block + (e.site == Site(blocks[e.block].path)) for e in variant.edits), default=0)

    def hooks(self, variants: Sequence[Variant]) -> dict[str, list[Hook]]:
        """Return the hooks by which all variants are run, attached once for all batches."""
        paths = [block.path for block in self._anatomy.blocks]
        hooks: dict[str, list[Hook]] = {path: [_CancelPoint()] for path in paths}
        hooks[paths[0]].append(_controller(paths[0], self._growers[0], before=True))
        for path, grower in zip(paths, self._growers[1:], strict=True):
            hooks[path].append(_controller(path, grower))
        for site in dict.fromkeys(edit.site for variant in variants for edit in variant.edits):
            editor = self._editors[site] = _Editor(len(self._tokens))
            hooks.setdefault(site.path, []).append(_controller(site.path, editor, site.before))
        return hooks

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
            cause = error.original_error if isinstance(error, HookError) else error
            self.values[batch[0].place] = math.nan
            self.failures[batch[0].place] = f"{one_line(cause)}."
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
        if self._branches is None:
            starts.append(len(self._anatomy.blocks) - 1)
            logits = self._tried(batch, starts)
        elif self._branches:
            logits = self._forward(batch, starts)
        if logits is None:
            starts = [_WHOLE] * len(batch)
            logits = self._forward(batch, starts)
            self._branches = False  # these rows ran, so it was the growing that did not
        return logits, _rows(starts)

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
        if logits.shape[0] != len(starts) + 1:
            return None
        unchanged = logits[[0, _rows(starts)[-1]]]
        if not _close(unchanged, unchanged[:1] if self._unchanged is None else self._unchanged):
            return None
        self._branches = True
        return logits

    def _forward(self, batch: Sequence[Variant], starts: list[int]) -> torch.Tensor:
        """Return the logits of the unchanged forward and of rows that branch off it before block ``starts[i]``."""
        for index, grower in enumerate(self._growers):
            grower.rows = starts.count(index)
        for editor in self._editors.values():
            editor.changes = []
        for row, variant in zip(_rows(starts), batch, strict=False):
            for edit in variant.edits:
                self._editors[edit.site].changes.append((row, edit.change))
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
    found, wanted = found.float().nan_to_num(), wanted.float().nan_to_num().expand_as(found)
    return bool((found - wanted).abs().max() <= precision * (float(wanted.abs().max()) + 1e-6))


class _CancelPoint(Detector):
    """Looks at nothing: being called is what lets the run be cancelled there."""

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        pass


class _Grower:
    """Adds copies of the first row, which nothing has changed, to a batch."""

    rows = 0

    def __call__(self, held: torch.Tensor) -> torch.Tensor:
        if not self.rows:
            return held
        return torch.cat([held, held[:1].expand(self.rows, *held.shape[1:])])


class _Editor:
    """Changes the rows of one site that the batch at hand wants changed."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self.changes: list[tuple[int, Callable[[torch.Tensor], None]]] = []

    def __call__(self, held: torch.Tensor) -> torch.Tensor:
        if not self.changes:
            return held
        edited = held.clone(memory_format=torch.contiguous_format)
        # Some parts see all tokens of all rows as one list.
        by_row = edited.view(-1, self._tokens, edited.shape[-1])
        for row, change in self.changes:
            change(by_row[row])
        return edited


def _controller(path: str, function: Callable[[torch.Tensor], torch.Tensor], before: bool = False) -> Hook:
    when = HookType.PRE_FORWARD if before else HookType.FORWARD
    return FunctionController(path, function, when, allow_shape_change=True)
