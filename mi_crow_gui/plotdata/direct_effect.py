"""Direct effect: what each head and MLP writes toward a word, and that it adds up to the word's logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.document.experiment_settings import DirectEffectSettings
from mi_crow_gui.plotdata.analysis import Grid
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.experiment import Experiment, measured, signed_scale
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.scale import Scale

ATTENTION_BIAS, MLP, REST = "attn bias", "MLP", "whole"


@dataclass(frozen=True, slots=True, eq=False)
class DirectEffects(Experiment):
    """The terms of a logit, in logits.

    Attributes
    ----------
    effects
        float64 ``[blocks, columns]``: every head, what attention adds beside its heads, the MLP, and all that a block
        adds where it can't be told apart; NaN where there is no such part.
    columns
        Name of each column.
    embedding, bias
        What the first block is given, and what the final norm and the unembedding add whatever comes.
    total, logit
        The sum of all terms, and the logit as the model computes it.
    words
        The word, and the one whose logit is taken off if there is one.
    position
        Index of the token after which the word is predicted.
    sites
        Module of the attention's output projection and of the MLP in each block.
    """

    effects: np.ndarray
    columns: tuple[str, ...]
    embedding: float
    bias: float
    total: float
    logit: float
    words: tuple[str, ...]
    position: int
    sites: tuple[tuple[str, str], ...]

    @property
    def settings(self) -> DirectEffectSettings:
        """What was asked."""
        assert isinstance(self.asked, DirectEffectSettings)
        return self.asked

    @property
    def heads(self) -> int:
        """How many columns are heads."""
        return sum(name.isdigit() for name in self.columns)

    def name(self, cell: tuple[int, int]) -> str:
        """A cell in words."""
        column = self.columns[cell[1]]
        if column.isdigit():
            return f"block {cell[0]} head {column}"
        words = {ATTENTION_BIAS: "attention of block {}, beside its heads", MLP: "MLP of block {}", REST: "block {}"}
        return words[column].format(cell[0])

    def site_of(self, cell: tuple[int, int]) -> str:
        """The module that a cell stands for."""
        return self.sites[cell[0]][self.columns[cell[1]] == MLP]

    def strongest(self) -> tuple[int, int] | None:
        """The cell that writes most, in either direction."""
        if np.isnan(self.effects).all():
            return None
        row, column = np.unravel_index(int(np.nanargmax(np.abs(self.effects))), self.effects.shape)
        return int(row), int(column)


@dataclass(frozen=True, slots=True, eq=False)
class DirectEffectDrawing(Drawing):
    """The map, ready to be shown."""

    content: DirectEffects
    grid: Grid
    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """One row a block, one column a part, then the two terms that belong to no block."""
        content = self.content
        extra = np.full((len(content.effects), 2), np.nan)
        extra[0] = content.embedding, content.bias
        values = np.concatenate([content.effects, extra], 1)
        names = [f"head {name}" if name.isdigit() else name for name in content.columns]
        return Table(values, ("block", *names, "embedding", "final bias"), lambda row: (row,))


def prepare_direct_effect(content: DirectEffects, settings: DirectEffectSettings) -> DirectEffectDrawing:
    """Lay the map out, its colours centred on zero."""
    shown = measured(content.effects, content.failures)
    grid = Grid(shown, "block", "part", (), tuple(f"head {n}" if n.isdigit() else n for n in content.columns))
    pyramid = build(shown)
    scale = signed_scale(pyramid, settings.scale, "logits")
    return DirectEffectDrawing(content.frame(content.effects), settings, grid.rows(), content, grid, pyramid, scale)
