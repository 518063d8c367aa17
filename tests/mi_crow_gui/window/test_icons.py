from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QIcon, QPalette

from mi_crow_gui.document.resource_files import ResourceMissing, resource, resources_folder
from mi_crow_gui.window import icons
from mi_crow_gui.window.actions import ACTIONS
from mi_crow_gui.window.theme import apply_theme, current_mode

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

# Signs of states, and of the actions that come with the plots; the others belong to the table of actions.
STATES = {"add-plot", "close", "error", "warning"}


def test_every_icon_is_used_and_every_used_icon_is_there() -> None:
    assert set(icons.names()) == {spec.icon for spec in ACTIONS} | STATES


@pytest.mark.parametrize("name", icons.names())
def test_icons_share_one_grid_one_stroke_and_one_colour(name: str) -> None:
    root = ElementTree.fromstring(resource("icons", f"{name}.svg").read_text(encoding="utf-8"))
    assert root.get("viewBox") == "0 0 24 24"
    assert root.get("stroke-width") == "2"
    colours = {part.get(key) for part in root.iter() for key in ("stroke", "fill")} - {None, "none"}
    assert colours == {"#000"}


def test_an_icon_has_the_colours_of_the_palette_and_follows_a_change_of_theme(qapp: QApplication) -> None:
    before = current_mode(qapp)
    try:
        for mode in ("light", "dark"):
            apply_theme(qapp, mode)
            drawn = icons.icon("stop")
            for icon_mode, group, role in (
                (QIcon.Mode.Normal, QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText),
                (QIcon.Mode.Disabled, QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText),
                (QIcon.Mode.Selected, QPalette.ColorGroup.Active, QPalette.ColorRole.HighlightedText),
            ):
                middle = drawn.pixmap(20, icon_mode).toImage().pixelColor(10, 10)
                assert middle.rgb() == qapp.palette().color(group, role).rgb()
    finally:
        apply_theme(qapp, before)


def test_an_icon_is_drawn_once_for_a_theme(qapp: QApplication) -> None:
    assert icons.icon("run").cacheKey() == icons.icon("run").cacheKey()


def test_a_missing_icon_is_named(qapp: QApplication) -> None:
    with pytest.raises(ResourceMissing, match=r"icons/nothing\.svg"):
        icons.icon("nothing")


def test_the_programs_own_sign_is_there_in_every_size(qapp: QApplication) -> None:
    assert (resources_folder() / "icons" / "mi-crow.svg").is_file()
    for size in (16, 32, 64, 256):
        assert not icons.application_icon().pixmap(size).isNull()
