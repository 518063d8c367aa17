"""The tree view of modules: space toggles what is selected, Enter attaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeView

from mi_crow_gui.itemmodels.module_tree_model import Column
from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.panels.module_name_delegate import ModuleNameDelegate

if TYPE_CHECKING:
    from mi_crow_gui.itemmodels.module_tree_model import ModuleTreeModel

_CHARACTERS = (30, 16, 12, 18, 10, 12)  # widths of the columns at first
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class ModuleTreeView(QTreeView):
    """Shows a `ModuleTreeModel` and turns keys into requests about what is selected."""

    toggleRequested = Signal()
    attachRequested = Signal()
    copyRequested = Signal()

    def __init__(self, model: ModuleTreeModel) -> None:
        super().__init__()
        self.setObjectName("moduleTree")
        self.setAccessibleName("Modules of the model")
        self.setModel(model)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setAlternatingRowColors(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setIndentation(2 * GRID)
        self.setItemDelegate(CellDelegate(self))
        self.setItemDelegateForColumn(Column.NAME, ModuleNameDelegate(self))
        for column in (Column.PARAMETERS, Column.SHAPE, Column.DTYPE, Column.LAST_VALUE):
            self.setItemDelegateForColumn(column, CellDelegate(self, fixed=True))
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        character = QFontMetrics(fixed_font()).horizontalAdvance("0")
        for column, characters in zip(Column, _CHARACTERS, strict=True):
            self.setColumnWidth(column, characters * character)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if event.key() == Qt.Key.Key_Space and plain:
            self.toggleRequested.emit()
        elif (
            event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        ):
            self.attachRequested.emit()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copyRequested.emit()
        else:
            super().keyPressEvent(event)
            return
        event.accept()
