"""A probe is trained from the window, measured on texts it never saw, and its direction saved and searched along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QTableWidget, QWidget
from safetensors.numpy import load_file

from tests.mi_crow_gui.offline.conftest import TEXTS, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines

pytest.importorskip("sklearn")


class Probes:
    def __init__(self, offline: Offlines, stored: Path) -> None:
        self.offline = offline
        offline.open(stored)
        browser = offline.wiring.browse.browser
        browser.show_tab(browser.probe)

    def source(self, place: int) -> None:
        self.offline.find(QComboBox, "probeSource").setCurrentIndex(place)

    def train(self) -> Any:
        self.offline.find(QAbstractButton, "probeTrain").click()
        wiring = self.offline.wiring.probe
        self.offline.qtbot.waitUntil(lambda: wiring._job is None, timeout=30_000)
        return wiring.probe

    def facts(self) -> dict[str, str]:
        table = self.offline.find(QTableWidget, "probeResult")
        return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())}


@pytest.fixture
def probes(offline: Offlines, stored: Path) -> Probes:
    return Probes(offline, stored)


def test_labels_that_say_nothing_about_the_vectors_are_at_chance(probes: Probes) -> None:
    probe = probes.train()
    assert probe.classes == ("mood 0", "mood 1")
    assert probe.test_texts == 75
    facts = probes.facts()
    assert facts["Measured on"] == "75 texts of 75 texts"
    assert "95 %" in facts["Accuracy"]
    assert probe.low < 0.6


def test_tokens_are_told_apart_and_the_direction_is_saved_and_searched_along(
    probes: Probes, qtbot: QtBot, tmp_path: Path, values: np.ndarray
) -> None:
    # Channel 0 is sin(3 id): what is positive there is a half space.
    words = "|".join(str(i) for i in range(50) if np.sin(3 * i) > 0)
    probes.source(2)
    probes.offline.find(QLineEdit, "probePattern").setText(f"^<({words})>$")
    probe = probes.train()
    assert probe.accuracy > 0.95
    assert probe.chance < 0.7
    assert probe.directions[0].argmin() == 0  # it speaks for "other", the second label
    probes.offline.wiring.probe.save(str(tmp_path / "dir"), 0)
    qtbot.waitUntil((tmp_path / "dir.safetensors").exists)
    saved = load_file(tmp_path / "dir.safetensors")["vector"]
    np.testing.assert_array_equal(saved, probe.directions[0])
    probes.offline.find(QAbstractButton, "probeSearch").click()
    with qtbot.waitSignal(probes.offline.wiring.search.found, timeout=10_000) as blocker:
        probes.offline.find(QAbstractButton, "searchButton").click()
    first = blocker.args[0].rows[0].row
    cosine = values @ saved / np.linalg.norm(values, axis=1)
    later = np.concatenate([np.arange(rows_of(n).start + 1, rows_of(n).stop) for n in range(len(TEXTS))])
    assert cosine[first] == pytest.approx(cosine[later].max(), rel=1e-5)


def test_labels_come_from_a_file(probes: Probes, tmp_path: Path) -> None:
    probes.source(1)
    probes.offline.find(QAbstractButton, "probeTrain").click()
    assert "Choose the file" in probes.offline.find(QWidget, "probeProblem").text()
    table = tmp_path / "labels.csv"
    table.write_text(
        "number,mood\n" + "".join(f"{n},{'long' if len(t) > 6 else 'short'}\n" for n, t in enumerate(TEXTS))
    )
    probes.offline.wiring.probe.choose_file(str(table))
    probes.offline.find(QLineEdit, "probeColumn").setText("feeling")
    probes.train()
    assert "no column 'feeling'" in probes.offline.find(QWidget, "probeProblem").text()
    probes.offline.find(QLineEdit, "probeColumn").setText("mood")
    probes.offline.find(QLineEdit, "probeNumberColumn").setText("number")
    assert probes.train().classes == ("long", "short")
