"""Two frames of one site that are shown together: as their difference, or one over the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.analysis.alignment import align_runs
from mi_crow_gui.plotdata.rows import NotDrawable
from mi_crow_gui.plotdata.run_comparison import where_parted

if TYPE_CHECKING:
    from collections.abc import Callable

    from mi_crow_gui.plotdata.frame import Frame
    from mi_crow_gui.plotdata.run_comparison import RunTokens


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """Two frames of one site, of a single prompt each.

    Attributes
    ----------
    first, second
        A and B, or what was there before and after controllers.
    names
        What they are called.
    origin
        The runs and step in the words of a title.
    tokens
        Of the two runs, by which their rows are aligned; None where both are of the same run.
    overlaid
        Both are shown, not their difference.
    """

    first: Frame
    second: Frame
    names: tuple[str, str]
    origin: str
    tokens: tuple[RunTokens, RunTokens] | None = None
    overlaid: bool = False

    @property
    def run(self) -> int:
        """Number of the run whose positions are shown."""
        return self.second.run

    @property
    def step(self) -> int:
        """Newest step of that run."""
        return self.second.step

    @property
    def site(self) -> str:
        """Where the values come from."""
        return self.second.site


@dataclass(frozen=True, slots=True)
class PairPreparation:
    """What prepares the drawing of a pair for a kind of plot: `prepare` of a frame, `overlay` of two frames.

    With `compact` rows without a partner are left out; else they are there as NaN, so that positions stay.
    """

    prepare: Callable[[Frame, Any], Any]
    overlay: Callable[[Frame, Frame, Any], Any] | None = None
    compact: bool = False

    def __call__(self, pair: FramePair, settings: Any) -> Any:
        """Prepare a pair."""
        if pair.overlaid and self.overlay is not None:
            first, second, about = _aligned(pair, self.compact)
            names = f"{pair.names[1]} solid, {pair.names[0]} dashed"
            about = " · ".join(words for words in (names, about) if words)
            shown = replace(second, origin=pair.origin, about=about, stage="")
            return self.overlay(first, shown, settings)
        return self.prepare(difference(pair, compact=self.compact), settings)


def difference(pair: FramePair, *, compact: bool = False) -> Frame:
    """The second frame less the first, token by aligned token, as a frame at the positions of the second.

    Rows without a partner are NaN and listed as `Frame.blank`, or left out with `compact`.
    """
    first, second, about = _aligned(pair, compact)
    if first.values.shape != second.values.shape:
        raise NotDrawable(
            f"{pair.names[0]} has the shape {_shape(first.values)} and {pair.names[1]} {_shape(second.values)}, so "
            "there is no difference"
        )
    wide = np.float64 if "f8" in (first.values.dtype.str[1:], second.values.dtype.str[1:]) else np.float32
    if second.values.dtype.kind in "iub":
        wide = np.float64
    with np.errstate(invalid="ignore", over="ignore"):
        values = second.values.astype(wide) - first.values.astype(wide)
    values.flags.writeable = False
    name = f"{pair.names[1]} − {pair.names[0]}"
    about = " · ".join(words for words in (name, about) if words)
    return replace(
        second, values=values, dtype=str(values.dtype), stage="", origin=pair.origin, about=about, signed=True
    )


def _aligned(pair: FramePair, compact: bool) -> tuple[Frame, Frame, str]:
    """Both frames over the same rows, and where they don't align in words."""
    first, second = pair.first, pair.second
    if first.values.ndim != 3 or second.values.ndim != 3:
        return first, second, ""
    if first.values.shape[2] != second.values.shape[2]:
        raise NotDrawable(
            f"{pair.names[0]} has {first.values.shape[2]} channels and {pair.names[1]} {second.values.shape[2]}"
        )
    pairs, about = _pairs(pair)
    rows_a, rows_b = pairs[:, 0] - first.first_token, pairs[:, 1] - second.first_token
    known = (rows_a >= 0) & (rows_a < first.values.shape[1]) & (rows_b >= 0) & (rows_b < second.values.shape[1])
    rows_a, rows_b = rows_a[known], rows_b[known]
    count = second.values.shape[1]
    if compact:
        return (
            replace(first, values=first.values[:, rows_a]),
            replace(second, values=second.values[:, rows_b]),
            about,
        )
    if len(rows_b) == count and (rows_a == rows_b).all() and count == first.values.shape[1]:
        return first, second, about
    moved: np.ndarray = np.full((first.values.shape[0], count, first.values.shape[2]), np.nan, _float(first.values))
    moved[:, rows_b] = first.values[:, rows_a]
    blank = tuple(sorted({*range(count)} - set(rows_b.tolist())))
    positions = tuple(second.first_token + row for row in blank)
    return replace(first, values=moved, first_token=second.first_token), replace(second, blank=positions), about


def _pairs(pair: FramePair) -> tuple[np.ndarray, str]:
    if pair.tokens is None:
        start = max(pair.first.first_token, pair.second.first_token)
        end = min(frame.first_token + frame.values.shape[1] for frame in (pair.first, pair.second))
        same = np.arange(start, max(start, end))
        return np.stack([same, same], axis=1), ""
    a, b = pair.tokens
    alignment = align_runs(a.ids, b.ids, (a.prompt, b.prompt))
    replaced = int((~alignment.same).sum())
    words = [f"{len(alignment.pairs)} tokens aligned"]
    words += [f"{replaced} replaced"] if replaced else []
    parted = where_parted(alignment)
    return alignment.pairs, ", ".join([*words, parted] if parted else words)


def _float(values: np.ndarray) -> type:
    return np.float64 if values.dtype.itemsize > 4 or values.dtype.kind in "iub" else np.float32


def _shape(values: np.ndarray) -> str:
    return " × ".join(map(str, values.shape))
