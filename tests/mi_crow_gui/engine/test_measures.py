"""Numbers about the newest token, against the same computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core_hooks.capture.record import CaptureRecord
from mi_crow_gui.engine.measures import Measures


def capture(values: np.ndarray, run: int = 1, step: int = 0, hook_id: str = "a") -> CaptureRecord:
    return CaptureRecord(
        run=run, step=step, call=0, site="h.0", hook_id=hook_id, stage="", values=values, dtype="float32", first_token=0
    )


def test_norm_and_zeros_are_of_the_newest_tokens_values() -> None:
    values = np.array([[[9.0, 9.0, 9.0, 9.0], [3.0, 0.0, -4.0, 0.0]]], np.float32)
    found = Measures().measure(capture(values))
    assert (found.norm, found.zeros) == (5.0, 0.5)
    assert math.isnan(found.change)


def test_change_is_from_the_step_before_and_between_runs_from_where_the_last_one_began() -> None:
    measures = Measures()
    rows = np.array([[3.0, 4.0], [3.0, 5.0], [0.0, 5.0]], np.float32)
    measures.measure(capture(rows[None, :1]))
    assert measures.measure(capture(rows[None, 1:2], step=1)).change == pytest.approx(1 / 5)
    assert measures.measure(capture(rows[None, 2:3], step=2)).change == pytest.approx(3 / math.sqrt(34))
    again = measures.measure(capture(2 * rows[None, :1], run=2))
    assert again.change == pytest.approx(1.0)
    assert math.isnan(measures.measure(capture(rows[None, :1], run=2, hook_id="b")).change)


def test_what_has_no_ratio_is_unknown_and_what_has_other_channels_is_not_compared() -> None:
    measures = Measures()
    measures.measure(capture(np.zeros((1, 2, 3), np.float32)))
    assert measures.measure(capture(np.zeros((1, 2, 3), np.float32), run=2)).change == 0.0
    assert math.isnan(measures.measure(capture(np.ones((1, 2, 3), np.float32), run=3)).change)
    assert math.isnan(measures.measure(capture(np.ones((1, 2, 4), np.float32), run=4)).change)
    assert measures.measure(capture(np.zeros((0, 4), np.float32), run=5)).norm == 0.0
    measures.forget()
    assert math.isnan(measures.measure(capture(np.zeros((0, 4), np.float32), run=6)).change)
