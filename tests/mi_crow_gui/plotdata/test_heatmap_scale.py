from __future__ import annotations

import numpy as np
import pytest

from mi_crow_gui.plotdata.heatmap import HeatmapSettings, prepare_heatmap
from mi_crow_gui.plotdata.scale import LOCKED, MIN_MAX, PERCENTILE
from tests.mi_crow_gui.plotdata.frames import frame, noise


def test_signed_data_is_centred_on_zero() -> None:
    scale = prepare_heatmap(frame(noise(1, 20, 30) + 0.5), HeatmapSettings(MIN_MAX)).scale
    assert scale.diverging
    assert scale.low == -scale.high
    assert scale.high == pytest.approx(float(np.abs(noise(1, 20, 30) + 0.5).max()))


def test_data_of_one_sign_is_not() -> None:
    values = np.abs(noise(1, 20, 30))
    scale = prepare_heatmap(frame(values), HeatmapSettings(MIN_MAX)).scale
    assert (scale.low, scale.high, scale.diverging) == (float(values.min()), float(values.max()), False)


def test_a_first_token_of_huge_norm_does_not_blank_the_others() -> None:
    values = noise(1, 8, 100)
    values[0, 0] *= 150
    scale = prepare_heatmap(frame(values), HeatmapSettings(PERCENTILE)).scale
    assert 2 < scale.high < 3.5
    assert "token 0 left out" in scale.note


def test_percentiles_are_those_of_all_elements_when_all_can_be_seen() -> None:
    values = np.abs(noise(1, 200, 100))
    scale = prepare_heatmap(frame(values, first_token=5), HeatmapSettings(PERCENTILE)).scale
    ordered = np.sort(values.ravel())
    assert (scale.low, scale.high) == (ordered[199], ordered[-200])


def test_a_locked_range_stays_whatever_comes() -> None:
    settings = HeatmapSettings(LOCKED, low=-2.0, high=2.0)
    scale = prepare_heatmap(frame(noise(1, 5, 5) * 100), settings).scale
    assert (scale.low, scale.high, scale.diverging) == (-2.0, 2.0, True)


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("mode", [PERCENTILE, MIN_MAX])
def test_a_single_value_has_a_range_to_lie_in(value: float, mode: str) -> None:
    scale = prepare_heatmap(frame(np.full((1, 4, 4), value, np.float32)), HeatmapSettings(mode)).scale
    assert scale.low <= value <= scale.high
    assert scale.low < scale.high


def test_mostly_zeros_show_the_few_that_are_not() -> None:
    values = np.zeros((1, 100, 100), np.float32)
    values[0, 50, 50] = 7
    scale = prepare_heatmap(frame(values), HeatmapSettings(PERCENTILE)).scale
    assert (scale.low, scale.high) == (0.0, 7.0)


def test_the_values_for_read_out_are_the_captured_ones() -> None:
    values = noise(1, 4, 6, dtype="float16")
    drawing = prepare_heatmap(frame(values), HeatmapSettings())
    assert np.shares_memory(drawing.rows.values, values)
    assert (drawing.run, drawing.step, drawing.site) == (3, 0, "h.1")
