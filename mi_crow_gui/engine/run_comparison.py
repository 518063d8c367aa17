"""Comparing two kept runs, as the model thread does it: from what they left, and by running each again as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mi_crow_gui.document.formatting import byte_size
from mi_crow_gui.engine.captured_runs import KeptValues
from mi_crow_gui.engine.tasks import ModelTask
from mi_crow_gui.plotdata.run_comparison import NOBODY, RunNumbers, RunPair, RunTokens, columns_of

if TYPE_CHECKING:
    import torch

    from core_hooks.analysis.alignment import Alignment
    from core_hooks.analysis.comparison import Comparison
    from core_hooks.analysis.residuals import Residuals
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.archive import KeptRun
    from mi_crow_gui.engine.tasks import TaskDesk

# Logits that are computed again for a comparison may take so much for each of the two runs.
_LARGEST_LOGITS = 2 << 30


@dataclass(frozen=True, slots=True)
class CompareRuns(ModelTask):
    """Compare two runs by their numbers; gives `RunNumbers`, one value a column of their alignment.

    Predictions are those that the runs kept. The residual streams, and predictions that were not kept, come from
    running each once more over its tokens with the hooks it had. Of a batch it is one `prompt`, from 0, run alone.
    """

    yields_to_runs: ClassVar[bool] = True

    a: int
    b: int
    prompt: int = 0

    @property
    def title(self) -> str:
        """What the status bar says."""
        return f"Comparing run {self.a} and run {self.b}"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> RunNumbers:
        """Run both again, each with its own hooks, and compare."""
        from core_hooks.analysis.comparison import residual_change
        from core_hooks.model.errors import ModelError

        a, b = desk.runs.get(self.a), desk.runs.get(self.b)
        if a is None or b is None:
            raise ModelError(f"Run {self.b if a is not None else self.a} is not kept any more: run it again.")
        if not len(a.tokens) or not len(b.tokens):
            raise ModelError("Runs on example inputs have no tokens to compare.")
        desk.progress(0, 3, "run A again")
        again_a = _again(a, self.prompt, opened, desk)
        desk.progress(1, 3, "run B again")
        again_b = _again(b, self.prompt, opened, desk)
        desk.progress(2, 3, "comparing")
        alignment = RunPair(run_tokens(a, self.prompt), run_tokens(b, self.prompt)).alignment()
        columns, _ = columns_of(alignment)
        paired = np.flatnonzero((columns != NOBODY).all(axis=1))
        notes = [note for note in (again_a.note, again_b.note) if note]
        norms = None
        if again_a.residuals is not None and again_b.residuals is not None:
            change = residual_change(again_a.residuals.stream, again_b.residuals.stream, alignment)
            norms = np.full((len(change), len(columns)), np.nan, np.float32)
            norms[:, paired] = change
        found = _predictions(a, again_a, b, again_b, alignment)
        if found is None:
            why = a.no_logits or b.no_logits
            notes.append(f"No predictions to compare: {opened.summary.architecture} gives no logits. {why}".strip())
        return _laid_out(opened, found, len(columns), paired, norms, tuple(dict.fromkeys(notes)))


@dataclass(frozen=True, slots=True, eq=False)
class _Again:
    """A run done once more: its residual stream if the model has one, its logits, and what is to be said of it."""

    residuals: Residuals | None
    logits: torch.Tensor | None
    note: str
    tokens: TokenSequence


def _again(kept: KeptRun, prompt: int, opened: OpenedModel, desk: TaskDesk) -> _Again:
    from core_hooks.analysis.residuals import capture_residuals
    from core_hooks.hooks.run import HookRun
    from core_hooks.model.anatomy import discover
    from core_hooks.model.errors import ModelError

    tokens = kept.tokens_of(prompt)
    needed = 4 * opened.summary.vocabulary * len(tokens)
    if kept.logits is None and needed > _LARGEST_LOGITS:
        raise ModelError(
            f"The logits of run {kept.number} were not kept, and computing them again takes {byte_size(needed)} of "
            f"{byte_size(_LARGEST_LOGITS)} allowed: compare shorter texts."
        )
    notes = []
    acting = kept.hooks if kept.controllers else ()
    with desk.attachments.as_of(acting, kept.number, tokens, KeptValues(kept)) as failures:
        with HookRun(number=kept.number, cancel=desk.cancel, controllers=kept.controllers):
            try:
                residuals = capture_residuals(opened, discover(opened), tokens)
                problem = ""
            except ModelError as error:
                residuals, problem = None, str(error)
    if problem:
        notes.append(problem)
    if failures:
        notes.append(f"A hook failed while run {kept.number} was done again, at '{failures[0].site}'.")
    if kept.hooks_changed:
        notes.append(f"Hooks were changed during run {kept.number}: norms are of the hooks it began with.")
    elif kept.outcome.generated and any(hook.code for hook in kept.hooks):
        notes.append(f"Norms of run {kept.number} are of one forward over all its tokens, in which every step is 0.")
    if kept.rows:
        number = min(prompt, len(kept.rows) - 1) + 1
        notes.append(f"Of run {kept.number} prompt {number} of {len(kept.rows)} is compared, as it would run alone.")
    logits = residuals.logits if residuals is not None else None
    return _Again(residuals, logits, " ".join(notes), tokens)


def run_tokens(kept: KeptRun, number: int = 0) -> RunTokens:
    """The tokens of a kept run as a comparison knows them; of a batch those of one prompt."""
    typed = len(kept.info.of_prompt(number).tokens) - kept.info.continued
    tokens = kept.tokens_of(number)
    return RunTokens(kept.number, tokens.ids, tokens.texts, typed)


def _predictions(a: KeptRun, again_a: _Again, b: KeptRun, again_b: _Again, alignment: Alignment) -> Comparison | None:
    import torch

    from core_hooks.analysis.comparison import compare
    from core_hooks.model.errors import ModelError

    logits = []
    for kept, again in ((a, again_a), (b, again_b)):
        own = again.logits
        if kept.logits is not None:
            shared = kept.logits.view()
            # torch warns of memory that it can't write to; here it is only read.
            shared.flags.writeable = True
            own = torch.from_numpy(shared)
        if own is None or own.shape[0] not in (len(again.tokens), len(again.tokens) - 1):
            return None
        logits.append(own)
    try:
        return compare(again_a.tokens.ids, logits[0], again_b.tokens.ids, logits[1], alignment)
    except ValueError as error:
        raise ModelError(str(error)) from error


def _laid_out(
    opened: OpenedModel,
    found: Comparison | None,
    columns: int,
    paired: np.ndarray,
    norms: np.ndarray | None,
    notes: tuple[str, ...],
) -> RunNumbers:
    from core_hooks.model.prompt import token_text

    def spread(values: np.ndarray | None) -> np.ndarray:
        whole = np.full(columns, np.nan, np.float32)
        if values is not None:
            whole[paired] = values
        whole.flags.writeable = False
        return whole

    def words(tops: np.ndarray | None) -> tuple[str, ...]:
        whole = [""] * columns
        for place, word in zip(paired.tolist(), tops.tolist() if tops is not None else (), strict=False):
            whole[place] = token_text(opened, word) if word >= 0 else ""
        return tuple(whole)

    return RunNumbers(
        divergence=spread(found.divergence if found is not None else None),
        probability_a=spread(found.probability_a if found is not None else None),
        probability_b=spread(found.probability_b if found is not None else None),
        change=spread(found.probability_change if found is not None else None),
        top_a=words(found.top_a if found is not None else None),
        top_b=words(found.top_b if found is not None else None),
        top_probability_a=spread(found.top_probability_a if found is not None else None),
        top_probability_b=spread(found.top_probability_b if found is not None else None),
        norms=norms,
        notes=notes,
    )
