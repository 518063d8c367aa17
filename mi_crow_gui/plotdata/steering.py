"""Steering: what adding a vector does, by layer and strength, and the vectors themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.document.experiment_settings import SteeringSettings
from mi_crow_gui.plotdata.analysis import Grid
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.experiment import Experiment, measured, signed_scale
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.scale import Scale

_RISES = 0.999


@dataclass(frozen=True, slots=True, eq=False)
class Steerings(Experiment):
    """What was measured.

    Attributes
    ----------
    values
        The metric, float64 ``[vectors, strengths]``; NaN where it failed.
    baseline
        The metric without steering.
    strengths
        float64, ascending.
    monotonicity
        Kendall's tau of strength and metric for each vector: 1 rises all the way, -1 falls all the way.
    vectors
        float32 ``[vectors, channels]``.
    blocks, sites
        Index and module of the block that each vector belongs to.
    prompts
        The pairs that it was made of.
    pairs
        How many they were.
    model
        Name of the model.
    metric, words
        Name of the metric, and its two words as their first tokens.
    """

    values: np.ndarray
    baseline: float
    strengths: np.ndarray
    monotonicity: np.ndarray
    vectors: np.ndarray
    blocks: tuple[int, ...]
    sites: tuple[str, ...]
    prompts: tuple[tuple[str, str], ...]
    pairs: int
    model: str
    metric: str
    words: tuple[str, ...]

    @property
    def settings(self) -> SteeringSettings:
        """What was asked."""
        assert isinstance(self.asked, SteeringSettings)
        return self.asked

    def row_of(self, block: int) -> int:
        """The row of a block; that of the middle one when there is none of that number."""
        return self.blocks.index(block) if block in self.blocks else len(self.blocks) // 2

    def rises(self, row: int) -> str:
        """How the metric follows the strength, in words."""
        tau = float(self.monotonicity[row])
        if np.isnan(tau):
            return "can't be told"
        words = "rises all the way" if tau > _RISES else "falls all the way" if tau < -_RISES else "turns on its way"
        return f"{words} (Kendall's τ {tau:+.2f})"


@dataclass(frozen=True, slots=True, eq=False)
class SteeringDrawing(Drawing):
    """The map of layers by strengths and the curve of one layer, ready to be shown."""

    content: Steerings
    grid: Grid
    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """One row a layer, one column a strength."""
        header = ("block", *(f"strength {strength:g}" for strength in self.content.strengths))
        return Table(self.content.values, header, lambda row: (self.content.blocks[row],))


def prepare_steering(content: Steerings, settings: SteeringSettings) -> SteeringDrawing:
    """Lay the map out as the change against no steering, its colours centred on zero."""
    shown = measured(content.values - content.baseline, content.failures)
    labels = tuple(f"{strength:+g}" if strength else "0" for strength in content.strengths)
    grid = Grid(shown, "block", "strength", tuple(f"block {block}" for block in content.blocks), labels)
    pyramid = build(shown)
    scale = signed_scale(pyramid, settings.scale, f"change of the {content.metric}")
    return SteeringDrawing(content.frame(content.values), settings, grid.rows(), content, grid, pyramid, scale)
