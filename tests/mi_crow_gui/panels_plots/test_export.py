from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QToolButton

from mi_crow_gui.panels.plots.export import ExportFailed, copy_image, numbers_job, save_picture, suggested_name
from mi_crow_gui.plotdata.table import ExportCancelled
from tests.mi_crow_gui.panels_plots.conftest import KINDS
from tests.mi_crow_gui.plotdata.frames import frame, noise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_of_the_plot_as_seen_without_its_buttons(
    make: Callable[..., Any], kind: str, tmp_path: Path
) -> None:
    panel = make(kind, frame(noise(1, 5, 8), tokens=("a", "b")))
    save_picture(panel, tmp_path / "plot.png")
    image = QImage(str(tmp_path / "plot.png"))
    assert (image.width(), image.height()) == (600, 400)
    save_picture(panel, tmp_path / "plot.svg")
    svg = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "run 3 · step 0" in svg, "text stays text"
    assert "Options" not in svg
    assert panel.findChild(QToolButton, "plotOptions").isVisible()


def test_the_copied_image_is_on_the_clipboard(make: Callable[..., Any]) -> None:
    copy_image(make("heatmap", frame(noise(1, 5, 8))))
    assert QGuiApplication.clipboard().image().width() == 600


def test_numbers_are_written_by_a_job_as_they_were_when_it_was_made(make: Callable[..., Any], tmp_path: Path) -> None:
    values = noise(1, 5, 8)
    panel = make("heatmap", frame(values))
    job = numbers_job(panel, tmp_path / "plot.npy")
    panel.clear()
    assert job() == tmp_path / "plot.npy"
    np.testing.assert_array_equal(np.load(tmp_path / "plot.npy"), values[0])


def test_an_export_given_up_or_impossible_leaves_no_file(make: Callable[..., Any], tmp_path: Path) -> None:
    panel = make("heatmap", frame(noise(1, 5, 8)))
    with pytest.raises(ExportCancelled):
        numbers_job(panel, tmp_path / "plot.csv", cancelled=lambda: True)()
    with pytest.raises(ExportFailed, match=r"\.csv or \.npy"):
        numbers_job(panel, tmp_path / "plot.xlsx")
    with pytest.raises(ExportFailed, match="nowhere"):
        save_picture(panel, tmp_path / "nowhere" / "plot.png")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_the_suggested_name_says_what_is_in_the_file(make: Callable[..., Any]) -> None:
    panel = make("trace", frame(noise(1, 5, 8), site="h.1.attn", run=12, step=4))
    assert suggested_name(panel, ".svg") == "trace_h.1.attn_run12_step4.svg"
