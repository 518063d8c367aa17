"""Detectors and controllers of a kind of their own in the real window: attached, set, read, undone."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QListWidget, QSpinBox, QTableView, QTableWidget

from core_hooks.hooks.kinds import GROUPS
from tests.mi_crow_gui.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

SITE = "transformer.h.1.attn"
PROMPT = "marble owl ticket Grace storm marble owl"


@pytest.fixture
def ready(driver: Driver) -> Driver:
    driver.open_demo()
    driver.prompt(PROMPT)
    driver.qtbot.waitUntil(lambda: driver.window.findChild(QAction, "attach_statistics") is not None, timeout=20_000)
    driver.select(SITE)
    return driver


def found(driver: Driver, title: str) -> dict[str, str]:
    table = driver.find(QTableWidget, f"results_{title}")
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())}


def test_a_detector_is_attached_from_the_menu_and_what_it_found_stands_in_the_inspector(ready: Driver) -> None:
    from mi_crow_gui.document.formatting import number

    ready.tick(SITE)
    ready.act("attach_statistics")
    ready.act("attach_top_channels")
    ready.run()
    values = ready.window.latest(SITE).astype(np.float64)
    ready.qtbot.waitUntil(lambda: bool(found(ready, "Statistics")))
    shown = found(ready, "Statistics")
    assert (shown["Min"], shown["Max"]) == (number(values.min()), number(values.max()))
    ready.qtbot.waitUntil(lambda: len(found(ready, "Top channels")) == 10)
    largest = np.abs(values).mean((0, 1)).argmax()
    assert next(iter(found(ready, "Top channels"))) == f"Channel {largest}"
    table = ready.find(QTableView, "hooksTable")
    kinds = {table.model().index(row, 2).data() for row in range(table.model().rowCount())}
    assert kinds == {"capture", "statistics", "top_channels"}


def test_a_setting_is_changed_in_the_inspector_acts_in_the_next_run_and_is_undone(ready: Driver) -> None:
    ready.act("attach_top_channels")
    ready.run()
    box = ready.find(QSpinBox, "setting_k")
    box.setValue(3)
    ready.run()
    ready.qtbot.waitUntil(lambda: len(found(ready, "Top channels")) == 3)
    choice = ready.find(QComboBox, "setting_by")
    choice.setCurrentText("max")
    choice.activated.emit(choice.currentIndex())
    assert dict(ready.window.service._hooks[0].options) == {"k": "3", "by": '"max"'}
    ready.act("undo")
    assert ready.find(QSpinBox, "setting_k").value() in (3, 10)
    ready.act("undo")
    ready.qtbot.waitUntil(lambda: ready.window.findChild(QSpinBox, "setting_k") is None or box.value() == 10)


def test_a_controller_of_a_kind_acts_and_its_number_is_set(ready: Driver) -> None:
    clean = ready.run()
    ready.act("attach_scale")
    box = ready.find(QDoubleSpinBox, "setting_factor")
    assert box.value() == 0.5
    assert not np.array_equal(ready.run().losses[1:], clean.losses[1:])
    box.setValue(1.0)
    np.testing.assert_allclose(ready.run().losses[1:], clean.losses[1:], atol=1e-6)
    ready.act("detachAll")
    np.testing.assert_array_equal(ready.run().losses, clean.losses)


def test_the_palette_finds_a_kind_by_its_words(ready: Driver) -> None:
    palette = ready.window.show_command_palette()
    palette._edit.setText("histogram")
    shown = ready.find(QListWidget, "commandPaletteList")
    texts = [shown.item(row).text() for row in range(shown.count())]
    assert any("Histogram" in text and "kind" in text for text in texts)
    palette.close()


def test_an_attention_detector_on_a_module_without_weights_says_what_to_do(ready: Driver) -> None:
    ready.select("transformer.h.1.mlp")
    ready.act("attach_attention_pattern")
    failures: list[Any] = []
    ready.window.service.hookFailed.connect(failures.append)
    ready.run()
    assert len(failures) == 1
    assert "eager" in failures[0].message


def test_a_kind_that_nobody_provides_here_is_kept_and_said_so(ready: Driver) -> None:
    from mi_crow_gui.wiring.composition import Composition

    store = ready.window.findChild(Composition)._parts.store
    store.attach([SITE], "from_elsewhere")
    ready.run()
    assert [state.error for state in _states(ready)] == ["No plugin provides hooks of kind 'from_elsewhere'."]
    store.undo()


def _states(driver: Driver) -> Any:
    from mi_crow_gui.wiring.composition import Composition

    return tuple(driver.window.findChild(Composition)._kinds._states.values())


class _Plugins:
    """Entry points as they would be with two plugins installed, one of them broken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        known = importlib.metadata.entry_points

        def entry_points(**wanted: Any) -> Any:
            points = list(known(**wanted))
            if wanted.get("group") == GROUPS["detector"]:
                points.append(importlib.metadata.EntryPoint("broken", "no_such_package:KIND", GROUPS["detector"]))
                points.append(
                    importlib.metadata.EntryPoint("mine", "tests.mi_crow_gui.editor.plugin:KIND", GROUPS["detector"])
                )
            return points

        monkeypatch.setattr("core_hooks.hooks.kinds.entry_points", entry_points)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> _Plugins:
    return _Plugins(monkeypatch)


def test_a_plugin_is_in_the_menu_and_a_broken_one_is_an_unavailable_row_and_a_line_of_the_log(
    plugins: _Plugins, ready: Driver
) -> None:
    broken = ready.window.findChild(QAction, "unavailable_detector_broken")
    assert not broken.isEnabled()
    assert "no_such_package" in broken.toolTip()
    messages = ready.window.log._model
    assert any("'broken'" in entry.message and "unavailable" in entry.message for entry in messages.entries)
    ready.act("attach_count_tokens")
    ready.run()
    ready.qtbot.waitUntil(lambda: found(ready, "Count tokens") == {"Tokens": "7"})


@pytest.fixture
def without(qtbot: QtBot) -> Iterator[Driver]:
    from mi_crow_gui.app import create

    _, made = create(["--fresh", "--no-plugins", "--size", "1440x900"])
    made.show()
    qtbot.waitUntil(lambda: made.plot_board is not None, timeout=20_000)
    yield Driver(qtbot, made)
    made.close()
    made.deleteLater()


def test_without_plugins_the_built_in_kinds_alone_are_there(plugins: _Plugins, without: Driver) -> None:
    without.open_demo()
    without.qtbot.waitUntil(lambda: without.window.findChild(QAction, "attach_statistics") is not None, timeout=20_000)
    assert without.window.findChild(QAction, "attach_count_tokens") is None
    assert without.window.findChild(QAction, "unavailable_detector_broken") is None
