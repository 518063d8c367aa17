"""Principal components against the singular value decomposition of all values at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from core_hooks import RunCancelled
from core_hooks.analysis import projection
from core_hooks.analysis.projection import principal_components


def spread(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Values whose variance falls from axis to axis, around a mean far from 0."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    return (rng.standard_normal((rows, columns)) * 0.7 ** np.arange(columns) @ turn + 50).astype(np.float32)


def check(values: np.ndarray, components: int) -> None:
    found = principal_components(values, components)
    centred = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    left, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    for k in range(components):
        sign = np.sign(found.axes[k] @ axes[k])
        np.testing.assert_allclose(found.axes[k], sign * axes[k], atol=2e-4)
        np.testing.assert_allclose(found.points[:, k], sign * left[:, k] * lengths[k], atol=2e-3)
    np.testing.assert_allclose(found.explained, (lengths**2 / (lengths**2).sum())[:components], rtol=1e-4)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(components), atol=1e-5)
    assert (found.axes[np.arange(components), np.abs(found.axes).argmax(1)] > 0).all()
    assert found.left_out == 0


@pytest.mark.parametrize("way", ["exact", "iterated"])
@pytest.mark.parametrize(("rows", "columns"), [(300, 12), (40, 90), (700, 64)])
def test_axes_points_and_shares_are_those_of_the_whole_decomposition(
    way: str, rows: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "_ROWS", 64)
    if way == "iterated":
        monkeypatch.setattr(projection, "_EXACT_WORK", 0.0)
    check(spread(rows, columns), 3)


def test_vectors_with_nan_are_left_out_and_counted() -> None:
    values = spread(60, 8)
    whole = principal_components(values[2:], 2)
    values[0, 3], values[1, 0] = np.nan, np.inf
    found = principal_components(values, 2)
    assert found.left_out == 2
    assert np.isnan(found.points[:2]).all()
    np.testing.assert_allclose(found.points[2:], whole.points, atol=1e-5)


def test_half_precision_is_projected_as_it_is() -> None:
    values = spread(200, 10).astype(np.float16)
    check(values.astype(np.float32), 2)
    found = principal_components(values, 2)
    assert found.points.dtype == np.float32


def test_few_vectors_have_few_axes_and_equal_ones_have_no_variance() -> None:
    found = principal_components(spread(2, 5), 3)
    assert found.points.shape == (2, 1)
    assert found.explained[0] == pytest.approx(1)
    same = principal_components(np.ones((4, 3), np.float32), 2)
    np.testing.assert_array_equal(same.points, 0)
    np.testing.assert_array_equal(same.explained, 0)


def test_what_cannot_be_projected_is_refused() -> None:
    with pytest.raises(ValueError, match="channels"):
        principal_components(np.zeros(4))
    with pytest.raises(ValueError, match="at least two"):
        principal_components(np.full((3, 2), np.nan))


def test_a_projection_can_be_cancelled() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RunCancelled):
        principal_components(spread(10, 3), cancel=cancel)
