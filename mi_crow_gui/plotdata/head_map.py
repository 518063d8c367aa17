"""The head map: four scores of every head, by which known kinds of heads are found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mi_crow_gui.plotdata.analysis import Analysis, Grid
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.rows import Rows
from mi_crow_gui.plotdata.scale import Scale
from mi_crow_gui.plotdata.table import Table

SCORES = (
    ("induction", "Induction"),
    ("previous_token", "Previous token"),
    ("duplicate_token", "Duplicate token"),
    ("first_token", "First token"),
)
RANDOM, TEXT = "random", "text"


@dataclass(frozen=True, slots=True, eq=False)
class HeadScoresOfAll(Analysis):
    """Scores of all heads.

    Attributes
    ----------
    scores
        float32 ``[kinds, blocks, heads]`` in the order of `SCORES`, 0 to 1; NaN where there is no such head, or the
        tokens can't tell.
    source
        ``"random"`` for random tokens said twice, ``"text"`` for those of the run.
    switched_from
        The attention implementation that was switched away from meanwhile, ``""`` for none.
    acting, silent
        How many of the user's controllers acted, and how many were switched off meanwhile.
    """

    scores: np.ndarray
    source: str
    switched_from: str = ""
    acting: int = 0
    silent: int = 0

    def strongest(self, kind: int) -> tuple[int, int, float] | None:
        """Block, head and score of the head that scores highest; None when no score is known."""
        scores = self.scores[kind]
        if np.isnan(scores).all():
            return None
        block, head = np.unravel_index(int(np.nanargmax(scores)), scores.shape)
        return int(block), int(head), float(scores[block, head])


@dataclass(frozen=True, slots=True)
class HeadMapSettings:
    """What the heads are scored on, and whether the user's controllers act meanwhile."""

    source: str = RANDOM
    controllers: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class HeadMapDrawing(Drawing):
    """The four maps, ready to be shown."""

    content: HeadScoresOfAll
    grids: tuple[Grid, ...]
    pyramids: tuple[Pyramid, ...]
    scale: Scale

    def table(self) -> Table:
        """One row a head: block, head, and its scores."""
        heads = self.content.scores.shape[2]
        values = self.content.scores.reshape(len(SCORES), -1).T
        return Table(values, ("block", "head", *(name for name, _ in SCORES)), lambda row: divmod(row, heads))


def prepare_head_map(content: HeadScoresOfAll, settings: HeadMapSettings) -> HeadMapDrawing:
    """Lay the scores out, all on one scale."""
    grids = tuple(Grid(scores, "block", "head") for scores in content.scores)
    flat = content.scores.reshape(-1, content.scores.shape[2])
    rows = Rows(flat, 0, "block", "head", (), 0, 1)
    scale = Scale(0.0, 1.0, False, "score, 0 to 1")
    pyramids = tuple(build(grid.values) for grid in grids)
    return HeadMapDrawing(content.frame(flat), settings, rows, content, grids, pyramids, scale)
