"""The trace: one number a token, drawn as a line with every peak kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.blocks import row_blocks
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.rows import Rows, rows_of
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame

NORM, RMS, MEAN, LARGEST, CHANNEL = "norm", "rms", "mean", "largest", "channel"
MEASURES = (NORM, RMS, MEAN, LARGEST, CHANNEL)
_TITLES = {NORM: "L2 norm", RMS: "root mean square", MEAN: "mean", LARGEST: "largest magnitude"}


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Which number of each token; `channel` counts when the measure is a channel."""

    measure: str = NORM
    channel: int = 0
    hide_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TraceDrawing(Drawing):
    """A trace, ready to be shown.

    Attributes
    ----------
    measured
        One value a row, exact: the captured dtype for a channel, float64 for what is computed.
    drawn
        The same as float64 with NaN instead of what is not finite: those are gaps in the line.
    title
        What the values are, for the axis.
    low, high
        Of the finite values, 0 and 0 if there is none.
    nan, infinite
        How many of the values are not finite.
    first_ratio
        The value of the token at position 0 by the median of those after it; 0 where that means nothing.
    other
        What is drawn as a second line over the same rows: of another run, or of what was there before controllers.
    """

    measured: np.ndarray
    drawn: np.ndarray
    title: str
    low: float
    high: float
    nan: int
    infinite: int
    first_ratio: float
    other: np.ndarray | None = None

    def table(self) -> Table:
        """Position and value of each row; two values where two lines are shown."""
        table = Table.of_line(self.rows, self.measured, self.title)
        if self.other is None:
            return table
        beside = np.full(len(table.values), np.nan)
        beside[: len(self.other)] = self.other[: len(beside)]
        header = (*table.header[:-1], f"{self.title} (solid)", f"{self.title} (dashed)")
        return Table(np.column_stack([table.values[:, 0].astype(np.float64), beside]), header, table.lead)


def prepare_trace(frame: Frame, settings: TraceSettings) -> TraceDrawing:
    """Measure every token of a frame."""
    rows = rows_of(frame, hide_first=settings.hide_first)
    measured, title = _measure(rows, settings)
    drawn = measured.astype(np.float64)
    finite = np.isfinite(drawn)
    nan = int(np.isnan(drawn).sum())
    infinite = drawn.size - int(finite.sum()) - nan
    if nan or infinite:
        drawn[~finite] = np.nan
    kept = drawn[finite] if nan or infinite else drawn
    low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
    ratio = _first_ratio(drawn) if rows.first == 0 and settings.measure != CHANNEL else 0.0
    return TraceDrawing(frame, settings, rows, measured, drawn, title, low, high, nan, infinite, ratio)


def prepare_trace_pair(first: Frame, second: Frame, settings: TraceSettings) -> TraceDrawing:
    """Measure every token of two frames over the same rows; the first becomes the second line."""
    drawing, other = prepare_trace(second, settings), prepare_trace(first, settings)
    finite = other.drawn[np.isfinite(other.drawn)]
    low, high = drawing.low, drawing.high
    if finite.size:
        low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return replace(drawing, low=low, high=high, other=other.drawn)


def _first_ratio(drawn: np.ndarray) -> float:
    others = drawn[1:]
    others = others[np.isfinite(others)]
    if len(others) < 2 or not np.isfinite(drawn[0]):
        return 0.0
    median = float(np.median(others))
    return float(drawn[0]) / median if median > 0 else 0.0


def _measure(rows: Rows, settings: TraceSettings) -> tuple[np.ndarray, str]:
    values = rows.values
    if settings.measure == CHANNEL:
        channel = max(0, min(settings.channel, rows.columns - 1))
        title = f"{rows.column} {channel}"
        return (values[:, channel].copy() if rows.columns else np.empty(0, values.dtype)), title
    measure = settings.measure if settings.measure in _TITLES else NORM
    measured = np.empty(rows.count, np.float64)
    at = 0
    for block in row_blocks(values):
        measured[at : at + len(block)] = _measured(block.astype(np.float64), measure)
        at += len(block)
    return measured, _TITLES[measure]


def _measured(block: np.ndarray, measure: str) -> np.ndarray:
    if not block.shape[1]:
        return np.zeros(len(block))
    with np.errstate(invalid="ignore", over="ignore"):
        if measure == MEAN:
            return np.asarray(block.mean(axis=1))
        if measure == LARGEST:
            return np.asarray(np.abs(block).max(axis=1))
        squares = np.einsum("ij,ij->i", block, block)
        return np.asarray(np.sqrt(squares / block.shape[1] if measure == RMS else squares))
