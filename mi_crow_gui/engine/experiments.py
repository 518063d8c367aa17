"""The experiments by the settings that ask for them: functions on the model thread that give plain numbers back.

Each is called as ``experiment(opened, settings, desk)`` and raises a `ModelError` with one sentence when this model or
these prompts can't give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_hooks.analysis.ablation import ablate
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
    DirectEffectSettings,
    ExperimentSettings,
    PatchingSettings,
    SteeringSettings,
)
from mi_crow_gui.engine.analyses import anatomy_of
from mi_crow_gui.engine.direct_effect_task import direct_effects
from mi_crow_gui.engine.patching_tasks import patches
from mi_crow_gui.engine.steering_task import steerings
from mi_crow_gui.engine.two_words import two_words
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


EXPERIMENTS: dict[type[ExperimentSettings], ExperimentFunction] = {
    AblationSettings: ablations,
    PatchingSettings: patches,
    DirectEffectSettings: direct_effects,
    SteeringSettings: steerings,
}
