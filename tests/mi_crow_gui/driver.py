"""What a person does in the window, through object names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QPlainTextEdit, QTreeView

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from mi_crow_gui.window.main_window import MainWindow


class Driver:
    """What a person does, through object names alone."""

    def __init__(self, qtbot: QtBot, window: MainWindow) -> None:
        self.qtbot, self.window = qtbot, window

    def act(self, name: str) -> None:
        action = self.window.findChild(QAction, name)
        assert action is not None, name
        assert action.isEnabled(), f"{name} is disabled"
        action.trigger()

    def find(self, kind: type, name: str) -> Any:
        found = self.window.findChild(kind, name)
        assert found is not None, name
        return found

    def open_demo(self) -> None:
        with self.qtbot.waitSignal(self.window.service.modelOpened, timeout=60_000):
            self.act("openDemo")

    def prompt(self, text: str) -> None:
        edit = self.find(QPlainTextEdit, "promptEdit")
        edit.setFocus()
        edit.selectAll()
        self.qtbot.keyClicks(edit, text) if len(text) < 20 else edit.setPlainText(text)

    def run(self, action: str = "run") -> Any:
        with self.qtbot.waitSignal(self.window.service.runFinished, timeout=60_000) as blocker:
            self.act(action)
        return blocker.args[0]

    def select(self, site: str) -> None:
        tree = self.find(QTreeView, "moduleTree")
        model = tree.model()
        index = model.index_of_site(site)
        assert index.isValid(), site
        tree.setCurrentIndex(index)

    def tick(self, site: str) -> None:
        self.select(site)
        self.qtbot.keyClick(self.find(QTreeView, "moduleTree"), Qt.Key.Key_Space)

    def write_controller(self, site: str, text: str) -> None:
        self.select(site)
        edit = self.find(QPlainTextEdit, "controllerEdit")
        edit.setPlainText(text)
        self.find(QAbstractButton, "controllerApply").click()
