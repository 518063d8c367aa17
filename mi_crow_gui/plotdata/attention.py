"""Attention patterns of one block: every head small, one large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_crow_gui.plotdata.analysis import WHOLE, Analysis, Grid, share_scale
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.scale import Scale

SMALL = 96  # cells a side of a head among all heads: about the pixels that there are


@dataclass(frozen=True, slots=True, eq=False)
class Attention(Analysis):
    """How the heads of a block spread their attention.

    Attributes
    ----------
    block, path
        Number of the block, and the dotted name of its attention.
    blocks
        Numbers of the blocks that have attention.
    patterns
        float32 ``[heads, tokens, tokens]``; row ``i`` is what token ``i`` attends to and sums to 1.
    small
        Every pattern reduced for the screen, ``[heads, side, side]``; once, and not with every head that is chosen.
    switched_from
        The implementation that was switched away from to get them, ``""`` when it need not be.
    """

    block: int
    path: str
    blocks: tuple[int, ...]
    patterns: np.ndarray
    small: np.ndarray
    switched_from: str = ""

    @property
    def site(self) -> str:
        """Dotted name of the block's attention."""
        return self.path

    def _cut(self, end: int) -> dict[str, Any]:
        patterns = self.patterns[:, :end, :end]
        return {"patterns": patterns, "small": reduced(patterns, SMALL)}


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """Which block, which of its heads is large, the range of all their colours, and whether token 0 is left out.

    Most heads give most of their attention to the first token when they have nothing to do.
    """

    block: int = 0
    head: int = 0
    scale: str = WHOLE
    hide_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AttentionDrawing(Drawing):
    """The patterns, ready to be shown."""

    content: Attention
    head: int
    grid: Grid
    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """The pattern of the large head, one row a token that attends."""
        return Table.of_rows(self.rows)


def prepare_attention(content: Attention, settings: AttentionSettings) -> AttentionDrawing:
    """Make the large head ready; the small ones are."""
    head = min(settings.head, len(content.patterns) - 1)
    first = int(settings.hide_first and len(content.tokens) > 1)
    pattern, texts = content.patterns[head][first:, first:], content.tokens[first:]
    grid = Grid(pattern, "token", "attends to", texts, texts, first, first)
    pyramid = build(pattern)
    scale = share_scale(pyramid, settings.scale, "attention")
    return AttentionDrawing(content.frame(pattern), settings, grid.rows(), content, head, grid, pyramid, scale)


def reduced(patterns: np.ndarray, side: int) -> np.ndarray:
    """Each pattern with at most `side` cells a side, each the largest weight under it."""
    step = -(-patterns.shape[-1] // side)
    if step == 1:
        return patterns
    starts = np.arange(0, patterns.shape[-1], step)
    # A head at a time: a copy of all of them could be large.
    heads = [np.maximum.reduceat(np.maximum.reduceat(head, starts, axis=0), starts, axis=1) for head in patterns]
    return np.stack(heads)
