"""Residual norms: how long the residual stream is, by block and token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mi_crow_gui.plotdata.analysis import Analysis, Grid, block_names
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.scale import PERCENTILE, Scale, colour_scale
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class ResidualNorms(Analysis):
    """Euclidean norms, float32 ``[blocks + 1, tokens]``; row 0 is what the first block is given."""

    norms: np.ndarray

    def _cut(self, end: int) -> dict[str, Any]:
        return {"norms": self.norms[:, :end]}


@dataclass(frozen=True, slots=True)
class ResidualNormsSettings:
    """`scale` is one of `mi_crow_gui.plotdata.scale`."""

    scale: str = PERCENTILE


@dataclass(frozen=True, slots=True, eq=False)
class ResidualNormsDrawing(Drawing):
    """The norms, ready to be shown."""

    content: ResidualNorms
    grid: Grid
    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """One row a place of the stream, one column a token."""
        return Table.of_rows(self.rows)


def prepare_residual_norms(content: ResidualNorms, settings: ResidualNormsSettings) -> ResidualNormsDrawing:
    """Find the range of the colours; the first token, often a hundred times longer, has no say in percentiles."""
    norms = content.norms
    apart = settings.scale == PERCENTILE and norms.shape[1] > 1
    pyramid = build(norms)
    scale = colour_scale(build(norms[:, 1:]) if apart else pyramid, settings.scale)
    if apart:
        scale = replace(scale, note=f"{scale.note}, token 0 left out")
    grid = Grid(norms, "place", "token", block_names(len(norms)), content.tokens)
    return ResidualNormsDrawing(content.frame(norms), settings, grid.rows(), content, grid, pyramid, scale)
