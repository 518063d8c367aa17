"""The menu bar and the tool bar, built from the table of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QToolBar, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.actions import ACTIONS, MENUS, TOOLBAR, ToolButton, plain_text, specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QMenuBar

ICON_SIZE = QSize(20, 20)


class FlatToolBar(QToolBar):
    """A tool bar on the window's own ground, with a line below.

    Fusion draws one with a bevel of fixed white, a bright stripe on a dark window.
    """

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        painter.setPen(self.palette().mid().color())
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)


def fill_menu_bar(bar: QMenuBar, actions: Mapping[str, QAction]) -> dict[str, QMenu]:
    """Add every action of the table to its menu; the menus by path, such as ``"&View/&Theme"``."""
    menus: dict[str, QMenu] = {}
    sections: dict[str, int] = {}
    for title in MENUS:
        menus[title] = bar.addMenu(title)
        menus[title].setToolTipsVisible(True)
    for spec in ACTIONS:
        top, _, below = spec.menu.partition("/")
        _separate(menus[top], top, spec.section, sections)
        if below and spec.menu not in menus:
            menus[spec.menu] = menus[top].addMenu(below)
            menus[spec.menu].setToolTipsVisible(True)
        menus[spec.menu].addAction(actions[spec.name])
    return menus


def fill_tool_bar(bar: QToolBar, actions: Mapping[str, QAction], device_box: QComboBox) -> tuple[QAction, list[QMenu]]:
    """Add the buttons of the tool bar's table: the action that shows and hides the device box, and the drop-downs."""
    bar.setIconSize(ICON_SIZE)
    device_entry: QAction | None = None
    menus: list[QMenu] = []
    for number, section in enumerate(TOOLBAR):
        if number:
            bar.addSeparator()
        for button in section:
            if button is None:
                place = QWidget()
                row = QHBoxLayout(place)
                row.setContentsMargins(GRID, 0, GRID, 0)
                row.addWidget(device_box)
                device_entry = bar.addWidget(place)
            else:
                made = _tool_button(button, actions)
                if button.more:
                    menus.append(made.menu())
                bar.addWidget(made)
    if device_entry is None:
        raise LookupError("The tool bar's table has no place for the device box.")
    return device_entry, menus


def _separate(menu: QMenu, title: str, section: int, sections: dict[str, int]) -> None:
    if sections.setdefault(title, section) != section:
        menu.addSeparator()
        sections[title] = section


def _tool_button(wanted: ToolButton, actions: Mapping[str, QAction]) -> QToolButton:
    button = QToolButton()
    button.setDefaultAction(actions[wanted.action])
    button.setAccessibleName(plain_text(specs()[wanted.action]))
    button.setObjectName(f"{wanted.action}Button")
    button.setAutoRaise(True)
    button.setMinimumHeight(4 * GRID)
    button.setMinimumWidth(4 * GRID)
    # The keyboard reaches the tool bar by Tab; a mouse click leaves the focus in the text it was in.
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setToolButtonStyle(
        Qt.ToolButtonStyle.ToolButtonTextBesideIcon if wanted.words else Qt.ToolButtonStyle.ToolButtonIconOnly
    )
    if wanted.more:
        menu = QMenu(button)
        menu.setToolTipsVisible(True)
        for name in wanted.more:
            menu.addAction(actions[name])
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
    return button
