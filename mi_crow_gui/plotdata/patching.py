"""The patching map: how much of one prompt's answer each place brings back into another's, and the two as pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.document.experiment_settings import HEADS, PatchingSettings
from mi_crow_gui.plotdata.analysis import Grid
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.experiment import Experiment, measured, signed_scale
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.scale import MIN_MAX, Scale
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    import numpy as np

    from core_hooks.model.tokens import Candidate

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PromptPair:
    """Two prompts, token by token.

    Attributes
    ----------
    clean, corrupted
        Texts of their tokens.
    columns
        Which token of the clean prompt stands over which of the corrupted one; -1 where there is none.
    problem
        Where they do not align; "" when every token has its partner.
    """

    clean: tuple[str, ...]
    corrupted: tuple[str, ...]
    columns: tuple[tuple[int, int], ...]
    problem: str = ""

    def partner(self, token: int) -> int:
        """The token of the corrupted prompt that answers to one of the clean prompt; -1 for none."""
        return next((below for above, below in self.columns if above == token), -1)


@dataclass(frozen=True, slots=True, eq=False)
class Patches(Experiment):
    """What was measured, or the places that there are before it was.

    Attributes
    ----------
    pair
        The prompts.
    recovered
        float32 ``[blocks, tokens or heads]``: 0 is as corrupted, 1 as clean; NaN where nothing was measured.
    made
        False before anything was computed.
    metric
        Name of the metric, with its unit.
    words
        The words that are measured, as their first tokens.
    clean, corrupted
        The metric of both runs.
    sites
        Module of each block's part.
    """

    pair: PromptPair
    recovered: np.ndarray
    made: bool
    metric: str
    words: tuple[str, ...]
    clean: float
    corrupted: float
    sites: tuple[str, ...]

    @property
    def settings(self) -> PatchingSettings:
        """What was asked."""
        assert isinstance(self.asked, PatchingSettings)
        return self.asked


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """One place of the clean run in the corrupted one, as a single forward gave it.

    Attributes
    ----------
    source, target
        Block, and token or head.
    before, after
        The likeliest words after the last token.
    clean, corrupted, patched, recovered
        The metric of the three runs, and what of it came back.
    """

    settings: PatchingSettings
    source: Cell
    target: Cell
    metric: str
    words: tuple[str, ...]
    clean: float
    corrupted: float
    patched: float
    recovered: float
    before: tuple[Candidate, ...]
    after: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PatchingDrawing(Drawing):
    """The map, ready to be shown."""

    content: Patches
    grid: Grid
    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """One row a block, one column a token or head."""
        texts = self.grid.column_labels
        names = [f"{self.grid.column} {place}" for place in range(self.content.recovered.shape[1])]
        header = [
            f"{name} {text}" if text else name for name, text in zip(names, texts or [""] * len(names), strict=True)
        ]
        return Table(self.content.recovered, ("block", *header), lambda row: (row,))


def prepare_patching(content: Patches, settings: PatchingSettings) -> PatchingDrawing:
    """Lay the map out: 0 has the neutral colour; all the way back is 1, and the colours reach at least to it."""
    heads = content.settings.part == HEADS
    shown = measured(content.recovered, content.failures)
    grid = Grid(shown, "block", "head" if heads else "token of A", (), () if heads else content.pair.clean)
    pyramid = build(shown)
    scale = signed_scale(pyramid, settings.scale, "recovered")
    if settings.scale == MIN_MAX and scale.high < 1:
        scale = Scale(-1.0, 1.0, True, "recovered: 0 as corrupted, 1 as clean")
    return PatchingDrawing(content.frame(content.recovered), settings, grid.rows(), content, grid, pyramid, scale)
