"""The experiments by the settings that ask for them: functions on the model thread that give plain numbers back.

Each is called as ``experiment(opened, settings, desk)`` and raises a `ModelError` with one sentence when this model or
these prompts can't give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_hooks.analysis.ablation import ablate
from core_hooks.analysis.base_run import run_base
from core_hooks.analysis.head_map import repeated_random_tokens
from core_hooks.analysis.metrics import LogitDifference, Loss
from core_hooks.analysis.parts import handles_of
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import encode, token_text
from mi_crow_gui.document.experiment_settings import (
    LOGIT_DIFFERENCE,
    RANDOM,
    REPEATED_LOSS,
    AblationSettings,
    ExperimentSettings,
    PatchingSettings,
)
from mi_crow_gui.engine.analyses import anatomy_of, word_id
from mi_crow_gui.engine.patching_tasks import patches
from mi_crow_gui.plotdata.ablation import Ablations
from mi_crow_gui.plotdata.analysis import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.analysis.metrics import Metric
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.tasks import TaskDesk

    ExperimentFunction = Callable[[OpenedModel, Any, TaskDesk], Any]


def ablations(opened: OpenedModel, settings: AblationSettings, desk: TaskDesk) -> Ablations:
    """Take every head, MLP or block out in turn."""
    anatomy = anatomy_of(opened)
    tokens = repeated_random_tokens(opened) if settings.source == RANDOM else encode(opened, settings.text)
    metric, words = _metric_of_ablation(opened, settings, tokens, desk)
    found = ablate(
        opened,
        anatomy,
        tokens,
        settings.part,  # type: ignore[arg-type]
        settings.by,  # type: ignore[arg-type]
        metric,
        seed=settings.seed,
        on_progress=desk.progress,
        cancel=desk.cancel,
    )
    handles = handles_of(opened, anatomy, settings.part, tokens, desk.cancel)  # type: ignore[arg-type]
    return Ablations(
        0,
        tokens.texts,
        settings.question(),
        len(desk.attachments.controlled()),
        found.failures,
        frozen(found.change),
        found.metric,
        found.baseline,
        words,
        tuple(row[0].site.path if row else "" for row in handles),
        tuple(block.head_dim for block in anatomy.blocks),
    )


def _metric_of_ablation(
    opened: OpenedModel, settings: AblationSettings, tokens: TokenSequence, desk: TaskDesk
) -> tuple[Metric, tuple[str, ...]]:
    if settings.metric == LOGIT_DIFFERENCE:
        right, wrong = two_words(opened, settings.right, settings.wrong, tokens, desk)
        return LogitDifference(right, wrong), (token_text(opened, right), token_text(opened, wrong))
    if settings.metric == REPEATED_LOSS:
        again = tuple(place for place, token in enumerate(tokens.ids) if token in tokens.ids[:place])
        if not again:
            raise ModelError("No token of this prompt repeats an earlier one: measure the loss of all tokens instead.")
        return Loss(again), ()
    return Loss(), ()


def two_words(opened: OpenedModel, right: str, wrong: str, tokens: TokenSequence, desk: TaskDesk) -> tuple[int, int]:
    """The vocabulary ids of two words; one that is not named is the likeliest of the others."""
    ids = [word_id(opened, right), word_id(opened, wrong)]
    if -1 in ids:
        last = run_base(opened, tokens, last_only=True, cancel=desk.cancel).logits[0, -1]
        likely = [int(token) for token in last.topk(min(3, len(last))).indices]
        for place in (0, 1):
            if ids[place] < 0:
                ids[place] = next(token for token in likely if token not in ids)
    if ids[0] == ids[1]:
        raise ModelError(
            f"Both words begin with the token {token_text(opened, ids[0])!r}, so their logits do not differ: choose "
            "words with different first tokens."
        )
    return ids[0], ids[1]


EXPERIMENTS: dict[type[ExperimentSettings], ExperimentFunction] = {
    AblationSettings: ablations,
    PatchingSettings: patches,
}
