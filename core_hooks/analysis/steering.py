"""Steering: a direction from pairs of prompts, and what adding it does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core_hooks.analysis.base_run import run_base
from core_hooks.analysis.sweep import Edit, Variant, sweep
from core_hooks.analysis.taps import Site
from core_hooks.hooks.function_controller import FunctionController
from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from core_hooks.analysis.metrics import Metric
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

_FORMAT = "steering-vector-1"


@dataclass(frozen=True, slots=True, eq=False)
class SteeringVector:
    """A direction in the residual stream.

    Attributes
    ----------
    values
        float32 ``[channels]`` on the CPU, in the unit of the activations: strength 1 adds the mean difference itself.
    block, site
        Index and dotted name of the block whose output it was read from.
    model
        Name of the model.
    pairs
        How many pairs of prompts it is the mean of.
    prompts
        Their texts, where they are known: toward, and away.
    """

    values: torch.Tensor
    block: int
    site: str
    model: str
    pairs: int
    prompts: tuple[tuple[str, str], ...] = ()

    @property
    def norm(self) -> float:
        """Euclidean length."""
        return float(torch.linalg.vector_norm(self.values))

    def as_tensors(self) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        """Return tensors and metadata as a safetensors file takes them."""
        metadata = {
            "format": _FORMAT,
            "block": str(self.block),
            "site": self.site,
            "model": self.model,
            "pairs": str(self.pairs),
            "prompts": json.dumps(self.prompts, ensure_ascii=False),
        }
        return {"vector": self.values}, metadata

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None) -> SteeringVector:
        """Return the vector that `as_tensors` gave.

        Raises
        ------
        ModelError
            The tensors or the metadata are not those of a steering vector.
        """
        known, values = metadata or {}, tensors.get("vector")
        try:
            block, pairs = int(known["block"]), int(known["pairs"])
            site, model = known["site"], known["model"]
        except (KeyError, ValueError) as error:
            raise ModelError(
                "This file holds no steering vector: its metadata names no block, site and model."
            ) from error
        if known.get("format") != _FORMAT or values is None or values.dim() != 1 or not values.is_floating_point():
            raise ModelError("This file holds no steering vector that this version can read.")
        if not bool(torch.isfinite(values).all()):
            raise ModelError("The steering vector in this file holds NaN or infinity.")
        return cls(values.float(), block, site, model, pairs, _prompts(known.get("prompts", "[]")))


@dataclass(frozen=True, slots=True, eq=False)
class StrengthCurve:
    """A metric over strengths.

    Attributes
    ----------
    strengths
        float64, ascending.
    values
        The metric at each, float64; NaN where it failed.
    metric
        Name of the metric, with its unit.
    failures
        Why, by index.
    """

    strengths: np.ndarray
    values: np.ndarray
    metric: str
    failures: dict[int, str]

    @property
    def monotonicity(self) -> float:
        """Kendall's tau-a of strength and metric: 1 rises all the way, -1 falls all the way; NaN below two values."""
        values = self.values[~np.isnan(self.values)]
        if len(values) < 2:
            return float("nan")
        signs = np.sign(values[None, :] - values[:, None])[np.triu_indices(len(values), 1)]
        return float(signs.mean())


