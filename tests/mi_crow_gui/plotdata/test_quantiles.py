from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mi_crow_gui.plotdata import quantiles as module
from mi_crow_gui.plotdata.quantiles import quantiles

FRACTIONS = (0.0, 0.01, 0.5, 0.99, 1.0)


@settings(max_examples=50)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(width=32)))
def test_counting_bits_gives_what_sorting_gives(values: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SMALL", 0)
        found = quantiles(values, FRACTIONS)
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        assert all(math.isnan(value) for value in found)
        return
    np.testing.assert_allclose(found, np.quantile(finite, FRACTIONS), rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_large_array_gives_exact_quantiles(dtype: str) -> None:
    values = np.random.default_rng(5).standard_t(3, (600, 500)).astype(dtype)
    values[3, 4], values[5, 6] = np.nan, -np.inf
    finite = values[np.isfinite(values)].astype(np.float64)
    np.testing.assert_allclose(quantiles(values, FRACTIONS), np.quantile(finite, FRACTIONS), rtol=1e-12)


def test_a_view_that_skips_columns_is_read_right() -> None:
    values = np.arange(900_000, dtype=np.float32).reshape(900, 1000)[:, ::2]
    np.testing.assert_allclose(quantiles(values, (0.25,)), np.quantile(values.astype(np.float64), 0.25))
