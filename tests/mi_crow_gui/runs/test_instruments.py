"""The instrument strip in the real window: what hooks did, and that the model is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QPushButton, QTableWidget, QToolButton

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.layer_activation_detector import LayerActivationDetector
from mi_crow_gui.document.instruments import Instrument, InstrumentReport
from tests.mi_crow_gui.runs.conftest import FIRST, Runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

SITE = "transformer.h.1.attn"


def strip(runs: Runs) -> Any:
    return runs.driver.find(QToolButton, "instrumentStrip")


def rows(runs: Runs) -> list[list[str]]:
    """What the details say, opened by a click on the strip."""
    runs.qtbot.mouseClick(strip(runs), Qt.MouseButton.LeftButton)
    details = runs.driver.find(QFrame, "instrumentDetails")
    assert details.isVisible()
    table = details.findChild(QTableWidget, "instrumentTable")
    found = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount())]
    details.hide()
    return found


def test_after_a_run_the_strip_counts_its_hooks_and_a_click_lists_them(runs: Runs) -> None:
    assert not strip(runs).isVisible()
    runs.driver.tick(SITE)
    runs.driver.write_controller("transformer.h.2", "lambda x: x * 1")
    runs.driver.find(QToolButton, "instrumentStrip")
    runs.run(FIRST)
    assert strip(runs).isVisible()
    assert strip(runs).text() == "2 hooks on · 2 fired · 0 failed · 0 off · restored"
    assert rows(runs) == [
        [SITE, "detector", "1", "fired"],
        ["transformer.h.2", "controller", "1", "fired"],
    ]


def test_a_failing_hook_and_one_that_is_off_are_told_apart(runs: Runs) -> None:
    runs.driver.tick(SITE)
    runs.driver.write_controller("transformer.h.2", "lambda x: x[..., :3]")
    runs.driver.write_controller("transformer.h.3", "lambda x: x")
    hooks = runs.window.hooks.findChild(QFrame, "hooksTable").model()
    hooks.setData(hooks.index(2, 0), Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
    runs.run(FIRST)
    assert strip(runs).text() == "⚠ 2 hooks on · 2 fired · 1 failed · 2 off · restored"
    found = {row[0]: row for row in rows(runs)}
    assert found["transformer.h.2"][3].startswith("failed, off now: ")
    assert found["transformer.h.3"][2:] == ["0", "switched off"]
    assert found[SITE][3] == "fired"


def test_without_hooks_the_strip_says_so(runs: Runs) -> None:
    runs.run(FIRST)
    assert strip(runs).text() == "no hooks"


def test_the_check_takes_every_hook_off_proves_the_logits_and_puts_all_back(runs: Runs) -> None:
    runs.driver.tick(SITE)
    runs.driver.write_controller("transformer.h.2", "lambda x: x * 0")
    runs.run(FIRST)
    runs.qtbot.mouseClick(strip(runs), Qt.MouseButton.LeftButton)
    with runs.qtbot.waitSignal(runs.window.service.taskEnded, timeout=20_000):
        runs.qtbot.mouseClick(runs.driver.find(QPushButton, "instrumentCheck"), Qt.MouseButton.LeftButton)
    assert strip(runs).text() == "clean: bit-identical · 2 hooks taken off, 2 put back"
    # The controller is back and acts.
    runs.run(FIRST)
    assert strip(runs).text() == "2 hooks on · 2 fired · 0 failed · 0 off · restored"
    assert runs.window.latest(SITE) is not None


@pytest.fixture
def forgotten(runs: Runs) -> Iterator[None]:
    """A hook that somebody put on the model behind the window's back."""
    model: torch.nn.Module = runs.window.service._worker._model.model
    with attach(model, {"transformer.h.0": [LayerActivationDetector("transformer.h.0")]}):
        yield


@pytest.mark.usefixtures("forgotten")
def test_a_hook_that_nobody_put_back_is_seen(runs: Runs) -> None:
    runs.driver.tick(SITE)
    runs.run(FIRST)
    assert strip(runs).text() == "⚠ 1 hook on · 1 fired · 0 failed · 0 off · 1 left behind"
    with runs.qtbot.waitSignal(runs.window.service.taskEnded, timeout=20_000):
        runs.driver.act("checkClean")
    assert strip(runs).text() == "⚠ not clean · 1 hook taken off, 1 put back"


def test_a_run_that_fails_leaves_no_older_report_standing(runs: Runs) -> None:
    runs.run(FIRST)
    runs.driver.find(QPlainTextEdit, "promptEdit").setPlainText("")
    with runs.qtbot.waitSignal(runs.window.service.failed, timeout=20_000):
        runs.driver.act("run")
    assert strip(runs).text() == "⚠ Run failed: hooks were put back"


def test_hooks_that_were_never_called_are_worth_a_look() -> None:
    report = InstrumentReport(3, (Instrument("h.0", "detector", 0, True), Instrument("h.1", "detector", 2, True)), 2, 2)
    assert report.words() == "2 hooks on · 1 fired · 0 failed · 0 off · restored"
    assert report.troubled
    assert report.instruments[0].state.startswith("never called")
