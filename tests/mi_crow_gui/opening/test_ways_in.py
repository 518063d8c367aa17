"""Recent lists and drops, and what can be done before the weights are there."""

from __future__ import annotations

import random
import shutil
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QLineEdit, QListWidget, QMenu, QPlainTextEdit, QTableView, QTreeView, QWidget

from mi_crow_gui.document.resource_files import demo_model_folder
from mi_crow_gui.engine.messages import Failure
from mi_crow_gui.itemmodels.module_tree_model import Column
from tests.core_hooks.model.test_damage import BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.window.main_window import MainWindow
    from tests.mi_crow_gui.driver import Driver


def drop(window: MainWindow, at: QWidget, path: object) -> None:
    """What the platform sends when a file is dropped over `at`."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    place = at.mapTo(window, at.rect().center())
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(place), copy, data, left, none)
    QCoreApplication.sendEvent(window.windowHandle(), enter)
    assert enter.isAccepted()
    event = QDropEvent(QPointF(place), copy, data, left, none)
    QCoreApplication.sendEvent(window.windowHandle(), event)
    assert event.isAccepted()


@pytest.mark.parametrize("over", ["promptEdit", "controllerEdit", "plotBoard", "moduleFilter", "hooksTable"])
def test_a_folder_dropped_over_any_part_opens_it_and_no_text_box_swallows_it(
    driver: Driver, qtbot: QtBot, copy: Path, over: str
) -> None:
    driver.open_demo()
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=20_000) as opened:
        drop(driver.window, driver.find(QWidget, over), copy)
    assert opened.args[0].summary.architecture == "LlamaForCausalLM"
    assert "llama" not in driver.find(QPlainTextEdit, "promptEdit").toPlainText()


def test_a_safetensors_file_opens_by_a_drop(driver: Driver, qtbot: QtBot, copy: Path) -> None:
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=20_000):
        drop(driver.window, driver.window.start_page, copy / "model.safetensors")


def test_text_that_is_dragged_is_left_to_the_text_boxes(driver: Driver) -> None:
    data = QMimeData()
    data.setText("some words")
    event = QDragEnterEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    dropped: list[object] = []
    driver.window.pathsDropped.connect(dropped.append)
    QCoreApplication.sendEvent(driver.window.windowHandle(), event)
    assert dropped == []


def recent(driver: Driver) -> list[str]:
    menu = driver.find(QMenu, "openRecent")
    menu.aboutToShow.emit()
    return [action.data() for action in menu.actions() if action.data()]


def test_what_was_opened_is_in_the_recent_menu_and_opens_from_there(driver: Driver, qtbot: QtBot, copy: Path) -> None:
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=20_000):
        driver.window.pathsDropped.emit([str(copy)])
    driver.open_demo()
    assert recent(driver) == [str(copy)]
    menu = driver.find(QMenu, "openRecent")
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=20_000) as opened:
        next(action for action in menu.actions() if action.data()).trigger()
    assert opened.args[0].summary.reference.source == str(copy)


def test_what_vanished_is_said_and_taken_off_every_list(driver: Driver, qtbot: QtBot, copy: Path) -> None:
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=20_000):
        driver.window.pathsDropped.emit([str(copy)])
    shutil.rmtree(copy)
    driver.window.start_page.recentRequested.emit(str(copy))
    message = driver.find(QWidget, "statusMessage")
    qtbot.waitUntil(lambda: "no longer there" in message.text())
    assert recent(driver) == []
    assert driver.find(QListWidget, "recentList").count() == 0
    assert driver.window.service.state == "ready"


def test_the_tree_is_usable_and_takes_hooks_before_the_weights_are_there(
    driver: Driver, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core_hooks.model import weights

    plain, may_go_on = weights.load_weights, threading.Event()

    def slow(*arguments: object) -> object:
        assert may_go_on.wait(20)
        return plain(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(weights, "load_weights", slow)
    service = driver.window.service
    with qtbot.waitSignal(service.treeKnown, timeout=60_000):
        driver.act("openDemo")
    assert service.state == "loading"
    driver.tick("transformer.h.1.attn")
    driver.find(QLineEdit, "moduleFilter").setText("h.*.attn")
    assert driver.find(QTableView, "hooksTable").model().rowCount() == 1
    assert driver.window.module_map.grid.rows
    with qtbot.waitSignal(service.modelOpened, timeout=20_000):
        may_go_on.set()
    rows = driver.find(QTreeView, "moduleTree").model()
    assert rows.is_attached("transformer.h.1.attn")
    assert driver.find(QLineEdit, "moduleFilter").text() == "h.*.attn"
    assert rows.record("transformer.h.1.attn").device == "cpu"
    driver.prompt("marble owl")
    assert [state.fired for state in driver.run().hooks] == [1]


def test_weights_that_fail_leave_the_model_that_was_open(driver: Driver, qtbot: QtBot, tmp_path: Path) -> None:
    driver.open_demo()
    folder = shutil.copytree(demo_model_folder(), tmp_path / "broken")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with qtbot.waitSignal(driver.window.service.failed, timeout=20_000):
        driver.window.pathsDropped.emit([str(folder)])
    assert driver.window.module_map.grid.place("transformer.h.3") is not None
    driver.prompt("marble owl")
    assert driver.run().stopped == "done"


def test_every_module_shows_the_shapes_it_took_and_gave_once_a_prompt_ran(driver: Driver) -> None:
    driver.open_demo()
    rows = driver.find(QTreeView, "moduleTree").model()
    assert "→" not in rows.index_of_site("transformer.h.1.attn.c_attn", Column.SHAPE).data()
    driver.prompt("marble owl ticket")
    tokens = len(driver.run().info.tokens)
    shown = rows.index_of_site("transformer.h.1.attn.c_attn", Column.SHAPE).data()
    assert shown == f"1 × {tokens} × 128 → 1 × {tokens} × 384"
    assert rows.index_of_site("lm_head", Column.SHAPE).data().startswith(f"1 × {tokens} × 128 → 1 × {tokens} × ")


def test_a_dozen_damaged_models_are_each_answered_and_leave_the_one_that_is_open(
    driver: Driver, qtbot: QtBot, folders: dict[str, Path], tmp_path: Path
) -> None:
    driver.open_demo()
    driver.prompt("marble owl ticket")
    losses = driver.run().losses
    folder = shutil.copytree(folders["llama"], tmp_path / "damaged")
    service, message = driver.window.service, driver.find(QWidget, "statusMessage")
    answers: list[object] = []
    service.failed.connect(answers.append)
    service.modelOpened.connect(answers.append)
    refused = 0
    for number in range(12):
        name = ("config.json", "model.safetensors", "tokenizer.json")[number % 3]
        whole = (folder / name).read_bytes()
        chance = random.Random(number)
        (folder / name).write_bytes(chance.choice(BYTES)(whole, chance))
        answers.clear()
        driver.window.pathsDropped.emit([str(folder)])
        qtbot.waitUntil(lambda: bool(answers), timeout=20_000)
        (folder / name).write_bytes(whole)
        if isinstance(answers[0], Failure):
            refused += 1
            assert message.text() == answers[0].message
        else:
            driver.open_demo()
        assert service.state == "ready"
        assert service.model.summary.name == "demo_model"
    assert refused > 3
    driver.prompt("marble owl ticket")
    np.testing.assert_array_equal(driver.run().losses, losses)
