"""Statistics kept while rows go by are those of all rows together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core_hooks.capture.channel_statistics import KEPT, ChannelAccumulator, ChannelStatistics


def collected(values: np.ndarray, cuts: list[int]) -> ChannelStatistics:
    """Statistics of rows added in several calls to several accumulators that are merged."""
    parts = []
    for piece in np.split(np.arange(len(values)), sorted(c % (len(values) + 1) for c in cuts)):
        accumulator = ChannelAccumulator(values.shape[1])
        for half in np.array_split(piece, 2):
            accumulator.add(values[half], half)
        parts.append(accumulator.result())
    return ChannelStatistics.merged(parts)


@settings(max_examples=60)
@given(
    values=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 60), st.integers(1, 4)),
        elements=st.floats(-1000, 1000, width=32) | st.sampled_from([0.0, 5.0, np.nan, np.inf, -np.inf]),
    ),
    cuts=st.lists(st.integers(0, 60), max_size=3),
)  # fmt: skip
def test_they_are_those_of_all_rows_however_these_are_cut(values: np.ndarray, cuts: list[int]) -> None:
    found = collected(values, cuts)
    for channel in range(values.shape[1]):
        column = values[:, channel].astype(np.float64)
        finite = column[np.isfinite(column)]
        assert found.count[channel] == len(finite)
        assert found.nonfinite[channel] == len(column) - len(finite)
        assert found.zeros[channel] == (finite == 0).sum()
        if not len(finite):
            assert np.isnan(found.mean[channel])
            assert found.top_rows[channel, 0] == -1
            continue
        scale = max(1.0, np.abs(finite - finite.mean()).max())
        np.testing.assert_allclose(found.mean[channel], finite.mean(), atol=1e-5 * scale)
        np.testing.assert_allclose(found.variance[channel], finite.var(), atol=1e-4 * scale**2)
        assert found.maximum[channel] == finite.max()
        assert found.minimum[channel] == finite.min()
        top = np.sort(finite)[::-1][:KEPT]
        np.testing.assert_array_equal(found.top_values[channel, : len(top)], top)
        np.testing.assert_array_equal(column[found.top_rows[channel, : len(top)]], top)
        np.testing.assert_array_equal(found.bottom_values[channel, : len(top)], np.sort(finite)[:KEPT])
        assert (found.top_rows[channel, len(top) :] == -1).all()


def test_moments_hold_for_many_rows_far_from_zero() -> None:
    rng = np.random.default_rng(0)
    values = (rng.gamma(2.0, 1.0, (20_000, 5)) + 1000).astype(np.float32)
    found = collected(values, [700, 4_000, 15_001])
    wide = values.astype(np.float64)
    deviation = wide - wide.mean(axis=0)
    np.testing.assert_allclose(found.mean, wide.mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(found.variance, wide.var(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.skewness, (deviation**3).mean(axis=0) / wide.std(axis=0) ** 3, rtol=1e-4)
    np.testing.assert_allclose(found.kurtosis, (deviation**4).mean(axis=0) / wide.var(axis=0) ** 2 - 3, rtol=1e-4)


def test_values_too_large_for_their_powers_are_worked_out_in_double_precision() -> None:
    values = np.array([[1e12], [-1e12], [3e12], [0.0]], np.float32)
    found = collected(values, [])
    np.testing.assert_allclose(found.variance, values.astype(np.float64).var(axis=0), rtol=1e-6)
    assert np.isfinite(found.kurtosis).all()


def test_a_constant_channel_has_no_shape() -> None:
    found = collected(np.full((50, 1), 7.0, np.float32), [20])
    assert (found.variance[0], found.sparsity[0]) == (0.0, 0.0)
    assert np.isnan(found.kurtosis[0])
    assert np.isnan(found.skewness[0])


def test_equal_values_keep_the_rows_seen_first() -> None:
    found = collected(np.ones((100, 1), np.float32), [30, 60])
    assert found.top_rows[0].tolist() == list(range(KEPT))


def test_nothing_to_merge_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to merge"):
        ChannelStatistics.merged([])
