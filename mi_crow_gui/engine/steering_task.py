"""Steering on the model thread: vectors of every layer, and what adding them does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.analysis.metrics import LogitDifference
from core_hooks.analysis.steering import SteeringVector, steering_vectors, strength_curves
from core_hooks.model.architecture import one_line
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import encode, token_text
from mi_crow_gui.engine.analyses import anatomy_of, word_id
from mi_crow_gui.engine.two_words import two_words
from mi_crow_gui.plotdata.analysis import frozen
from mi_crow_gui.plotdata.steering import Steerings

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.document.experiment_settings import SteeringSettings
    from mi_crow_gui.engine.tasks import TaskDesk

_STRENGTHS = 9


def steerings(opened: OpenedModel, settings: SteeringSettings, desk: TaskDesk) -> Steerings:
    """Make or read the vectors, and measure each at strengths of both signs."""
    anatomy = anatomy_of(opened)
    tokens = encode(opened, settings.text)
    vectors = (read_vector(Path(settings.path)),) if settings.path else _made(opened, settings, desk)
    right, wrong = _words(opened, settings, vectors[0].prompts or settings.pairs, desk)
    metric = LogitDifference(right, wrong)
    strengths = [float(s) for s in np.linspace(-settings.most, settings.most, _STRENGTHS)]
    curves = strength_curves(
        opened, anatomy, tokens, vectors, strengths, metric, on_progress=desk.progress, cancel=desk.cancel
    )
    values = np.stack([curve.values for curve in curves])
    return Steerings(
        0,
        tokens.texts,
        settings.question(),
        len(desk.attachments.controlled()),
        {(row, column): why for row, curve in enumerate(curves) for column, why in curve.failures.items()},
        frozen(values),
        # Strength 0 adds nothing: it is the model as it is, measured beside the others.
        float(values[0, _STRENGTHS // 2]),
        frozen(curves[0].strengths),
        frozen([curve.monotonicity for curve in curves]),
        frozen(np.stack([vector.values.numpy() for vector in vectors])),
        tuple(vector.block for vector in vectors),
        tuple(vector.site for vector in vectors),
        settings.pairs if not settings.path else vectors[0].prompts,
        vectors[0].pairs,
        vectors[0].model,
        metric.name,
        (token_text(opened, right), token_text(opened, wrong)),
    )


def read_vector(path: Path) -> SteeringVector:
    """The steering vector of a safetensors file.

    Raises
    ------
    ModelError
        There is no such file, or it holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            return SteeringVector.from_tensors({name: file.get_tensor(name) for name in file.keys()}, file.metadata())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The steering vector {path} can't be read ({one_line(error)}): choose another.") from error


def _made(opened: OpenedModel, settings: SteeringSettings, desk: TaskDesk) -> tuple[SteeringVector, ...]:
    if not settings.pairs:
        raise ModelError("Type at least one prompt to steer toward and one to steer away from.")
    lines = [sum(bool(line.strip()) for line in text.splitlines()) for text in (settings.toward, settings.away)]
    if lines[0] != lines[1]:
        raise ModelError(
            f"There are {lines[0]} prompts to steer toward and {lines[1]} to steer away from: each line needs its "
            "partner in the other list."
        )
    pairs = [(encode(opened, toward), encode(opened, away)) for toward, away in settings.pairs]
    return steering_vectors(
        opened, anatomy_of(opened), pairs, position=None if settings.everywhere else -1, cancel=desk.cancel
    )


def _words(
    opened: OpenedModel, settings: SteeringSettings, pairs: tuple[tuple[str, str], ...], desk: TaskDesk
) -> tuple[int, int]:
    """The words that are named; else the likeliest after the first prompts of both sides, where they differ."""
    ids = (word_id(opened, settings.right), word_id(opened, settings.wrong))
    if pairs and -1 in ids:
        from core_hooks.analysis.base_run import run_base

        likely = [
            int(run_base(opened, encode(opened, text), last_only=True, cancel=desk.cancel).logits[0, -1].argmax())
            for text in pairs[0]
        ]
        chosen = tuple(named if named >= 0 else found for named, found in zip(ids, likely, strict=True))
        if chosen[0] != chosen[1]:
            return chosen[0], chosen[1]
    return two_words(opened, settings.right, settings.wrong, encode(opened, settings.text), desk)
