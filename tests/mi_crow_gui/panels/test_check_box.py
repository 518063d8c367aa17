"""The edge of a check box can be seen, in both themes, enabled or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QStyle, QStyleOptionButton

from mi_crow_gui.panels.check_box import CheckBox
from mi_crow_gui.panels.look import contrast
from mi_crow_gui.window.theme import palette

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.mark.parametrize(("enabled", "least"), [(True, 3.0), (False, 1.8)])
@pytest.mark.parametrize("dark", [False, True])
def test_its_edge_stands_out_from_the_window(qtbot: QtBot, dark: bool, enabled: bool, least: float) -> None:
    box = CheckBox("Batch")
    qtbot.addWidget(box)
    box.setPalette(palette(dark=dark))
    box.setEnabled(enabled)
    picture = box.grab().toImage()
    option = QStyleOptionButton()
    box.initStyleOption(option)
    place = box.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, box)
    edge = picture.pixelColor(place.center().x(), place.top())
    assert contrast(edge, palette(dark=dark).window().color()) >= least
