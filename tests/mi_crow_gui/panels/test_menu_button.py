"""The button whose words open a menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor
from PySide6.QtWidgets import QMenu

from mi_crow_gui.panels.menu_button import MenuButton

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def test_the_arrow_stands_on_the_line_of_the_words_and_over_none_of_them(qtbot: QtBot) -> None:
    button = MenuButton("Options")
    qtbot.addWidget(button)
    menu = QMenu(button)
    button.setMenu(menu)
    button.resize(button.sizeHint())
    image = button.grab().toImage()
    ground = QColor(image.pixel(1, 1))
    inked = [
        (x, y)
        for x in range(button.width() - 17, button.width())
        for y in range(button.height())
        if QColor(image.pixel(x, y)) != ground
    ]
    middle = sum(y for _, y in inked) / len(inked)
    assert abs(middle - button.height() / 2) < 3
    words = button.fontMetrics().horizontalAdvance("Options")
    assert words < button.width() - 16
    assert button.text() == "Options"
