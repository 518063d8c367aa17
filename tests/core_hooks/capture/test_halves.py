"""float16 as float32: every value there is, bit for bit as numpy converts it."""

from __future__ import annotations

import numpy as np
import pytest

from core_hooks.capture.halves import widened_halves

EVERY = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def _same_bits(found: np.ndarray, halves: np.ndarray) -> bool:
    assert found.dtype == np.float32
    assert found.shape == halves.shape
    return np.array_equal(found.view(np.uint32), halves.astype(np.float32).view(np.uint32))


def test_every_half_is_widened_to_the_bits_that_numpy_gives() -> None:
    assert _same_bits(widened_halves(EVERY), EVERY)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_subnormal_values_are_exact_whether_few_or_many(share: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal(100_001).astype(np.float16)
    small = rng.random(len(values)) < share
    values[small] = rng.integers(0, 1 << 10, int(small.sum()), dtype=np.uint16).view(np.float16)
    assert _same_bits(widened_halves(values), values)


def test_an_infinity_and_a_nan_among_others_stay_what_they_are() -> None:
    values = np.ones((300, 700), np.float16)
    values[7, 9], values[299, 699], values[100, 3] = np.inf, -np.inf, np.nan
    assert _same_bits(widened_halves(values), values)


def test_values_that_do_not_lie_together_and_none_at_all_are_widened() -> None:
    values = np.random.default_rng(2).standard_normal((64, 96)).astype(np.float16)
    assert _same_bits(widened_halves(values[::3, ::-2]), values[::3, ::-2])
    assert widened_halves(np.empty((0, 5), np.float16)).shape == (0, 5)


def test_room_that_is_given_is_filled_and_returned() -> None:
    values = np.random.default_rng(3).standard_normal((40, 50)).astype(np.float16)
    room = np.full((40, 50), np.nan, np.float32)
    assert widened_halves(values, room) is room
    assert _same_bits(room, values)
