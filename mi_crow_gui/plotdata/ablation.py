"""The ablation map: what the model loses without each head, MLP or block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.document.experiment_settings import HEADS, AblationSettings
from mi_crow_gui.plotdata.analysis import Grid
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.experiment import Experiment, measured, signed_scale
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.scale import Scale

_PART = {"heads": "head", "mlp": "MLP", "block": "block"}


@dataclass(frozen=True, slots=True, eq=False)
class Ablations(Experiment):
    """What was measured.

    Attributes
    ----------
    change
        Metric without the part less `baseline`, float32 ``[blocks, columns]``; NaN where there is none.
    metric
        Name of the metric, with its unit.
    baseline
        The metric of the model as it is.
    words
        The two words of a logit difference, as its first tokens; else empty.
    sites
        Module of each block's part.
    head_dim
        Channels of a head in each block.
    """

    change: np.ndarray
    metric: str
    baseline: float
    words: tuple[str, ...]
    sites: tuple[str, ...]
    head_dim: tuple[int, ...]

    @property
    def settings(self) -> AblationSettings:
        """What was asked."""
        assert isinstance(self.asked, AblationSettings)
        return self.asked

    def name(self, cell: tuple[int, int]) -> str:
        """A cell in words."""
        block, column = cell
        if self.settings.part == HEADS:
            return f"block {block} head {column}"
        return f"block {block}" if self.settings.part == "block" else f"MLP of block {block}"

    def strongest(self) -> tuple[int, int] | None:
        """The cell whose loss changes the metric most; None when none was measured."""
        if np.isnan(self.change).all():
            return None
        row, column = np.unravel_index(int(np.nanargmax(np.abs(self.change))), self.change.shape)
        return int(row), int(column)


@dataclass(frozen=True, slots=True, eq=False)
class AblationDrawing(Drawing):
    """The map, ready to be shown."""

    content: Ablations
    grid: Grid
    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """One row a block, one column a head."""
        names = [f"{_PART[self.content.settings.part]} {index}" for index in range(self.content.change.shape[1])]
        header = ("block", *(names if self.content.settings.part == HEADS else ["change"]))
        return Table(self.content.change, header, lambda row: (row,))


def prepare_ablation(content: Ablations, settings: AblationSettings) -> AblationDrawing:
    """Lay the map out, its colours centred on zero."""
    shown = measured(content.change, content.failures)
    column = "head" if content.settings.part == HEADS else ""
    labels = () if column else (_PART[content.settings.part],)
    grid = Grid(shown, "block", column, (), labels)
    pyramid = build(shown)
    scale = signed_scale(pyramid, settings.scale, f"change of the {content.metric}")
    return AblationDrawing(content.frame(content.change), settings, grid.rows(), content, grid, pyramid, scale)
