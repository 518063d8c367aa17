from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mi_crow_gui.plotdata.heatmap import HeatmapSettings, prepare_heatmap
from mi_crow_gui.plotdata.histogram import HistogramSettings, prepare_histogram
from mi_crow_gui.plotdata.options import options_of, settings_from
from mi_crow_gui.plotdata.table import ExportCancelled
from mi_crow_gui.plotdata.trace import CHANNEL, TraceSettings, prepare_trace
from tests.mi_crow_gui.plotdata.frames import frame, noise

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_matrix_comes_back_from_csv_and_npy_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    values = noise(1, 5, 7, dtype=dtype)
    values[0, 2, 3] = np.nan
    table = prepare_heatmap(
        frame(values, first_token=4, tokens=("", "", "", "", " a,", '"b"')), HeatmapSettings()
    ).table()
    table.write_csv(tmp_path / "plot.csv")
    table.write_npy(tmp_path / "plot.npy")
    with (tmp_path / "plot.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file))
    assert header[:3] == ["position", "token", "channel 0"]
    assert lines[0][:2] == ["4", " a,"]
    read = np.array([line[2:] for line in lines]).astype(dtype)
    np.testing.assert_array_equal(read, values[0])
    loaded = np.load(tmp_path / "plot.npy", allow_pickle=False)
    np.testing.assert_array_equal(loaded, values[0])
    assert loaded.dtype == dtype


def test_a_line_and_bins_have_tables_too(tmp_path: Path) -> None:
    values = noise(1, 4, 3)
    prepare_trace(frame(values), TraceSettings(CHANNEL, 1)).table().write_csv(tmp_path / "line.csv")
    assert (tmp_path / "line.csv").read_text().splitlines()[0] == "position,token,channel 1"
    prepare_histogram(frame(values), HistogramSettings(bins=2)).table().write_csv(tmp_path / "bins.csv")
    lines = (tmp_path / "bins.csv").read_text().splitlines()
    assert lines[0] == "from,to,count"
    assert len(lines) == 3


def test_an_export_that_is_given_up_says_so(tmp_path: Path) -> None:
    table = prepare_heatmap(frame(noise(1, 4, 3)), HeatmapSettings()).table()
    with pytest.raises(ExportCancelled):
        table.write_csv(tmp_path / "plot.csv", cancelled=lambda: True)


def test_settings_come_back_from_a_session() -> None:
    chosen = HeatmapSettings("locked", low=-1.5, high=2.5, hide_first=True)
    assert settings_from(HeatmapSettings, options_of(chosen)) == chosen
    assert options_of(HeatmapSettings()) == ()


def test_settings_that_are_unknown_or_unreadable_keep_their_defaults() -> None:
    options = (("colour", "red"), ("low", "wide"), ("hide_first", "perhaps"), ("low", "2"), ("sample", "2"))
    assert settings_from(HeatmapSettings, options) == HeatmapSettings(low=2.0)
