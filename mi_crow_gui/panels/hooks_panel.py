"""The attached hooks in the order in which they act: switch, reorder, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QStyle,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.document import formatting
from mi_crow_gui.itemmodels.hooks_table_model import ERROR_ROLE, HookColumn, HooksTableModel
from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT, CellDelegate
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.chosen_row import ElidedLabel
from mi_crow_gui.panels.row_table import RowTable
from mi_crow_gui.panels.site_delegate import SiteDelegate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QPersistentModelIndex

    from mi_crow_gui.itemmodels.hooks_table_model import HookRow

_EMPTY = "Tick a module to capture it.\nIts hook then stands here."
_CHARACTERS = (3, 21, 13, 6, 8, 16, 12)  # widths of the columns at first
_FIXED = (HookColumn.SITE, HookColumn.ORDER, HookColumn.FIRED, HookColumn.LAST_SHAPE)


class HooksPanel(QWidget):
    """A table of hooks; hooks are named by their ids, sites by dotted names."""

    enabledChanged = Signal(list, bool)
    removeRequested = Signal(list)
    moveRequested = Signal(str, int)  # id, -1 for earlier and 1 for later
    siteSelected = Signal(str)
    editRequested = Signal(str)  # id of a controller that should be shown in the editor

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selected: str | None = None
        self._model = HooksTableModel(self)
        self._model.enabledRequested.connect(self.enabledChanged)
        self._view = _HooksView(self._model)
        self._view.toggleRequested.connect(self.toggle_selected)
        self._view.removeRequested.connect(self.remove_selected)
        self._view.copyRequested.connect(self.copy_selected)
        self._view.activated.connect(self._on_view_activated)
        self._view.customContextMenuRequested.connect(self._on_view_menu_requested)
        self._view.selectionModel().selectionChanged.connect(self._on_view_selection_changed)
        self._view.selectionModel().currentRowChanged.connect(self._tell_selected)
        EmptyHint(self._view, _EMPTY)

        # Where room is short it is shortened, not the buttons beside it.
        self._count = ElidedLabel()
        self._count.setAccessibleName("Number of hooks")
        self._up = _button("hookUp", "Earlier", "Let the hook act earlier among those of its site  (Alt+Up)")
        self._up.setArrowType(Qt.ArrowType.UpArrow)
        self._up.clicked.connect(self.move_selected_up)
        self._down = _button("hookDown", "Later", "Let the hook act later among those of its site  (Alt+Down)")
        self._down.setArrowType(Qt.ArrowType.DownArrow)
        self._down.clicked.connect(self.move_selected_down)
        self._remove = _button("hookRemove", "Remove", "Remove the selected hooks  (Delete)")
        self._remove.setText("Remove")
        self._remove.setMinimumWidth(self._remove.sizeHint().width())
        self._remove.clicked.connect(self.remove_selected)
        self._view.moveRequested.connect(self._move_selected)

        below = QHBoxLayout()
        below.setSpacing(GRID)
        below.addWidget(self._count, 1)
        for button in (self._up, self._down, self._remove):
            below.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self._view, 1)
        layout.addLayout(below)
        self._show_state()

    # Setters

    def set_rows(self, rows: Sequence[HookRow]) -> None:
        """Show these hooks; what is selected stays selected."""
        self._model.set_rows(rows)
        self._show_state()

    def select_site(self, site: str | None) -> None:
        """Select the hooks of a site without emitting; None clears the selection."""
        if site == self._selected and (site is None or site in (row.site for row in self.selected_rows())):
            return
        self._selected = site
        rows = self._model.rows_of_site(site) if site is not None else []
        selection = QItemSelection()
        for row in rows:
            selection.select(self._model.index(row, 0), self._model.index(row, len(HookColumn) - 1))
        self._view.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if rows:
            index = self._model.index(rows[0], HookColumn.SITE)
            self._view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
            self._view.scrollTo(index)

    # What is selected

    def selected_rows(self) -> list[HookRow]:
        """The selected hooks in their order."""
        indexes = sorted(self._view.selectionModel().selectedRows(), key=QModelIndex.row)
        return [row for row in map(self._model.row, indexes) if row is not None]

    def toggle_selected(self) -> None:
        """Switch the selected hooks off if all are on, else on."""
        rows = self.selected_rows()
        if rows:
            self.enabledChanged.emit([row.id for row in rows], not all(row.enabled for row in rows))

    def remove_selected(self) -> None:
        """Ask to remove the selected hooks."""
        rows = self.selected_rows()
        if rows:
            self.removeRequested.emit([row.id for row in rows])

    def move_selected_up(self) -> None:
        """Ask to let the selected hook act one place earlier."""
        self._move_selected(-1)

    def move_selected_down(self) -> None:
        """Ask to let the selected hook act one place later."""
        self._move_selected(1)

    def copy_selected(self) -> None:
        """Put the dotted names of the selected hooks' sites on the clipboard, one a line."""
        rows = self.selected_rows()
        if rows:
            QGuiApplication.clipboard().setText("\n".join(dict.fromkeys(row.site for row in rows)))

    # Handlers

    def _on_view_selection_changed(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        self._show_state()
        self._tell_selected()

    def _on_view_activated(self, index: QModelIndex) -> None:
        row = self._model.row(index)
        if row is not None and row.kind == "controller":
            self.editRequested.emit(row.id)

    def _on_view_menu_requested(self, at: QPoint) -> None:
        rows = self.selected_rows()
        if not rows:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Switch off" if all(row.enabled for row in rows) else "Switch on", self.toggle_selected)
        menu.addAction("Earlier", self.move_selected_up).setEnabled(self._up.isEnabled())
        menu.addAction("Later", self.move_selected_down).setEnabled(self._down.isEnabled())
        menu.addAction("Remove", self.remove_selected)
        menu.addSeparator()
        menu.addAction("Copy dotted path", self.copy_selected)
        if any(row.error for row in rows):
            menu.addAction("Copy problem", self._copy_problems)
        menu.popup(self._view.viewport().mapToGlobal(at))

    # Inside

    def _tell_selected(self) -> None:
        # A view that gets the focus makes its first row the current one; only a selected row was chosen by somebody.
        current = self._view.currentIndex()
        row = self._model.row(current)
        if row is None or row.site == self._selected or not self._view.selectionModel().isSelected(current):
            return
        self._selected = row.site
        self.siteSelected.emit(row.site)

    def _copy_problems(self) -> None:
        problems = (f"{row.site}: {row.error}" for row in self.selected_rows() if row.error)
        QGuiApplication.clipboard().setText("\n".join(problems))

    def _move_selected(self, by: int) -> None:
        rows = self.selected_rows()
        if len(rows) == 1 and self._can_move(rows[0], by):
            self.moveRequested.emit(rows[0].id, by)

    def _can_move(self, row: HookRow, by: int) -> bool:
        same_site = [other.id for other in self._model.rows if other.site == row.site]
        return row.id in same_site and 0 <= same_site.index(row.id) + by < len(same_site)

    def _show_state(self) -> None:
        selected = self.selected_rows()
        only = selected[0] if len(selected) == 1 else None
        self._up.setEnabled(only is not None and self._can_move(only, -1))
        self._down.setEnabled(only is not None and self._can_move(only, 1))
        self._remove.setEnabled(bool(selected))
        rows = self._model.rows
        off = sum(not row.enabled for row in rows)
        failed = sum(bool(row.error) for row in rows)
        parts = [formatting.plural(len(rows), "hook")] if rows else []
        parts += [f"{formatting.count(off)} off"] if off else []
        parts += [formatting.plural(failed, "problem")] if failed else []
        self._count.setText(", ".join(parts))
        self._count.setToolTip(self._count.text())


class _HooksView(RowTable):
    """The table itself: space switches, Delete removes, Alt with an arrow reorders."""

    toggleRequested = Signal()
    removeRequested = Signal()
    moveRequested = Signal(int)

    def __init__(self, model: HooksTableModel) -> None:
        super().__init__(model, "hooksTable", "Attached hooks", _CHARACTERS, _FIXED)
        self.setItemDelegateForColumn(HookColumn.SITE, SiteDelegate(self))
        for column in (HookColumn.KIND, HookColumn.ERROR):
            self.setItemDelegateForColumn(column, _ProblemDelegate(self))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        if event.key() == Qt.Key.Key_Space and not event.modifiers():
            self.toggleRequested.emit()
        elif event.matches(QKeySequence.StandardKey.Delete) or event.key() == Qt.Key.Key_Backspace:
            self.removeRequested.emit()
        elif alt and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.moveRequested.emit(-1 if event.key() == Qt.Key.Key_Up else 1)
        else:
            super().keyPressEvent(event)
            return
        event.accept()


class _ProblemDelegate(CellDelegate):
    """A hook with a problem has a warning sign, beside its kind too, where a narrow panel still shows it."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideRight
        if index.data(ERROR_ROLE) and option.widget is not None:
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
            option.icon = option.widget.style().standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning)


def _button(name: str, accessible: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName(name)
    button.setAccessibleName(accessible)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.setMinimumSize(ROW_HEIGHT, ROW_HEIGHT)
    return button
