from __future__ import annotations

import math

import numpy as np
import pytest

from mi_crow_gui.plotdata.statistics import StatisticsSettings, prepare_statistics
from tests.mi_crow_gui.plotdata.frames import frame, noise


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_statistics_equal_those_of_numpy(dtype: str) -> None:
    values = (noise(1, 300, 500) * 100).astype(dtype)
    known = prepare_statistics(frame(values), StatisticsSettings())
    exact = values.astype(np.float64)
    assert (known.minimum, known.maximum) == (exact.min(), exact.max())
    assert known.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert known.std == pytest.approx(exact.std(), rel=1e-12)
    np.testing.assert_allclose((known.p1, known.median, known.p99), np.quantile(exact, (0.01, 0.5, 0.99)))
    assert (known.count, known.zeros, known.nan, known.infinite) == (150_000, int((exact == 0).sum()), 0, 0)


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    values = np.array([[1.0, np.nan, 3.0, np.inf, -np.inf, 0.0]], np.float32)
    known = prepare_statistics(frame(values), StatisticsSettings())
    assert (known.count, known.nan, known.infinite, known.zeros) == (6, 1, 2, 1)
    assert known.mean == pytest.approx(4 / 3)
    assert known.std == pytest.approx(np.std([1.0, 3.0, 0.0]))


def test_a_site_far_from_zero_keeps_its_small_spread() -> None:
    values = (1e6 + noise(1, 400, 400, dtype="float64")).astype(np.float64)
    assert prepare_statistics(frame(values), StatisticsSettings()).std == pytest.approx(values.std(), rel=1e-9)


def test_nothing_finite_has_no_mean() -> None:
    known = prepare_statistics(frame(np.full((1, 2, 2), np.nan, np.float32)), StatisticsSettings())
    assert math.isnan(known.mean)
    assert math.isnan(known.maximum)
    assert math.isnan(known.median)
