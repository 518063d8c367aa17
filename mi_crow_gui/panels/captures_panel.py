"""Saved captures, and under them the one that is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.itemmodels.captures_model import CaptureColumn, CapturesModel
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.low_area import LowArea
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.itemmodels.captures_model import CaptureRow
    from mi_crow_gui.panels.capture_browser import CaptureBrowser

_EMPTY = (
    "Captures that were saved or opened are listed here. Run with modules ticked, then Save capture; "
    "or open a folder with File › Open capture, or drop it on the window."
)
_CHARACTERS = (20, 14, 14, 7, 10, 11, 17, 14, 24)
_FIXED = (CaptureColumn.LAYERS, CaptureColumn.TOKENS, CaptureColumn.SIZE, CaptureColumn.CREATED)
_LIST_SHARE = 0.26


class CapturesPanel(QWidget):
    """A table of captures; they are named by the paths of their folders."""

    openRequested = Signal(str)
    folderRequested = Signal(str)  # show it in the system's file manager
    addFolderRequested = Signal()
    verifyRequested = Signal(object)  # paths
    compareRequested = Signal(str, str)
    removeRequested = Signal(object)  # from the list; nothing on disk changes
    trashRequested = Signal(object)
    annotated = Signal(str, object, str)  # path, tags, notes

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.browser: CaptureBrowser | None = None
        self._model = CapturesModel(self)
        self._model.annotated.connect(self.annotated)
        self._view = RowTable(self._model, "capturesTable", "Saved captures", _CHARACTERS, _FIXED)
        self._view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self._view.setSortingEnabled(True)
        self._view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._view.copyRequested.connect(self._copy_paths)
        self._view.activated.connect(self._on_view_activated)
        self._view.customContextMenuRequested.connect(self._on_view_menu_requested)
        self._view.selectionModel().selectionChanged.connect(self._show_buttons)
        self._model.modelReset.connect(self._show_buttons)
        EmptyHint(self._view, _EMPTY)
        self.progress = ProgressRow("captures")
        self._open = _button("captureOpen", "Open", "Open the selected capture (Enter)", self._open_current)
        self._add = _button(
            "capturesAddFolder", "Add folder…", "List every capture in a folder, now and later", self.addFolderRequested
        )
        self._verify = _button("captureVerify", "Verify", "Check every byte of the selected captures", self._verify_all)
        self._trash = _button(
            "captureTrash", "Move to bin", "Move the selected captures to the system's bin", self._trash_all
        )
        buttons = FlowLayout()
        for button in (self._open, self._add, self._verify, self._trash):
            buttons.addWidget(button)
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(buttons)
        column.addWidget(self.progress)
        column.addWidget(self._view, 1)
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setObjectName("capturesSplit")
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(upper)
        # Under the plots of a small window there is less room than an open capture needs: it is scrolled there.
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(LowArea("capturesScroll", self._split))
        self._show_buttons()

    def make_browser(self) -> CaptureBrowser:
        """Make room for the capture that is open; it is imported with it, and numpy."""
        from mi_crow_gui.panels.capture_browser import CaptureBrowser

        browser = self.browser = CaptureBrowser()
        self._split.addWidget(browser)
        self._split.setStretchFactor(1, 1)
        self._turn()
        return browser

    def set_rows(self, rows: Sequence[CaptureRow]) -> None:
        """Show these captures; those selected before stay selected."""
        selected = self.selected_paths()
        self._model.set_rows(rows)
        for path in selected:
            if self._model.place(path) >= 0:
                self._view.selectRow(self._model.place(path))

    def rows(self) -> list[CaptureRow]:
        """What is listed, in the order on the screen."""
        found = (self._model.row(self._model.index(row, 0)) for row in range(self._model.rowCount()))
        return [row for row in found if row is not None]

    def selected_paths(self) -> list[str]:
        """Folders of the selected captures."""
        rows = map(self._model.row, self._view.selectionModel().selectedRows())
        return [row.path for row in rows if row is not None]

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._turn()

    def _turn(self) -> None:
        """In a low, wide dock the open capture stands beside the list, in a high one under it."""
        wanted = Qt.Orientation.Horizontal if self.width() > 2 * self.height() else Qt.Orientation.Vertical
        if self.browser is None:
            return
        if self._split.orientation() != wanted or not self._split.property("arranged"):
            self._split.setOrientation(wanted)
            room = self.width() if wanted == Qt.Orientation.Horizontal else self.height()
            share = 0.4 if wanted == Qt.Orientation.Horizontal else _LIST_SHARE
            self._split.setSizes([round(room * share), round(room * (1 - share))])
            self._split.setProperty("arranged", self.isVisible())

    @Slot(QModelIndex)
    def _on_view_activated(self, index: QModelIndex) -> None:
        row = self._model.row(index)
        if row is not None:
            self.openRequested.emit(row.path)

    def _on_view_menu_requested(self, at: QPoint) -> None:
        paths = self.selected_paths()
        if not paths:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Open", self._open_current)
        compare = menu.addAction("Compare", lambda: self.compareRequested.emit(paths[0], paths[1]))
        compare.setEnabled(len(paths) == 2)
        menu.addSeparator()
        menu.addAction("Edit tags", lambda: self._edit(CaptureColumn.TAGS))
        menu.addAction("Edit notes", lambda: self._edit(CaptureColumn.NOTES))
        menu.addAction("Verify", self._verify_all)
        menu.addSeparator()
        menu.addAction("Show folder", self._show_folder)
        menu.addAction("Copy path", self._copy_paths)
        menu.addSeparator()
        menu.addAction("Take off the list", lambda: self.removeRequested.emit(paths))
        menu.addAction("Move to bin", self._trash_all)
        menu.popup(self._view.viewport().mapToGlobal(at))

    def _edit(self, column: CaptureColumn) -> None:
        self._view.edit(self._model.index(self._view.currentIndex().row(), column))

    @Slot()
    def _open_current(self) -> None:
        rows = self._view.selectionModel().selectedRows()
        if rows:
            self._on_view_activated(rows[0])

    @Slot()
    def _verify_all(self) -> None:
        self.verifyRequested.emit(self.selected_paths())

    @Slot()
    def _trash_all(self) -> None:
        self.trashRequested.emit(self.selected_paths())

    def _show_folder(self) -> None:
        row = self._model.row(self._view.currentIndex())
        if row is not None:
            self.folderRequested.emit(row.path)

    def _copy_paths(self) -> None:
        if self.selected_paths():
            QGuiApplication.clipboard().setText("\n".join(self.selected_paths()))

    @Slot()
    def _show_buttons(self) -> None:
        some = bool(self.selected_paths())
        for button in (self._open, self._verify, self._trash):
            button.setEnabled(some)


def _button(name: str, text: str, tip: str, clicked: object) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAccessibleName(text.rstrip("…"))
    button.setToolTip(tip)
    button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    button.clicked.connect(clicked)
    return button
