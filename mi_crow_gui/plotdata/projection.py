"""The projection: the tokens of one site as points in a plane, by principal components or what keeps neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.analysis.embedding import COMPONENTS, FEWEST, NAMES
from core_hooks.analysis.projection import principal_components
from mi_crow_gui.plotdata.blocks import row_blocks
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.groups import coded, grouped
from mi_crow_gui.plotdata.rows import NotDrawable, Rows, rows_of
from mi_crow_gui.plotdata.scale import Scale
from mi_crow_gui.plotdata.table import Table
from mi_crow_gui.plotdata.trace import TraceSettings, prepare_trace

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame
    from mi_crow_gui.plotdata.groups import Groups

POSITION, NORM, TOKEN, LABEL = "position", "norm", "token", "label"
PCA = "pca"


@dataclass(frozen=True, slots=True)
class ProjectionSettings:
    """`method` is `PCA` or one of `core_hooks.analysis.embedding`; `colour` says by what points are coloured.

    The first token, far from all others, is left out by default.
    """

    colour: str = POSITION
    hide_first: bool = True
    method: str = PCA


@dataclass(frozen=True, slots=True, eq=False)
class ProjectionDrawing(Drawing):
    """A projection, ready to be shown.

    Attributes
    ----------
    points
        ``[points, 2]``, coordinates along the first and the second component, in units of the values; without unit
        once they are of another `method`.
    positions
        Number of the row behind each point.
    shares
        Part of the variance along the two components, 0 to 1.
    colours
        What each point is coloured by: a number on the `scale`, or, where that is None, which of the `groups`.
    left_out
        Rows that hold NaN or infinities and have no place.
    reduced
        The points along more components, from which another method places them; None where none is asked for.
    method
        What the points are of.
    """

    points: np.ndarray
    positions: np.ndarray
    shares: tuple[float, float]
    colours: np.ndarray
    scale: Scale | None
    left_out: int
    reduced: np.ndarray | None = None
    method: str = PCA
    groups: Groups | None = None

    def embedded(self, points: np.ndarray) -> ProjectionDrawing:
        """The same with the places that the other method found."""
        return replace(self, points=points, method=self.settings.method)

    @property
    def axis(self) -> str:
        """What a coordinate is."""
        return "component" if self.method == PCA else NAMES[self.method]

    def table(self) -> Table:
        """Position, text and both coordinates of each point."""
        rows = self.rows
        return Table(
            self.points,
            ("position", rows.row, *(f"{self.axis} {number}" for number in (1, 2))),
            lambda index: (int(self.positions[index]), rows.label(int(self.positions[index]))),
        )


def prepare_projection(frame: Frame, settings: ProjectionSettings) -> ProjectionDrawing:
    """Find the components and place every row."""
    rows = rows_of(frame, hide_first=settings.hide_first)
    wanted = COMPONENTS if settings.method in NAMES and not frame.live else 2
    points, shares = _components(rows.values, wanted)
    placed = ~np.isnan(points[:, 0])
    positions = rows.first + np.flatnonzero(placed)
    norms = np.empty(0)
    if settings.colour == NORM:
        norms = prepare_trace(frame, TraceSettings(hide_first=settings.hide_first)).measured
        norms = norms[placed]
    colours, scale, groups = _colours(settings.colour, rows, positions, norms, frame.classes)
    left_out = rows.count - len(positions)
    both = (float(shares[0]), float(shares[1]))
    reduced = points[placed] if wanted > 2 and placed.sum() >= FEWEST else None
    points = points[placed, :2]
    return ProjectionDrawing(
        frame, settings, rows, points, positions, both, colours, scale, left_out, reduced, groups=groups
    )


def _components(values: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Points ``[rows, wanted]``, NaN for rows that are not finite, and the share of the variance along each axis."""
    points, shares = np.zeros((len(values), wanted), np.float32), np.zeros(wanted)
    finite = np.concatenate([np.isfinite(block).all(axis=1) for block in row_blocks(values)] or [np.zeros(0, bool)])
    points[~finite] = np.nan
    # A single point has no directions to vary in, and lies in the middle.
    if finite.sum() > 1 and values.shape[1]:
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                found = principal_components(values, wanted)
            except np.linalg.LinAlgError as error:
                raise NotDrawable("its values are too large for principal components") from error
        if not np.isfinite(found.points[finite]).all():
            raise NotDrawable("its values are too large for principal components")
        axes = found.points.shape[1]
        points[:, :axes], shares[:axes] = found.points, found.explained
    return points, shares


def _text(by: str, rows: Rows, classes: tuple[str, ...], position: int) -> str:
    if by == TOKEN:
        return rows.label(position)
    return classes[position] if position < len(classes) else ""


def _colours(
    by: str, rows: Rows, positions: np.ndarray, norms: np.ndarray, classes: tuple[str, ...]
) -> tuple[np.ndarray, Scale | None, Groups | None]:
    if by in (TOKEN, LABEL):
        colours, groups = grouped(*coded(_text(by, rows, classes, position) for position in positions.tolist()))
        return colours, None, groups
    colours, note = (norms, "L2 norm") if by == NORM else (positions.astype(np.float64), "position")
    return colours, scale_of(colours, note, whole=by == POSITION), None


def scale_of(colours: np.ndarray, note: str, *, whole: bool) -> Scale:
    """The range of what points are coloured by, which is never empty."""
    low, high = (float(colours.min()), float(colours.max())) if len(colours) else (0.0, 1.0)
    return Scale(low, high if low < high else low + 1.0, diverging=False, note=note, whole=whole)
