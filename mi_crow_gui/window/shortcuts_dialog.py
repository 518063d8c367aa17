"""Every shortcut in one list, with a filter."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.window.actions import ACTIONS, ActionSpec, plain_text
from mi_crow_gui.window.dialog_buttons import DialogButtons

# Keys that panels understand by themselves, and that no action of the table has.
PANEL_KEYS = (
    ("Module tree: attach or detach the selected modules", "Space"),
    ("Module tree: attach the selected modules", "Return"),
    ("Hooks: switch the selected hooks on or off", "Space"),
    ("Hooks: remove the selected hooks", "Del"),
    ("Hooks: move the selected hook earlier or later", "Alt+Up, Alt+Down"),
    ("Tokens: go to the token before, after, first, last", "Left, Right, Home, End"),
)


class ShortcutsDialog(QDialog):
    """What the keyboard can do."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("shortcutsDialog")
        self.setWindowTitle("Keyboard shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._filter = QLineEdit()
        self._filter.setObjectName("shortcutsFilter")
        self._filter.setAccessibleName("Filter")
        self._filter.setPlaceholderText("Filter by words or keys")
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._on_filter_changed)
        self._list = QTreeWidget()
        self._list.setObjectName("shortcutsList")
        self._list.setAccessibleName("Shortcuts")
        self._list.setColumnCount(2)
        self._list.setHeaderLabels(["Action", "Keys"])
        self._list.setRootIsDecorated(False)
        self._list.setUniformRowHeights(True)
        self._list.setAlternatingRowColors(True)
        for spec in ACTIONS:
            if spec.shortcuts:
                self._add(f"{_menu(spec)}: {plain_text(spec)}", ", ".join(_native(keys) for keys in spec.shortcuts))
        for words, keys in PANEL_KEYS:
            self._add(words, ", ".join(_native(key) for key in keys.split(", ")))
        header = self._list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        buttons = DialogButtons(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(self._filter)
        column.addWidget(self._list, 1)
        column.addSpacing(GRID)
        column.addWidget(buttons)
        self.resize(72 * GRID, 68 * GRID)

    def _add(self, words: str, keys: str) -> None:
        item = QTreeWidgetItem([words, keys])
        item.setFont(1, fixed_font())
        self._list.addTopLevelItem(item)

    def _on_filter_changed(self, text: str) -> None:
        wanted = text.casefold().split()
        for row in range(self._list.topLevelItemCount()):
            item = self._list.topLevelItem(row)
            if item is not None:
                whole = f"{item.text(0)} {item.text(1)}".casefold()
                item.setHidden(not all(word in whole for word in wanted))


def _menu(spec: ActionSpec) -> str:
    return spec.menu.partition("/")[0].replace("&", "")


def _native(keys: str) -> str:
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
