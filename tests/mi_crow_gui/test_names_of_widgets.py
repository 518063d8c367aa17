"""Whatever takes the keyboard has a name for scripts and one for screen readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QComboBox, QDialog, QTabBar, QWidget

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def nameless(root: QWidget) -> list[str]:
    """What can be reached by Tab and lacks a name; parts that Qt makes of a widget go by its name."""
    found = []
    for widget in root.findChildren(QWidget):
        parent = widget.parentWidget()
        part = isinstance(parent, QComboBox) or isinstance(widget, QTabBar) or widget.objectName().startswith("qt_")
        if isinstance(parent, QAbstractScrollArea):
            part = part or widget is parent.viewport()
        by_tab = widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value
        if part or not widget.isVisible() or not by_tab:
            continue
        words = widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton) else "")
        if not (widget.objectName() and words):
            found.append(f"{type(widget).__name__} {widget.objectName()!r} ({words!r})")
    return found


def test_everything_in_the_window_has_names(driver: Driver, qtbot: QtBot) -> None:
    assert nameless(driver.window) == []
    driver.open_demo()
    driver.tick("transformer.h.1.attn")
    driver.prompt("marble owl ticket")
    driver.run()
    for action in ("patchPrompts", "steer", "showCaptures", "showHistory", "showLog", "showEditor"):
        driver.act(action)
        assert nameless(driver.window) == []


@pytest.mark.parametrize(
    "action", ["openModel", "shortcuts", "guide", "about", "nameParts", "captureCorpus", "compareWeights"]
)
def test_everything_in_a_dialog_has_names(driver: Driver, qtbot: QtBot, action: str) -> None:
    driver.open_demo()
    driver.act(action)
    (dialog,) = [dialog for dialog in driver.window.findChildren(QDialog) if dialog.isVisible()]
    assert nameless(dialog) == []
    dialog.close()
