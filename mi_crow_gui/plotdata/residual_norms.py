"""Residual norms: how long the residual stream is, by block and token."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_crow_gui.plotdata.analysis import Analysis, Grid, block_names
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.scale import PERCENTILE, Scale, colour_scale
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.plotdata.frame import Frame

_BLOCK = re.compile(r"(.*?)\.?(\d+)")


@dataclass(frozen=True, slots=True, eq=False)
class ResidualNorms(Analysis):
    """Euclidean norms, float32 ``[rows, tokens]``.

    Without `names` row 0 is what the first block is given and row n what block n - 1 gives; else `names` says what
    each row is, `origin` where the values come from, and `first_token` the position of the first token.
    """

    norms: np.ndarray
    names: tuple[str, ...] = ()
    origin: str = ""
    first_token: int = 0

    def _cut(self, end: int) -> dict[str, Any]:
        return {"norms": self.norms[:, :end]}


@dataclass(frozen=True, slots=True)
class ResidualNormsSettings:
    """`scale` is one of `mi_crow_gui.plotdata.scale`; `hide_first` leaves the token at position 0 out."""

    scale: str = PERCENTILE
    hide_first: bool = False


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
    hidden = int(settings.hide_first and content.first_token == 0 and content.norms.shape[1] > 1)
    norms, first = content.norms[:, hidden:], content.first_token + hidden
    apart = settings.scale == PERCENTILE and norms.shape[1] > 1 and first == 0
    pyramid = build(norms)
    scale = colour_scale(build(norms[:, 1:]) if apart else pyramid, settings.scale)
    if apart:
        scale = replace(scale, note=f"{scale.note}, token 0 left out")
    names = content.names or block_names(len(norms))
    grid = Grid(norms, "place", "token", names, content.tokens[hidden:], 0, first)
    frame = replace(content.frame(norms), origin=content.origin)
    return ResidualNormsDrawing(frame, settings, grid.rows(), content, grid, pyramid, scale)


def norms_of_frames(frames: Sequence[Frame]) -> ResidualNorms | None:
    """The norms of the outputs of blocks among some frames of one text; None when there are none.

    A block is a module whose name ends in its number, such as ``transformer.h.3``; those of the longest row of
    blocks that share a name and a width count. Frames that don't begin and end alike are left out.
    """
    groups: dict[tuple[str, int, int, int], dict[int, Frame]] = {}
    for frame in frames:
        found = _BLOCK.fullmatch(frame.site)
        if found is None or frame.values.ndim != 3 or not frame.values.shape[1]:
            continue
        key = (found[1], frame.values.shape[2], frame.first_token, frame.values.shape[1])
        blocks = groups.setdefault(key, {})
        # Of one captured on both sides of its controllers, what went on.
        if frame.stage == "after" or int(found[2]) not in blocks:
            blocks[int(found[2])] = frame
    if not groups:
        return None
    blocks = max(groups.values(), key=len)
    numbers = sorted(blocks)
    first = blocks[numbers[0]]
    norms = np.stack([np.linalg.norm(blocks[number].values[0].astype(np.float32), axis=-1) for number in numbers])
    norms.flags.writeable = False
    names = tuple(f"block {number}" for number in numbers)
    tokens = first.tokens[first.first_token : first.first_token + norms.shape[1]]
    return ResidualNorms(first.run, tokens, norms, names, first.origin, first.first_token)
