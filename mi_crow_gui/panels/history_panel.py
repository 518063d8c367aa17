"""Past runs: look at one again, or take its prompt back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QListView, QMenu, QVBoxLayout, QWidget

from mi_crow_gui.itemmodels.history_model import HistoryModel
from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.itemmodels.history_model import HistoryRow

_EMPTY = "Run a prompt: each run is kept here, with its time and its loss."


class HistoryPanel(QWidget):
    """A list of runs, the newest on top; runs are named by their numbers."""

    runSelected = Signal(int)
    promptRequested = Signal(int)  # Enter or double click: take the run's prompt and settings back

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = HistoryModel(self)
        self._view = QListView()
        self._view.setObjectName("historyList")
        self._view.setAccessibleName("Past runs")
        self._view.setModel(self._model)
        self._view.setItemDelegate(CellDelegate(self._view, elide=Qt.TextElideMode.ElideRight))
        self._view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._view.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self._view.setUniformItemSizes(True)
        self._view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._view.customContextMenuRequested.connect(self._on_view_menu_requested)
        self._view.selectionModel().currentChanged.connect(self._on_view_current_changed)
        self._view.activated.connect(self._on_view_activated)
        EmptyHint(self._view, _EMPTY)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.addWidget(self._view)

    def add_run(self, row: HistoryRow) -> None:
        """Put the newest run on top, or show what became of a run that is there."""
        self._model.add(row)

    def set_runs(self, rows: Sequence[HistoryRow]) -> None:
        """Show these runs, the newest first."""
        self._model.set_rows(rows)

    def _on_view_current_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        row = self._model.row(current)
        if row is not None:
            self.runSelected.emit(row.number)

    def _on_view_activated(self, index: QModelIndex) -> None:
        row = self._model.row(index)
        if row is not None:
            self.promptRequested.emit(row.number)

    def _on_view_menu_requested(self, at: QPoint) -> None:
        if self._model.row(self._view.currentIndex()) is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Use this prompt again", self._use_current)
        menu.addAction("Copy prompt", self._copy_prompt)
        menu.addAction("Copy prompt and output", self._copy_output)
        menu.popup(self._view.viewport().mapToGlobal(at))

    def _use_current(self) -> None:
        self._on_view_activated(self._view.currentIndex())

    def _copy_prompt(self) -> None:
        row = self._model.row(self._view.currentIndex())
        if row is not None:
            QGuiApplication.clipboard().setText(row.prompt)

    def _copy_output(self) -> None:
        row = self._model.row(self._view.currentIndex())
        if row is not None:
            QGuiApplication.clipboard().setText(row.prompt + row.generated)
