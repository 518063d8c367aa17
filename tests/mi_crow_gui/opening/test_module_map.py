"""The map beside the tree: the same sites, selected, attached and coloured from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QTableView, QTreeView

from mi_crow_gui.document.session_codec import workspace_from_data, workspace_to_data
from mi_crow_gui.document.workspace import MAP_MEASURES
from mi_crow_gui.panels.map_measures import MEASURES
from mi_crow_gui.panels.module_map import ModuleMap
from mi_crow_gui.state.store import DocumentStore

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

SITE = "transformer.h.1.attn"


@pytest.fixture
def module_map(driver: Driver) -> ModuleMap:
    driver.open_demo()
    driver.window.model_tabs.show_map()
    found: ModuleMap = driver.find(ModuleMap, "moduleMap")
    assert found.isVisible()
    return found


def centre(module_map: ModuleMap, site: str) -> object:
    place = module_map.grid.place(site)
    assert place is not None
    return module_map.cell_rect(*place).center()


def attached(driver: Driver) -> int:
    return int(driver.find(QTableView, "hooksTable").model().rowCount())


def test_a_click_selects_the_site_everywhere(driver: Driver, module_map: ModuleMap, qtbot: QtBot) -> None:
    qtbot.mouseClick(module_map.viewport(), Qt.MouseButton.LeftButton, pos=centre(module_map, SITE))
    tree = driver.find(QTreeView, "moduleTree")
    assert tree.model().site(tree.currentIndex()) == SITE
    assert attached(driver) == 0


def test_a_sweep_attaches_what_it_covers_and_one_undo_takes_it_back(
    driver: Driver, module_map: ModuleMap, qtbot: QtBot
) -> None:
    view = module_map.viewport()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=centre(module_map, "transformer.h.0.attn"))
    qtbot.mouseMove(view, centre(module_map, "transformer.h.3.attn"))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=centre(module_map, "transformer.h.3.attn"))
    assert attached(driver) == 4
    driver.act("undo")
    assert attached(driver) == 0


def test_cells_are_coloured_by_the_norm_of_the_newest_value(driver: Driver, module_map: ModuleMap) -> None:
    import numpy as np

    assert module_map.colour_of(SITE) is None
    module_map.attachRequested.emit([SITE, "transformer.h.2.attn"])
    driver.prompt("marble owl ticket")
    driver.run()
    value = driver.window.latest(SITE)
    assert value is not None
    norm = float(np.linalg.norm(value[0, -1].astype(np.float64)))
    assert f"{norm:.4g}" in module_map.description(SITE)
    assert module_map.colour_of(SITE) != module_map.colour_of("transformer.h.2.attn")


def test_arrows_move_and_space_attaches_and_detaches(driver: Driver, module_map: ModuleMap, qtbot: QtBot) -> None:
    driver.select("transformer.h.0")
    qtbot.keyClick(module_map, Qt.Key.Key_Down)
    assert driver.window.model_tabs.tree.selected_sites() == ["transformer.h.1"]
    qtbot.keyClick(module_map, Qt.Key.Key_Space)
    assert attached(driver) == 1
    qtbot.keyClick(module_map, Qt.Key.Key_Space)
    assert attached(driver) == 0


def test_another_model_forgets_the_colours_of_the_last(driver: Driver, module_map: ModuleMap) -> None:
    module_map.set_values({SITE: 1.0}, "norm")
    driver.open_demo()
    assert module_map.colour_of(SITE) is None


def test_the_filter_shortcut_brings_the_tree_back(driver: Driver, module_map: ModuleMap) -> None:
    driver.act("filter")
    assert not module_map.isVisible()


def colour_by(driver: Driver, words: str) -> None:
    choose = driver.find(QComboBox, "mapMeasure")
    choose.setCurrentIndex(choose.findText(words))
    choose.activated.emit(choose.currentIndex())


def test_the_measure_is_kept_in_the_session_and_undone(driver: Driver, module_map: ModuleMap) -> None:
    store = driver.window.findChild(DocumentStore)
    colour_by(driver, "Zeros")
    assert store.workspace.map_measure == "zeros"
    kept, _ = workspace_from_data(workspace_to_data(store.workspace))
    driver.act("undo")
    choose = driver.find(QComboBox, "mapMeasure")
    assert choose.currentData() == "norm"
    store.load(kept)
    assert choose.currentData() == "zeros"
    module_map.set_values({SITE: 0.25}, "zeros")
    assert module_map.legend.accessibleDescription().startswith("Zeros, ")


def test_a_session_knows_the_measures_that_the_map_has() -> None:
    assert tuple(MEASURES) == MAP_MEASURES


def test_the_measure_is_chosen_in_the_header_and_the_legend_says_its_range_and_unit(
    driver: Driver, module_map: ModuleMap
) -> None:
    import numpy as np

    other = "transformer.h.2.mlp.act"
    module_map.attachRequested.emit([SITE, other])
    driver.prompt("marble owl ticket")
    driver.run()
    first = driver.window.latest(SITE)
    colour_by(driver, "Relative change")
    assert module_map.colour_of(SITE) is None
    assert module_map.legend.accessibleDescription() == "Run again to see what changes."
    driver.prompt("marble owl lantern")
    driver.run()
    second = driver.window.latest(SITE)
    assert first is not None
    assert second is not None
    before, now = first[0, -1].astype(np.float64), second[0, -1].astype(np.float64)
    change = np.linalg.norm(now - before) / np.linalg.norm(before)
    assert f"Relative change: {change:.4g}" in module_map.description(SITE)
    assert module_map.colour_of(SITE) is not None
    colour_by(driver, "Zeros")
    zeros = driver.window.latest(other)
    assert zeros is not None
    assert f"Zeros: {100 * float((zeros[0, -1] == 0).mean()):.4g} %" in module_map.description(other)
    assert module_map.legend.accessibleDescription().startswith("Zeros, 0 % to ")
