from __future__ import annotations

import numpy as np
import pytest

from mi_crow_gui.plotdata.histogram import HistogramSettings, prepare_histogram
from mi_crow_gui.plotdata.scale import MIN_MAX, PERCENTILE
from tests.mi_crow_gui.plotdata.frames import frame, noise


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16"])
def test_counts_equal_those_of_numpy(dtype: str) -> None:
    values = (noise(1, 300, 400) * 37).astype(dtype)
    drawing = prepare_histogram(frame(values), HistogramSettings(MIN_MAX, bins=53))
    exact = values.astype(np.float64)
    # Bins by value against edges, none by arithmetic: the last one holds its upper edge.
    place = np.clip(np.searchsorted(drawing.edges, exact.ravel(), side="right") - 1, 0, 52)
    expected = np.bincount(place, minlength=53)
    assert int(np.abs(drawing.counts - expected).sum()) <= 4, "rounding at edges moves a value by one bin at most"
    assert drawing.counts.sum() == values.size
    assert drawing.zeros == int((values == 0).sum())
    assert drawing.outside == 0


def test_what_is_outside_the_range_or_not_finite_is_counted_once() -> None:
    values = noise(1, 100, 100)
    values[0, 0, :3] = np.nan
    values[0, 1, :2] = (np.inf, -np.inf)
    drawing = prepare_histogram(frame(values), HistogramSettings(PERCENTILE))
    assert (drawing.extent.nan, drawing.extent.infinite) == (3, 2)
    assert 150 < drawing.outside < 250
    assert drawing.counts.sum() + drawing.outside + 5 == values.size


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0])
def test_a_single_value_falls_into_the_middle(value: float) -> None:
    drawing = prepare_histogram(frame(np.full((1, 3, 3), value, np.float32)), HistogramSettings(bins=9))
    assert drawing.counts.tolist() == [0, 0, 0, 0, 9, 0, 0, 0, 0]


def test_nothing_finite_gives_empty_bins() -> None:
    drawing = prepare_histogram(frame(np.full((1, 2, 2), np.nan, np.float32)), HistogramSettings(bins=4))
    assert drawing.counts.tolist() == [0, 0, 0, 0]
