"""A base and a tuned model, and one with a controller, are compared in the window: numbers against plain numpy."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QItemSelectionModel
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDialog, QLabel, QLineEdit, QListView, QTableView
from safetensors.numpy import load_file

from core_hooks import FunctionController
from mi_crow_gui.document.formatting import number
from mi_crow_gui.document.resource_files import demo_model_folder
from mi_crow_gui.itemmodels.examples_model import EXAMPLE_ROLE
from mi_crow_gui.itemmodels.numbers_model import SHARE_ROLE
from mi_crow_gui.wiring import capture_compare_wiring
from tests.mi_crow_gui.offline.tuned import CHANGED, SITES, capture, tuned_model, write_texts

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines

BEFORE, INSIDE, BEHIND = SITES


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the demo model and of the tuned one."""
    return {"base": demo_model_folder(), "tuned": tuned_model(tmp_path_factory.mktemp("models") / "tuned")}


@pytest.fixture(scope="module")
def captures(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Captures of the same texts: of either model, and of the first with a controller."""
    folder = tmp_path_factory.mktemp("compared")
    texts = write_texts(folder)
    halve = {"transformer.h.2": FunctionController("", lambda x: x * 0.5)}
    return {
        "base": capture(models["base"], texts, folder / "base"),
        "tuned": capture(models["tuned"], texts, folder / "tuned"),
        "halved": capture(models["base"], texts, folder / "halved", halve),
    }


def values(folder: Path, site: str) -> np.ndarray:
    """Every row of a site, read without our code."""
    shards = sorted(folder.glob("*.safetensors"))
    found = [tensors[site] for tensors in map(load_file, shards) if site in tensors]
    return np.concatenate(found).astype(np.float64)


def alignment(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment by its definition: the kernels of all pairs of rows."""
    x, y = x - x.mean(0), y - y.mean(0)
    k, m = x @ x.T, y @ y.T
    return float((k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()))


def listed(offline: Offlines, captures: dict[str, Path]) -> None:
    offline.wiring.list.add_folder(str(captures["base"].parent))
    offline.qtbot.waitUntil(lambda: len(offline.window.captures.rows()) == len(captures), timeout=20_000)


def compare(offline: Offlines, captures: dict[str, Path], other: str) -> QTableView:
    """Open the base's capture and compare it with another, with the keyboard's means; gives the table."""
    listed(offline, captures)
    offline.open(captures["base"])
    offline.driver.act("compareCaptures")
    box = offline.find(QComboBox, "compareWith")
    offline.qtbot.waitUntil(lambda: box.findText(other) >= 0, timeout=20_000)
    box.setCurrentText(other)
    offline.find(QAbstractButton, "compareCapturesButton").click()
    offline.qtbot.waitUntil(lambda: len(offline.wiring.compare.sites) == len(SITES), timeout=20_000)
    return offline.find(QTableView, "compareTable")


def check_numbers(offline: Offlines, table: QTableView, a: Path, b: Path) -> None:
    """What the table says of every site, against numpy."""
    model = table.model()
    shown = {model.index(row, 0).data(): row for row in range(model.rowCount())}
    assert tuple(shown) == SITES
    for site, found in zip(SITES, offline.wiring.compare.sites, strict=True):
        x, y = values(a, site), values(b, site)
        cosine = float(((x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)).mean())
        difference = float(np.linalg.norm(y - x) / np.linalg.norm(x))
        assert found.cka == pytest.approx(alignment(x, y), abs=1e-5)
        assert found.cosine == pytest.approx(cosine, abs=1e-5)
        assert found.difference == pytest.approx(difference, rel=1e-5, abs=1e-7)
        cells = [model.index(shown[site], column).data() for column in range(1, 5)]
        assert cells == [number(found.cka), number(found.cosine), number(found.difference), f"{len(x):,}"]
    # The bar of the layer that changed most fills its cell.
    shares = [model.index(row, 3).data(SHARE_ROLE) for row in range(model.rowCount())]
    sizes = [site.difference for site in offline.wiring.compare.sites]
    assert shares == pytest.approx([size / max(sizes) for size in sizes])


def test_a_base_and_a_tuned_model_differ_from_the_tuned_layer_on(
    offline: Offlines, qtbot: QtBot, captures: dict[str, Path]
) -> None:
    table = compare(offline, captures, "tuned")
    check_numbers(offline, table, captures["base"], captures["tuned"])
    before, inside, behind = offline.wiring.compare.sites
    assert before.difference == 0
    assert inside.difference > 0.01
    assert behind.difference > 0
    assert offline.find(QLabel, "compareNote").text().startswith("A is “base” of ")
    table.selectRow(1)
    change = values(captures["tuned"], INSIDE) - values(captures["base"], INSIDE)
    by_channel, by_token = np.sqrt((change**2).mean(0)), np.linalg.norm(change, axis=1)
    words = offline.find(QLabel, "compareChannels")
    qtbot.waitUntil(words.isVisible)
    first = int(by_channel.argmax())
    assert f'<a href="{first}">{first}</a>&nbsp;({number(float(by_channel[first]))})' in words.text()
    tokens = offline.find(QListView, "compareTokens").model()
    rows = [tokens.index(row, 0).data(EXAMPLE_ROLE).row for row in range(tokens.rowCount())]
    assert rows[0] == int(by_token.argmax())
    np.testing.assert_allclose(by_token[rows], np.sort(by_token)[::-1][: len(rows)], rtol=1e-6)
    # A channel that is named leads to its card, of that site.
    words.linkActivated.emit(str(first))
    qtbot.waitUntil(lambda: offline.wiring.browse.site == INSIDE)
    card = next(panel for panel in offline.window.plot_board.panels() if panel.kind == "neuron_card")
    offline.wait_drawn(card)
    qtbot.waitUntil(lambda: (card.drawing.site, card.drawing.content.card.channel) == (INSIDE, first))


def test_with_and_without_a_controller_differ_behind_it(
    offline: Offlines, qtbot: QtBot, captures: dict[str, Path]
) -> None:
    table = compare(offline, captures, "halved")
    check_numbers(offline, table, captures["base"], captures["halved"])
    differences = [site.difference for site in offline.wiring.compare.sites]
    assert differences[:2] == [0, 0]
    assert differences[2] > 0.01
    assert "with 1 controller" in offline.find(QLabel, "compareNote").text()
    table.selectAll()
    table.copyRequested.emit()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["Site", *SITES]
    assert float(lines[3].split("\t")[3]) == pytest.approx(differences[2])


def test_without_an_open_capture_two_of_the_list_are_compared(
    offline: Offlines, qtbot: QtBot, captures: dict[str, Path]
) -> None:
    listed(offline, captures)
    offline.driver.act("compareCaptures")
    assert "select two in the list" in offline.message()
    table = offline.find(QTableView, "capturesTable")
    for name in ("base", "tuned"):
        row = next(at for at, row in enumerate(offline.window.captures.rows()) if row.name == name)
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        table.selectionModel().select(table.model().index(row, 0), flags)
    offline.driver.act("compareCaptures")
    qtbot.waitUntil(lambda: len(offline.wiring.compare.sites) == len(SITES), timeout=20_000)


def test_a_comparison_says_how_far_it_is_and_is_given_up(
    offline: Offlines, qtbot: QtBot, captures: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, gate = threading.Event(), threading.Event()

    def held(a: object, b: object, *, on_progress: object, cancel: threading.Event) -> list[object]:
        on_progress(1, 4)  # type: ignore[operator]
        reached.set()
        gate.wait(60)
        on_progress(2, 4)  # type: ignore[operator]
        raise AssertionError("it was given up")

    monkeypatch.setattr(capture_compare_wiring, "compare_captures", held)
    listed(offline, captures)
    offline.open(captures["base"])
    offline.driver.act("compareCaptures")
    offline.find(QComboBox, "compareWith").setCurrentText("tuned")
    try:
        offline.find(QAbstractButton, "compareCapturesButton").click()
        cancel = offline.find(QAbstractButton, "compareCancel")
        qtbot.waitUntil(lambda: reached.is_set() and cancel.isVisible(), timeout=20_000)
        cancel.click()
        assert not cancel.isVisible()
        assert offline.find(QLabel, "compareNote").text() == "The comparison was given up."
    finally:
        gate.set()
    assert offline.wiring.compare.sites == []


def weights(offline: Offlines, a: Path, b: Path) -> QDialog:
    """Compare the files of two models by the action; gives the dialog."""
    assert offline.window.findChild(QAction, "compareWeights").shortcut().toString() == "Ctrl+Alt+W"
    offline.driver.act("compareWeights")
    offline.find(QLineEdit, "weightsA").setText(str(a))
    offline.find(QLineEdit, "weightsB").setText(str(b))
    offline.find(QAbstractButton, "weightsCompare").click()
    dialog = offline.find(QDialog, "compareWeightsDialog")
    assert not dialog.isModal()
    return dialog


def test_weights_of_two_models_are_compared_layer_by_layer_with_no_capture_open(
    offline: Offlines, qtbot: QtBot, models: dict[str, Path]
) -> None:
    dialog = weights(offline, models["base"], models["tuned"])
    message = dialog.findChild(QLabel, "weightsMessage")
    qtbot.waitUntil(lambda: "1 of" in message.text(), timeout=20_000)
    model = dialog.findChild(QTableView, "weightsTable").model()
    layers = {model.index(row, 0).data(): row for row in range(model.rowCount())}
    a, b = (load_file(models[name] / "model.safetensors") for name in ("base", "tuned"))
    for layer, row in layers.items():
        names = [name for name in a if name.startswith(f"{layer}.")]
        x, y = (np.concatenate([part[name].ravel() for name in names]).astype(np.float64) for part in (a, b))
        change = float(np.linalg.norm(y - x))
        cosine = float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
        shown = [model.index(row, column).data() for column in range(1, 5)]
        differs = int(layer == "transformer.h.1")
        assert shown == [
            number(change / float(np.linalg.norm(x))), number(min(1.0, cosine)), number(change),
            f"{differs} of {len(names)}",
        ]  # fmt: skip
    assert "transformer.h.1" in layers
    show = dialog.findChild(QComboBox, "weightsShow")
    show.setCurrentIndex(1)
    tensors = {model.index(row, 0).data(): row for row in range(model.rowCount())}
    assert set(tensors) == set(a)
    change = np.linalg.norm((b[CHANGED] - a[CHANGED]).astype(np.float64))
    assert model.index(tensors[CHANGED], 3).data() == number(float(change))
    dialog.close()


def test_model_a_is_the_open_one_and_what_is_no_model_is_a_sentence(
    offline: Offlines, qtbot: QtBot, tmp_path: Path
) -> None:
    offline.driver.open_demo()
    offline.driver.act("compareWeights")
    line = offline.find(QLineEdit, "weightsA")
    assert line.text() == offline.window.service.model.summary.reference.source
    dialog = weights(offline, demo_model_folder(), tmp_path)
    message = dialog.findChild(QLabel, "weightsMessage")
    qtbot.waitUntil(lambda: "holds no .safetensors file" in message.text(), timeout=20_000)
    assert dialog.findChild(QTableView, "weightsTable").model().rowCount() == 0
    dialog.close()
