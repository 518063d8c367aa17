"""The heatmap of tokens by channels: a pyramid for the screen and the range of its colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.rows import rows_of
from mi_crow_gui.plotdata.scale import LOCKED, PERCENTILE, Scale, centred, colour_scale
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame


@dataclass(frozen=True, slots=True)
class HeatmapSettings:
    """`scale` is one of `mi_crow_gui.plotdata.scale`; `low` and `high` count when it is locked."""

    scale: str = PERCENTILE
    low: float = 0.0
    high: float = 0.0
    hide_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapDrawing(Drawing):
    """A heatmap, ready to be shown."""

    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """Every element as captured, one row a token."""
        return Table.of_rows(self.rows)


def prepare_heatmap(frame: Frame, settings: HeatmapSettings) -> HeatmapDrawing:
    """Everything about a heatmap that is too slow for the GUI thread."""
    rows = rows_of(frame, hide_first=settings.hide_first)
    pyramid = build(rows.values)
    # The first token's values are often a hundred times those of all others: with it in a short prompt, nothing
    # else could be seen.
    first = rows.row == "token" and rows.first == 0
    scale = colour_scale(pyramid, settings.scale, (settings.low, settings.high), first_apart=first)
    if frame.signed and settings.scale != LOCKED:
        scale = centred(scale)
    return HeatmapDrawing(frame, settings, rows, pyramid, scale)