def steering_vectors(
    opened: OpenedModel,
    anatomy: Anatomy,
    pairs: Sequence[tuple[TokenSequence, TokenSequence]],
    *,
    blocks: Sequence[int] | None = None,
    position: int | None = -1,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> tuple[SteeringVector, ...]:
    """Return, for each block, the mean of what it returns on the first prompt of a pair less that on the second.

    Method: Turner et al., "Activation Addition" (2023); Rimsky et al., "Steering Llama 2 via Contrastive Activation
    Addition" (2023). Hooks that are attached to the model look away meanwhile.

    Parameters
    ----------
    pairs
        Prompts with and without what is to be steered toward; they need not be equally long.
    blocks
        Indices; default: all, one forward a prompt in either case.
    position
        Index of the token in each prompt, -1 for the last; None for the mean over all tokens but the first.
    on_progress
        Called with the number of prompts run and that of all.

    Raises
    ------
    ModelError
        There are no pairs, no such block or position, or a prompt does not run.
    RunCancelled
        `cancel` was set.
    """
    if not pairs:
        raise ModelError("A steering vector needs at least one pair of prompts.")
    wanted = range(len(anatomy.blocks)) if blocks is None else blocks
    wrong = next((index for index in wanted if not 0 <= index < len(anatomy.blocks)), None)
    if wrong is not None or not anatomy.blocks:
        raise ModelError(f"{opened.summary.name} has no block {wrong or 0}; it has {len(anatomy.blocks)}.")
    sites = {index: Site(anatomy.blocks[index].path) for index in wanted}
    sums: dict[int, torch.Tensor] = {}
    for number, (toward, away) in enumerate(pairs):
        for half, (tokens, sign) in enumerate(((toward, 1.0), (away, -1.0))):
            base = run_base(opened, tokens, sites.values(), last_only=True, cancel=cancel)
            for index, site in sites.items():
                held = sign * _at(base.values[site], position).double().cpu()
                sums[index] = sums[index] + held if index in sums else held
            if on_progress is not None:
                on_progress(2 * number + half + 1, 2 * len(pairs))
    return tuple(
        SteeringVector((total / len(pairs)).float(), index, sites[index].path, opened.summary.name, len(pairs))
        for index, total in sums.items()
    )


def strength_curves(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    vectors: Sequence[SteeringVector],
    strengths: Sequence[float],
    metric: Metric,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> tuple[StrengthCurve, ...]:
    """Do what `strength_curve` does for several vectors, each by itself, in one sweep."""
    for vector in vectors:
        _insist_on_fit(anatomy, vector)
    ordered = sorted({float(strength) for strength in strengths})
    variants = [
        Variant((row, column), (Edit(vector.block, Site(vector.site), _Adder(vector.values, strength)),))
        for row, vector in enumerate(vectors)
        for column, strength in enumerate(ordered)
    ]
    result = sweep(opened, anatomy, tokens, variants, metric, on_progress=on_progress, cancel=cancel)
    return tuple(
        StrengthCurve(
            np.array(ordered),
            np.array([result.values[row, column] for column in range(len(ordered))]),
            metric.name,
            {column: why for (at, column), why in result.failures.items() if at == row},
        )
        for row in range(len(vectors))
    )


def strength_curve(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    vector: SteeringVector,
    strengths: Sequence[float],
    metric: Metric,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> StrengthCurve:
    """Measure what adding the vector at every token does, over strengths.

    Parameters
    ----------
    strengths
        Factors of the vector, in any order.
    metric
        What to measure, for example the probability of a word.
    on_progress, cancel
        See `sweep`.

    Raises
    ------
    ModelError
        The vector does not fit the model.
    RunCancelled
        `cancel` was set.
    """
    (curve,) = strength_curves(
        opened, anatomy, tokens, [vector], strengths, metric, on_progress=on_progress, cancel=cancel
    )
    return curve


def steering_controller(vector: SteeringVector, strength: float = 1.0) -> FunctionController:
    """Return a controller for ``vector.site`` that adds the vector, `strength` times, at every token it sees."""

    def add(held: torch.Tensor) -> torch.Tensor:
        return held + strength * vector.values.to(held.device, held.dtype)

    return FunctionController(vector.site, add)


class _Adder:
    def __init__(self, values: torch.Tensor, strength: float) -> None:
        self._values, self._strength = values, strength

    def __call__(self, row: torch.Tensor) -> None:
        row += self._strength * self._values.to(row.device, row.dtype)


def _at(values: torch.Tensor, position: int | None) -> torch.Tensor:
    count = len(values)
    if position is None:
        return values[1:].double().mean(0) if count > 1 else values[0]
    if not -count <= position < count:
        raise ModelError(f"There is no position {position} in a prompt of {count} tokens.")
    return values[position]


def _prompts(text: str) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((str(toward), str(away)) for toward, away in json.loads(text))
    except (ValueError, TypeError):
        # They are for people to read: a vector is none the worse without them.
        return ()


def _insist_on_fit(anatomy: Anatomy, vector: SteeringVector) -> None:
    path = anatomy.blocks[vector.block].path if 0 <= vector.block < len(anatomy.blocks) else ""
    if path != vector.site or (anatomy.width and len(vector.values) != anatomy.width):
        raise ModelError(
            f"The steering vector belongs to {vector.site} of {vector.model} with {len(vector.values)} channels; "
            "this model has no such place."
        )
