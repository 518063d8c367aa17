"""The texts of an open capture: all of them, or those in which something is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractItemView, QLabel, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import count, plural
from mi_crow_gui.itemmodels.texts_model import TextColumn, TextsModel
from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.row_table import RowTable
from mi_crow_gui.panels.search_line import SearchLine

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHARACTERS = (9, 9, 12, 40)
_NONE = "This capture holds no text yet: the job that writes it has not finished its first shard."
_NOT_FOUND = "No text matches. Clear the line to see all of them."


class TextsPanel(QWidget):
    """A table of texts under a search line; a text is chosen by a click, an arrow key, or Enter."""

    textChosen = Signal(int)
    searched = Signal(str, bool, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = TextsModel(self)
        self._total = 0
        self._line = SearchLine("textFilter", "Search the texts", "Word, or regular expression")
        self._line.searched.connect(self.searched)
        self._found = QLabel()
        self._found.setObjectName("textsFound")
        self._found.setAccessibleName("Texts found")
        self.progress = ProgressRow("texts")
        self._view = RowTable(self.model, "textsTable", "Texts of the capture", _CHARACTERS, (0, 1))
        words = CellDelegate(self._view, elide=Qt.TextElideMode.ElideRight)
        self._view.setItemDelegateForColumn(TextColumn.WORDS, words)
        self._view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._view.copyRequested.connect(self._on_view_copy_requested)
        self._view.selectionModel().currentRowChanged.connect(self._on_view_current_row_changed)
        self._hint = EmptyHint(self._view, _NONE)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self._line)
        column.addWidget(self.progress)
        column.addWidget(self._found)
        column.addWidget(self._view, 1)

    def set_capture(self, texts: int, *, labels: bool) -> None:
        """Show the texts of another capture."""
        self._total = texts
        self._line.clear()
        self._hint.set_text(_NONE)
        self.model.set_count(texts)
        self._view.setColumnHidden(TextColumn.LABEL, not labels)
        self._say()

    def set_found(self, numbers: Sequence[int] | None) -> None:
        """Show only these texts; None shows all."""
        self._hint.set_text(_NOT_FOUND if numbers is not None else _NONE)
        self.model.set_chosen(numbers)
        self._say()

    def focus_table(self) -> None:
        """Let arrow keys walk through the texts."""
        self._view.setFocus()

    def select(self, number: int) -> None:
        """Select a text without choosing it; one that is not shown stays out of sight."""
        place = self.model.place(number)
        selection = self._view.selectionModel()
        selection.blockSignals(True)
        if place >= 0:
            self._view.selectRow(place)
            self._view.scrollTo(self.model.index(place, 0))
        else:
            selection.clear()
        selection.blockSignals(False)
        self._view.viewport().update()

    def next_to(self, number: int, step: int) -> int:
        """The text `step` rows from this one in the table, -1 if there is none."""
        place = self.model.place(number)
        wanted = place + step if place >= 0 else 0
        return self.model.number(self.model.index(wanted, 0)) if 0 <= wanted < self.model.rowCount() else -1

    def _say(self) -> None:
        shown = self.model.rowCount()
        every = plural(self._total, "text")
        self._found.setText(every if shown == self._total else f"{count(shown)} of {every}")

    @Slot(QModelIndex, QModelIndex)
    def _on_view_current_row_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        number = self.model.number(current)
        if number >= 0:
            self.textChosen.emit(number)

    @Slot()
    def _on_view_copy_requested(self) -> None:
        rows = self._view.selectionModel().selectedRows(TextColumn.WORDS)
        QGuiApplication.clipboard().setText("\n".join(str(row.data()) for row in rows))
