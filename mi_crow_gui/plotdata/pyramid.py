"""Reduces a matrix for the screen so that no peak is lost: a cell shows the value of largest magnitude under it.

NaN and infinities win over every number, so a single one among millions is still seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mi_crow_gui.plotdata.blocks import real, row_blocks

_FACTOR = 4
# An axis shorter than this is hardly more than a screen has pixels and is not reduced ahead of time.
_LONG = 2048
# A level of this size is reduced further in about a millisecond, whenever the view changes.
_SMALL = 1 << 20
_BLOCK = 1 << 17


@dataclass(frozen=True, slots=True)
class Extent:
    """Smallest and largest finite value (0 and 0 if there is none), and how many values are NaN or infinite."""

    low: float
    high: float
    nan: int = 0
    infinite: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A matrix in which each cell stands for `rows` x `columns` elements."""

    rows: int
    columns: int
    values: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What a screen shows: cells of `cell_rows` x `cell_columns` elements, the first at `row`, `column`."""

    values: np.ndarray
    row: int
    column: int
    cell_rows: int
    cell_columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """A matrix and its reductions, finest first; `extent` is of all its elements."""

    levels: tuple[Level, ...]
    extent: Extent

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix itself."""
        rows, columns = self.levels[0].values.shape
        return rows, columns

    def tile(
        self, rows: tuple[float, float], columns: tuple[float, float], height: int, width: int, budget: int = 3 << 20
    ) -> Tile | None:
        """Reduce a part of the matrix to at most `height` x `width` cells; None where there is nothing.

        Reads at most about `budget` cells of the finest level for which that is enough, so the cells may be up to
        twice as large as the pixels. Cells lie on a fixed grid: what is panned does not flicker.
        """
        all_rows, all_columns = self.shape
        top, bottom = max(0, math.floor(rows[0])), min(all_rows, math.ceil(rows[1]))
        left, right = max(0, math.floor(columns[0])), min(all_columns, math.ceil(columns[1]))
        if top >= bottom or left >= right or height < 1 or width < 1:
            return None
        by_row, by_column = max(1.0, (bottom - top) / height), max(1.0, (right - left) / width)
        level = self._level(by_row, by_column, (bottom - top) * (right - left), budget)
        more_rows, more_columns = math.ceil(by_row / level.rows), math.ceil(by_column / level.columns)
        cell_rows, cell_columns = level.rows * more_rows, level.columns * more_columns
        first_row, first_column = top // cell_rows, left // cell_columns
        last_row, last_column = -(-bottom // cell_rows), -(-right // cell_columns)
        part = level.values[
            first_row * more_rows : last_row * more_rows, first_column * more_columns : last_column * more_columns
        ]
        values = real(part)
        if more_rows > 1 or more_columns > 1:
            values = np.concatenate(
                [_peaks(real(block), more_rows, more_columns)[0] for block in row_blocks(part, _BLOCK, more_rows)]
            )
        return Tile(values, first_row * cell_rows, first_column * cell_columns, cell_rows, cell_columns)

    def overview(self, side: int, first: int = 0) -> np.ndarray:
        """All rows from `first` on as at most `side` x `side` cells."""
        rows, columns = self.shape
        tile = self.tile((first, rows), (0, columns), side, side, _SMALL)
        return tile.values if tile is not None else np.empty((0, 0), np.float32)

    def _level(self, by_row: float, by_column: float, elements: int, budget: int) -> Level:
        # Twice as coarse as the pixels is the most that is not seen as blocks.
        fine = [level for level in self.levels if level.rows < 2 * by_row and level.columns < 2 * by_column]
        return next((level for level in fine if elements // (level.rows * level.columns) <= budget), fine[-1])


def build(values: np.ndarray) -> Pyramid:
    """Make the pyramid of a matrix in one pass over its memory."""
    by_row, by_column = (_FACTOR if length >= _LONG else 1 for length in values.shape)
    if values.size <= _SMALL or by_row == by_column == 1:
        return Pyramid((Level(1, 1, values),), extent_of(values))
    reduced, extent = _reduce(values, by_row, by_column)
    levels = [Level(1, 1, values), Level(by_row, by_column, reduced)]
    while levels[-1].values.size > _SMALL:
        last = levels[-1]
        reduced, _ = _reduce(last.values, by_row, by_column)
        levels.append(Level(last.rows * by_row, last.columns * by_column, reduced))
    return Pyramid(tuple(levels), extent)


def _reduce(values: np.ndarray, by_row: int, by_column: int) -> tuple[np.ndarray, Extent]:
    rows, columns = -(-values.shape[0] // by_row), -(-values.shape[1] // by_column)
    reduced = np.empty((rows, columns), real(values[:0]).dtype)
    at, extents = 0, []
    for block in row_blocks(values, _BLOCK, by_row):
        cells, low, high = _peaks(real(block), by_row, by_column)
        reduced[at : at + len(cells)] = cells
        at += len(cells)
        extents.append(extent_of(block) if not math.isfinite(high - low) else Extent(low, high))
    return reduced, _joined(extents)


def _peaks(block: np.ndarray, by_row: int, by_column: int) -> tuple[np.ndarray, float, float]:
    """Cells of largest magnitude, and the smallest and largest value; those are NaN or infinite where a value is."""
    high, low = _folded(block, by_row, by_column, np.maximum), _folded(block, by_row, by_column, np.minimum)
    smallest, largest = float(low.min()), float(high.max())
    if smallest >= 0:
        return high, smallest, largest
    # Written so that NaN, which compares false with everything, takes the first branch.
    return np.where(high < -low, low, high), smallest, largest


def _folded(block: np.ndarray, by_row: int, by_column: int, wins: np.ufunc) -> np.ndarray:
    """Groups of rows, then of columns, reduced to the one that wins; the last group may be smaller."""
    if by_row > 1:
        block = _joined_slices([block[offset::by_row] for offset in range(by_row)], wins)
    if by_column > 1:
        # Slices of slices, for a reduction along so short an axis takes ten times as long.
        block = _joined_slices([block[:, offset::by_column] for offset in range(by_column)], wins)
    return block


def _joined_slices(slices: list[np.ndarray], wins: np.ufunc) -> np.ndarray:
    first, *others = slices
    if others and others[0].shape == first.shape:
        joined: np.ndarray = wins(first, others.pop(0))
    else:
        joined = first.copy()
    for other in others:
        part = joined[: other.shape[0], : other.shape[1]]
        wins(part, other, out=part)
    return joined


def extent_of(values: np.ndarray) -> Extent:
    """Extremes and counts of a matrix, in blocks."""
    return _joined([_extent_of(real(block)) for block in row_blocks(values)] if values.size else [])


def _extent_of(block: np.ndarray) -> Extent:
    low, high = float(block.min()), float(block.max())
    if math.isfinite(low) and math.isfinite(high):
        return Extent(low, high)
    finite = np.isfinite(block)
    nan = int(np.isnan(block).sum())
    infinite = block.size - int(finite.sum()) - nan
    kept = block[finite]
    if not kept.size:
        return Extent(math.inf, -math.inf, nan, infinite)
    return Extent(float(kept.min()), float(kept.max()), nan, infinite)


def _joined(extents: list[Extent]) -> Extent:
    low = min((extent.low for extent in extents), default=math.inf)
    high = max((extent.high for extent in extents), default=-math.inf)
    if low > high:
        low = high = 0.0
    return Extent(low, high, sum(e.nan for e in extents), sum(e.infinite for e in extents))
