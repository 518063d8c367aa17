"""A capture goes from the window to a file, and the README's one line reads each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDialog, QListWidget, QSpinBox, QWidget

from core_hooks.capture.export import export_capture
from core_hooks.capture.reader import open_capture
from tests.mi_crow_gui.offline.conftest import OTHER, SITE, rows_of

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines

README = Path(__file__).parents[3] / "README.md"


def test_the_dialog_says_what_and_the_file_holds_that(
    offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path, values: np.ndarray
) -> None:
    offline.open(stored)
    asked: list[tuple[str, list[str], int, int]] = []
    offline.driver.act("exportCapture")
    dialog = offline.find(QDialog, "exportCaptureDialog")
    dialog.chosen.connect(lambda *what: asked.append(what))
    dialog.findChild(QComboBox, "exportFormat").setCurrentIndex(1)
    sites = dialog.findChild(QListWidget, "exportSites")
    assert [sites.item(i).checkState() for i in range(2)] == [Qt.CheckState.Checked, Qt.CheckState.Unchecked]
    sites.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not dialog.findChild(QWidget, "exportAccept").isEnabled()
    sites.item(1).setCheckState(Qt.CheckState.Checked)
    which = dialog.findChild(QComboBox, "exportWhich")
    which.setCurrentIndex(which.count() - 1)
    dialog.findChild(QSpinBox, "exportFrom").setValue(10)
    dialog.findChild(QSpinBox, "exportTo").setValue(25)
    dialog.findChild(QWidget, "exportAccept").click()
    assert asked == [("npz", [OTHER], 10, 25)]
    for chooser in offline.window.findChildren(QDialog, "fileDialog"):
        chooser.reject()
    offline.wiring.export.export(tmp_path / "mine", "npz", [SITE], (10, 25))
    qtbot.waitUntil(lambda: "Exported" in offline.message())
    np.testing.assert_array_equal(np.load(tmp_path / "mine.npz")[SITE], values[10:25])


def test_the_text_that_is_shown_can_be_exported_alone(offline: Offlines, stored: Path) -> None:
    offline.open(stored)
    offline.click_text(4)
    offline.driver.act("exportCapture")
    dialog = offline.find(QDialog, "exportCaptureDialog")
    dialog.findChild(QComboBox, "exportWhich").setCurrentIndex(1)
    assert dialog._chosen_rows() == (rows_of(4).start, rows_of(4).stop)
    dialog.reject()


def test_a_refusal_is_one_sentence(offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path) -> None:
    offline.open(stored)
    offline.wiring.export.export(tmp_path / "no" / "x", "csv", [SITE], (0, 5))
    qtbot.waitUntil(lambda: "can't be written" in offline.message())


@pytest.mark.parametrize("format", ["safetensors", "npz", "csv", "parquet"])
def test_the_line_in_the_readme_reads_the_export(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: np.ndarray, format: str
) -> None:
    if format in ("csv", "parquet"):
        pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
    (line,) = re.findall(rf"^values = .*export\.{format}.*$", README.read_text(), re.MULTILINE)
    with open_capture(stored) as capture:
        export_capture(capture, tmp_path / f"export.{format}", format, sites=[SITE])
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    tables = ", pandas" if format in ("csv", "parquet") else ""
    exec(f"import numpy, safetensors.numpy{tables}", names)
    exec(line.replace("transformer.h.1", SITE), names)
    np.testing.assert_allclose(np.asarray(names["values"], np.float32), values, rtol=1e-6)
