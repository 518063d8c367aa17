"""Saved captures: open one, find its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from mi_crow_gui.itemmodels.captures_model import CaptureColumn, CapturesModel
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.itemmodels.captures_model import CaptureRow

_EMPTY = "Run with modules ticked, then Save capture: what was captured can be opened here later, without the model."
_CHARACTERS = (22, 15, 7, 10, 11, 17, 10)
_FIXED = (CaptureColumn.LAYERS, CaptureColumn.TOKENS, CaptureColumn.SIZE, CaptureColumn.CREATED)


class CapturesPanel(QWidget):
    """A table of captures; they are named by the paths of their folders."""

    openRequested = Signal(str)
    folderRequested = Signal(str)  # show it in the system's file manager

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = CapturesModel(self)
        self._view = RowTable(self._model, "capturesTable", "Saved captures", _CHARACTERS, _FIXED)
        self._view.copyRequested.connect(self._copy_paths)
        self._view.activated.connect(self._on_view_activated)
        self._view.customContextMenuRequested.connect(self._on_view_menu_requested)
        EmptyHint(self._view, _EMPTY)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.addWidget(self._view)

    def set_rows(self, rows: Sequence[CaptureRow]) -> None:
        """Show these captures; those selected before stay selected."""
        selected = self.selected_paths()
        self._model.set_rows(rows)
        for path in selected:
            if self._model.place(path) >= 0:
                self._view.selectRow(self._model.place(path))

    def selected_paths(self) -> list[str]:
        """Folders of the selected captures."""
        rows = map(self._model.row, self._view.selectionModel().selectedRows())
        return [row.path for row in rows if row is not None]

    def _on_view_activated(self, index: QModelIndex) -> None:
        row = self._model.row(index)
        if row is not None:
            self.openRequested.emit(row.path)

    def _on_view_menu_requested(self, at: QPoint) -> None:
        if not self.selected_paths():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Open", self._open_current)
        menu.addAction("Show folder", self._show_folder)
        menu.addAction("Copy path", self._copy_paths)
        menu.popup(self._view.viewport().mapToGlobal(at))

    def _open_current(self) -> None:
        self._on_view_activated(self._view.currentIndex())

    def _show_folder(self) -> None:
        row = self._model.row(self._view.currentIndex())
        if row is not None:
            self.folderRequested.emit(row.path)

    def _copy_paths(self) -> None:
        if self.selected_paths():
            QGuiApplication.clipboard().setText("\n".join(self.selected_paths()))
