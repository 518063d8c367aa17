"""Many variants of one forward, each with its own change somewhere inside, run as rows of batches."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from core_hooks.analysis.base_run import BaseRun, Site, can_skip, rows_that_fit, run_rows, skipping
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

Place = tuple[int, int]
_WORTH_REUSING = 4  # variants from which on a check whether blocks can be skipped pays


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
    """The metric of each variant by its place, NaN where it failed, and the sentence why."""

    values: dict[Place, float]
    failures: dict[Place, str]


def sweep(
    opened: OpenedModel,
    anatomy: Anatomy,
    base: BaseRun,
    variants: Sequence[Variant],
    metric: Metric,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> SweepResult:
    """Measure each variant of `base`.

    Variants whose first edit lies in the same block run together, as rows of a batch, and the blocks before it are
    not computed again where that gives the same numbers. A batch that fails is halved until the variant that fails is
    alone. Hooks that are attached to the model look away meanwhile.

    Parameters
    ----------
    base
        The forward without edits, from `run_base`.
    on_progress
        Called with the number of variants measured and that of all.
    cancel
        Checked in every block.

    Raises
    ------
    RunCancelled
        `cancel` was set.
    """
    runner = _Runner(opened, anatomy, base, metric, cancel)
    if len(variants) >= _WORTH_REUSING:
        runner.reuse = can_skip(opened, anatomy, base, last_only=metric.last_only)
    by_start: dict[int, list[Variant]] = {}
    for variant in variants:
        by_start.setdefault(min((runner.skips(edit) for edit in variant.edits), default=0), []).append(variant)
    step = rows_that_fit(opened, base.tokens.ids, metric.last_only)
    done = 0
    for start, group in sorted(by_start.items()):
        for first in range(0, len(group), step):
            chunk = group[first : first + step]
            runner.run(chunk, start)
            done += len(chunk)
            if on_progress is not None:
                on_progress(done, len(variants))
    return SweepResult(runner.values, runner.failures)


class _Runner:
    """Runs chunks of variants and files their numbers."""

    def __init__(
        self, opened: OpenedModel, anatomy: Anatomy, base: BaseRun, metric: Metric, cancel: threading.Event | None
    ) -> None:
        self._opened, self._anatomy, self._base, self._metric, self._cancel = opened, anatomy, base, metric, cancel
        self.reuse = False
        self.values: dict[Place, float] = {}
        self.failures: dict[Place, str] = {}

    def skips(self, edit: Edit) -> int:
        """Return how many blocks need not be computed before this edit: its own too when it edits what that gives."""
        own = edit.site == Site(self._anatomy.blocks[edit.block].path)
        return edit.block + own

    def run(self, chunk: Sequence[Variant], start: int) -> None:
        """Measure variants, all of whose edits come after the first `start` blocks."""
        try:
            numbers = self._measure(chunk, start)
        except RunCancelled:
            raise
        except Exception as error:  # noqa: BLE001 - a cell shows whatever made it fail
            if len(chunk) > 1:
                middle = len(chunk) // 2
                self.run(chunk[:middle], start)
                self.run(chunk[middle:], start)
                return
            cause = error.original_error if isinstance(error, HookError) else error
            numbers = [math.nan]
            self.failures[chunk[0].place] = f"{one_line(cause)}."
        for variant, number in zip(chunk, numbers, strict=True):
            self.values[variant.place] = number
            if math.isnan(number):
                reason = f"The {self._metric.name} is not a number: the logits hold NaN or infinity."
                self.failures.setdefault(variant.place, reason)

    def _measure(self, chunk: Sequence[Variant], start: int) -> list[float]:
        changes: dict[Site, list[tuple[int, Callable[[torch.Tensor], None]]]] = {}
        for row, variant in enumerate(chunk):
            for edit in variant.edits:
                changes.setdefault(edit.site, []).append((row, edit.change))
        hooks: dict[str, list[Hook]] = {block.path: [_CancelPoint()] for block in self._anatomy.blocks}
        for site, rows in changes.items():
            hooks.setdefault(site.path, []).append(_editor(site, rows, len(chunk), len(self._base.tokens)))
        with ExitStack() as stack:
            if self.reuse:
                stack.enter_context(skipping(self._opened, self._anatomy, self._base, start, len(chunk)))
            logits = run_rows(
                self._opened,
                self._base.tokens,
                len(chunk),
                hooks,
                last_only=self._metric.last_only,
                cancel=self._cancel,
            )
        numbers: list[float] = self._metric(logits, self._base.tokens.ids).tolist()
        return numbers


class _CancelPoint(Detector):
    """Looks at nothing: being called is what lets the run be cancelled there."""

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        pass


def _editor(
    site: Site, changes: list[tuple[int, Callable[[torch.Tensor], None]]], rows: int, tokens: int
) -> FunctionController:
    def edit(held: torch.Tensor) -> torch.Tensor:
        edited = held.clone(memory_format=torch.contiguous_format)
        # Some parts see all tokens of all rows as one list.
        by_row = edited.view(rows, tokens, -1)
        for row, change in changes:
            change(by_row[row])
        return edited

    return FunctionController(site.path, edit, HookType.PRE_FORWARD if site.before else HookType.FORWARD)
