from __future__ import annotations

import numpy as np
import pytest

from mi_crow_gui.plotdata.heatmap import HeatmapSettings, prepare_heatmap
from mi_crow_gui.plotdata.histogram import HistogramSettings, prepare_histogram
from mi_crow_gui.plotdata.prompt_frame import frame_of_prompt
from mi_crow_gui.plotdata.rows import NotDrawable, rows_of
from mi_crow_gui.plotdata.statistics import StatisticsSettings, prepare_statistics
from mi_crow_gui.plotdata.trace import TraceSettings, prepare_trace
from tests.mi_crow_gui.plotdata.frames import frame, noise


def test_a_site_of_tokens_by_channels_is_shown_as_it_is_without_a_copy() -> None:
    values = noise(1, 5, 8)
    rows = rows_of(frame(values, first_token=2, tokens=("y", "z", "a", "b")))
    assert np.shares_memory(rows.values, values)
    assert (rows.count, rows.columns, rows.first, rows.row, rows.column) == (5, 8, 2, "token", "channel")
    assert [rows.label(position) for position in (1, 2, 3, 4)] == ["", "a", "b", ""]


def test_a_prompt_of_a_batch_is_picked_and_too_large_a_number_means_the_last() -> None:
    values = noise(3, 4, 2)
    batch = frame(values, rows=(("a", "b"), ("c",), ("d", "e", "f")), spans=(range(2, 4), range(3, 4), range(1, 4)))
    rows = rows_of(frame_of_prompt(batch, 1))
    np.testing.assert_array_equal(rows.values, values[1, 3:])
    assert (rows.label(0), rows.sample, rows.samples) == ("c", 1, 3)
    last = rows_of(frame_of_prompt(batch, 9))
    np.testing.assert_array_equal(last.values, values[2, 1:])
    assert (last.sample, last.samples, last.first) == (2, 3, 0)


def test_statistics_histogram_and_ranges_never_count_padding() -> None:
    values = noise(2, 6, 5)
    values[1, 2:] = 1e9
    values[1, 3] = np.nan
    batch = frame(values, rows=(("x",) * 6, ("y",) * 2), spans=(range(6), range(2)))
    mine = frame_of_prompt(batch, 1)
    statistics = prepare_statistics(mine, StatisticsSettings())
    assert (statistics.count, statistics.nan) == (10, 0)
    assert statistics.maximum == float(values[1, :2].max())
    assert statistics.mean == pytest.approx(float(values[1, :2].mean(dtype=np.float64)))
    histogram = prepare_histogram(mine, HistogramSettings())
    assert (int(histogram.counts.sum()), histogram.extent.nan) == (10, 0)
    assert prepare_heatmap(mine, HeatmapSettings()).scale.high < 10
    assert len(prepare_trace(mine, TraceSettings()).measured) == 2


def test_hiding_the_first_token_keeps_positions_and_texts_in_step() -> None:
    rows = rows_of(frame(noise(1, 3, 2), tokens=("a", "b", "c")), hide_first=True)
    assert (rows.first, rows.count) == (1, 2)
    assert rows.label(1) == "b"


def test_hiding_the_first_token_does_nothing_when_it_was_dropped_or_is_the_only_one() -> None:
    assert rows_of(frame(noise(1, 3, 2), first_token=7), hide_first=True).count == 3
    assert rows_of(frame(noise(1, 1, 2)), hide_first=True).count == 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (1, 1)), ((7,), (1, 7)), ((3, 5), (3, 5)), ((2, 4, 6, 5), (24, 5)), ((1, 0, 8), (0, 8)), ((2, 0), (2, 0))],
)
def test_every_shape_becomes_rows_and_columns(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert rows_of(frame(np.zeros(shape, np.float32))).values.shape == expected


def test_truth_values_are_drawn_as_numbers_and_complex_numbers_are_refused() -> None:
    assert rows_of(frame(np.array([[True, False]]))).values.tolist() == [[1, 0]]
    with pytest.raises(NotDrawable, match="complex64"):
        rows_of(frame(np.zeros((1, 2), np.complex64)))
