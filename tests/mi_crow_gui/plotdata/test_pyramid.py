from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_crow_gui.plotdata import pyramid
from mi_crow_gui.plotdata.pyramid import Extent, build, extent_of
from tests.mi_crow_gui.plotdata.frames import noise


def peaks(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The value of largest magnitude of each cell, written as plainly as possible."""
    cells = np.empty((-(-values.shape[0] // rows), -(-values.shape[1] // columns)), values.dtype)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            part = values[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns].ravel()
            cells[i, j] = part[np.argmax(np.abs(part))]
    return cells


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes levels out of matrices that a test can check by hand."""
    monkeypatch.setattr(pyramid, "_LONG", 16)
    monkeypatch.setattr(pyramid, "_SMALL", 64)
    monkeypatch.setattr(pyramid, "_BLOCK", 128)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("shape", [(37, 53), (5, 100), (100, 5), (16, 16), (1, 333)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_every_level_shows_the_value_of_largest_magnitude(shape: tuple[int, int], dtype: str) -> None:
    values = noise(*shape, dtype=dtype)
    made = build(values)
    assert len(made.levels) > 1
    for level in made.levels:
        np.testing.assert_array_equal(np.abs(level.values), np.abs(peaks(values, level.rows, level.columns)))
    assert made.extent == Extent(float(values.min()), float(values.max()))


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.floats(-5, 90), st.floats(0.5, 100), st.floats(-5, 90), st.floats(0.5, 100)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 4000),
)
def test_a_tile_covers_what_is_asked_for_and_hides_no_peak(
    shape: tuple[int, int], window: tuple[float, float, float, float], pixels: tuple[int, int], budget: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramid, "_LONG", 16)
        patch.setattr(pyramid, "_SMALL", 64)
        values = noise(*shape)
        top, tall, left, wide = window
        tile = build(values).tile((top, top + tall), (left, left + wide), *pixels, budget)
    rows = range(max(0, int(np.floor(top))), min(shape[0], int(np.ceil(top + tall))))
    columns = range(max(0, int(np.floor(left))), min(shape[1], int(np.ceil(left + wide))))
    if not rows or not columns:
        assert tile is None
        return
    assert tile is not None
    # One more than there are pixels at either end, where a cell reaches out of the window.
    assert tile.values.shape[0] <= pixels[0] + 1
    assert tile.values.shape[1] <= pixels[1] + 1
    assert tile.row <= rows.start < rows.stop <= tile.row + tile.values.shape[0] * tile.cell_rows
    assert tile.column <= columns.start < columns.stop <= tile.column + tile.values.shape[1] * tile.cell_columns
    part = values[tile.row :, tile.column :]
    part = part[: tile.values.shape[0] * tile.cell_rows, : tile.values.shape[1] * tile.cell_columns]
    np.testing.assert_array_equal(np.abs(tile.values), np.abs(peaks(part, tile.cell_rows, tile.cell_columns)))


def test_full_zoom_shows_every_element() -> None:
    values = noise(100, 100)
    tile = build(values).tile((10, 20), (30, 40), 500, 500)
    assert tile is not None
    np.testing.assert_array_equal(tile.values, values[10:20, 30:40])


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_finite_is_seen_from_any_distance_and_counted(odd: float) -> None:
    values = noise(64, 64)
    values[33, 21] = odd
    made = build(values)
    tile = made.tile((0, 64), (0, 64), 4, 4)
    assert tile is not None
    assert np.isfinite(tile.values).sum() == 15
    assert not np.isfinite(tile.values[2, 1])
    rest = values[np.isfinite(values)]
    assert (made.extent.low, made.extent.high) == (float(rest.min()), float(rest.max()))
    assert (made.extent.nan, made.extent.infinite) == (int(np.isnan(odd)), int(np.isinf(odd)))


def test_the_extent_of_nothing_finite_is_zero_and_counts_it_all() -> None:
    assert extent_of(np.full((2, 3), np.nan, np.float32)) == Extent(0.0, 0.0, 6, 0)
    assert extent_of(np.empty((0, 3), np.float32)) == Extent(0.0, 0.0, 0, 0)
