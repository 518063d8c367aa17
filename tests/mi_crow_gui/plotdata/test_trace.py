from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_crow_gui.plotdata.line import thinned
from mi_crow_gui.plotdata.trace import CHANNEL, LARGEST, MEAN, NORM, RMS, TraceSettings, prepare_trace
from tests.mi_crow_gui.plotdata.frames import frame, noise


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_measures_of_each_token_equal_those_of_numpy(dtype: str) -> None:
    values = noise(1, 700, 300, dtype=dtype)
    exact = values[0].astype(np.float64)
    expected = {
        NORM: np.linalg.norm(exact, axis=1),
        RMS: np.sqrt((exact**2).mean(axis=1)),
        MEAN: exact.mean(axis=1),
        LARGEST: np.abs(exact).max(axis=1),
    }
    for measure, wanted in expected.items():
        drawing = prepare_trace(frame(values), TraceSettings(measure))
        np.testing.assert_allclose(drawing.measured, wanted, rtol=1e-12)


def test_a_channel_is_shown_as_it_was_captured_and_one_too_many_is_the_last() -> None:
    values = noise(1, 9, 4, dtype="float16")
    drawing = prepare_trace(frame(values), TraceSettings(CHANNEL, channel=2))
    np.testing.assert_array_equal(drawing.measured, values[0, :, 2])
    assert drawing.measured.dtype == np.float16
    assert prepare_trace(frame(values), TraceSettings(CHANNEL, channel=99)).title == "channel 3"


def test_what_is_not_finite_is_a_gap_that_is_counted() -> None:
    values = noise(1, 5, 3)
    values[0, 1, 0], values[0, 3, 2] = np.nan, np.inf
    drawing = prepare_trace(frame(values), TraceSettings())
    assert np.isnan(drawing.drawn).tolist() == [False, True, False, True, False]
    assert np.isinf(drawing.measured[3])
    assert (drawing.nan, drawing.infinite) == (1, 1)
    assert np.isfinite([drawing.low, drawing.high]).all()


def test_a_first_token_that_dwarfs_the_others_is_noticed() -> None:
    values = noise(1, 50, 64)
    values[0, 0] *= 150
    assert 120 < prepare_trace(frame(values), TraceSettings()).first_ratio < 180
    assert prepare_trace(frame(values), TraceSettings(hide_first=True)).first_ratio == 0
    assert prepare_trace(frame(values, first_token=3), TraceSettings()).first_ratio == 0
    assert prepare_trace(frame(values), TraceSettings(CHANNEL)).first_ratio == 0


def test_float16_norms_do_not_overflow() -> None:
    values = np.full((1, 2, 4096), 60_000, np.float16)
    assert prepare_trace(frame(values), TraceSettings()).measured[0] == pytest.approx(float(values[0, 0, 0]) * 64)


@settings(max_examples=60)
@given(st.integers(1, 3000), st.integers(1, 50), st.floats(-100, 3000), st.floats(1, 4000))
def test_a_thinned_line_keeps_the_peaks_between_its_ends(length: int, width: int, start: float, span: float) -> None:
    values = noise(length, dtype="float64")
    first = 7
    x, y = thinned(values, first, start, start + span, width)
    begin, end = max(0, int(np.floor(start)) - first - 1), min(length, int(np.ceil(start + span)) - first + 2)
    if begin >= end:
        assert not len(x)
        return
    assert (y.min(), y.max()) == (values[begin:end].min(), values[begin:end].max())
    assert (np.diff(x) >= 0).all()
    assert len(x) <= max(4 * width, 2 * width + 4)


def test_a_line_that_fits_is_not_thinned() -> None:
    values = noise(100, dtype="float64")
    x, y = thinned(values, 0, -0.5, 99.5, 200)
    np.testing.assert_array_equal(y, values)
    np.testing.assert_array_equal(x, np.arange(100))


def test_gaps_survive_thinning_where_a_whole_column_is_empty() -> None:
    values = noise(10_000, dtype="float64")
    values[4000:6000] = np.nan
    _, y = thinned(values, 0, -0.5, 9999.5, 100)
    assert 30 < np.isnan(y).sum() < 45
