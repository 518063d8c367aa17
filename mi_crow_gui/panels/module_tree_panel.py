"""The model's modules: find them, tick them, attach to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.document import formatting
from mi_crow_gui.itemmodels.module_tree_model import ModuleTreeModel
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.module_tree_view import ModuleTreeView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core_hooks.model.records import ModuleTree

# So many matches are unfolded at once, a page of them, and so many when no further key was pressed for a while; more
# would only be scrolled past.
_UNFOLDED_AT_ONCE, _UNFOLDED = 32, 100
_IDLE_MS = 100
_NO_MODEL = "Open a model to see its modules here.\nThen tick a module to capture what it gives out."


class ModuleTreePanel(QWidget):
    """A filter over a tree; attaching, detaching and selecting are asked for by signals.

    Sites are dotted names; "" is the model itself.
    """

    attachRequested = Signal(list)
    detachRequested = Signal(list)
    controllerRequested = Signal(str)
    siteSelected = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = ModuleTreeModel(self)
        self._model.checkRequested.connect(self._on_model_checked)
        self._expanded: list[str] = []
        self._selected: str | None = None
        # Once the tree has been painted, or no further key was pressed.
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self._on_idle_timeout)

        self._filter = QLineEdit()
        self._filter.setObjectName("moduleFilter")
        self._filter.setAccessibleName("Filter modules")
        self._filter.setPlaceholderText("Filter: attn, h.*.mlp, :Linear")
        self._filter.setToolTip(
            "Part of a name, a glob such as h.*.mlp (** crosses dots), or :Class for a class  (Ctrl+F)"
        )
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._on_filter_changed)
        self._count = QLabel()
        self._count.setAccessibleName("Matching modules")
        self._attach_all = QPushButton()
        self._attach_all.setObjectName("attachAllMatches")
        self._attach_all.setAccessibleName("Attach a detector to all matches")
        self._attach_all.setToolTip("Attach a detector to every module that the filter matches")
        self._attach_all.clicked.connect(self._on_attach_all_clicked)

        self._view = ModuleTreeView(self._model)
        self._view.selectionModel().currentChanged.connect(self._tell_selected)
        self._view.selectionModel().selectionChanged.connect(self._tell_selected)
        self._view.customContextMenuRequested.connect(self._on_view_menu_requested)
        self._view.toggleRequested.connect(self.toggle_selected)
        self._view.attachRequested.connect(self.attach_selected)
        self._view.copyRequested.connect(self.copy_selected)
        self._hint = EmptyHint(self._view, _NO_MODEL)

        below = QHBoxLayout()
        below.setSpacing(GRID)
        below.addWidget(self._count)
        below.addStretch(1)
        below.addWidget(self._attach_all)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self._filter)
        layout.addLayout(below)
        layout.addWidget(self._view, 1)
        self._show_count()

    # Setters

    def set_tree(self, tree: ModuleTree | None) -> None:
        """Show the modules of a model, opened down to its blocks; None when there is no model."""
        self._filter.blockSignals(True)
        self._filter.clear()
        self._filter.blockSignals(False)
        self._selected = None
        self._model.set_tree(tree)
        self._view.expand(self._model.index(0, 0))
        for site in self._model.block_lists():
            self._reveal(self._model.index_of_site(site), also_itself=True)
        self._hint.set_text(_NO_MODEL)
        self._show_count()
        self._idle.start(_IDLE_MS)

    def complete_tree(self, tree: ModuleTree) -> None:
        """Show a model's modules now that its weights are there; what was done with its tree meanwhile stays."""
        if self._model.take_records(tree):
            self._view.viewport().update()
        else:
            self.set_tree(tree)

    def set_attached(self, badges: Mapping[str, str]) -> None:
        """Which sites have hooks of ours; the word stands beside the name ("capture", "controller", "2 hooks")."""
        self._model.set_attached(badges)

    def set_last_values(self, values: Mapping[str, float], meaning: str = "") -> None:
        """One number a site from the newest run; `meaning` becomes the column's tooltip."""
        self._model.set_last_values(values, meaning)

    def set_shapes(self, shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
        """Shapes of what each site took and gave in the newest run."""
        if self._model.set_shapes(shapes):
            self._view.viewport().update()

    def select_site(self, site: str | None) -> None:
        """Make a site the current one without emitting; None clears the selection."""
        if site == self._selected and (site is None or site in self.selected_sites()):
            return
        self._selected = site
        index = self._model.index_of_site(site) if site is not None else QModelIndex()
        selection = self._view.selectionModel()
        if index.isValid():
            self._reveal(index)
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            selection.setCurrentIndex(index, flags)
            self._view.scrollTo(index)
        else:
            selection.clear()

    @property
    def filter_text(self) -> str:
        """What the filter says now."""
        return self._model.filter_text

    def focus_filter(self) -> None:
        """Let the user type a filter."""
        self._filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._filter.selectAll()

    # What is selected

    def selected_sites(self) -> list[str]:
        """Selected modules, in tree order."""
        rows = self._view.selectionModel().selectedRows()
        return [site for site in (self._model.site(index) for index in rows) if site is not None]

    def attach_selected(self) -> None:
        """Ask for a detector on the selected modules that have none."""
        sites = [site for site in self.selected_sites() if not self._model.is_attached(site)]
        if sites:
            self.attachRequested.emit(sites)

    def detach_selected(self) -> None:
        """Ask to remove the hooks of the selected modules."""
        sites = [site for site in self.selected_sites() if self._model.is_attached(site)]
        if sites:
            self.detachRequested.emit(sites)

    def toggle_selected(self) -> None:
        """Attach to the selected modules; when all have hooks already, detach."""
        sites = self.selected_sites()
        if sites and all(self._model.is_attached(site) for site in sites):
            self.detach_selected()
        else:
            self.attach_selected()

    def control_selected(self) -> None:
        """Ask for a controller on the current module."""
        site = self._model.site(self._view.currentIndex())
        if site is not None:
            self.controllerRequested.emit(site)

    def copy_selected(self) -> None:
        """Put the dotted names of the selected modules on the clipboard, one a line."""
        sites = self.selected_sites()
        if sites:
            QGuiApplication.clipboard().setText("\n".join(sites))

    # Handlers

    def _on_filter_changed(self, text: str) -> None:
        if not self._model.filter_text:
            self._expanded = self._expanded_sites()
        self._view.setUpdatesEnabled(False)
        self._model.set_filter(text)
        if self._model.filter_text:
            for site in self._model.matching_sites(_UNFOLDED_AT_ONCE):
                self._reveal(self._model.index_of_site(site))
            self._idle.start(_IDLE_MS)
        else:
            for site in self._expanded:
                self._view.expand(self._model.index_of_site(site))
        selected, self._selected = self._selected, None
        self.select_site(selected)
        self._view.setUpdatesEnabled(True)
        self._hint.set_text(f"No module matches “{text.strip()}”." if self._model.module_count else _NO_MODEL)
        self._show_count()

    @Slot()
    def _on_idle_timeout(self) -> None:
        self._model.prepare_filter()
        if self._model.filter_text:
            for site in self._model.matching_sites(_UNFOLDED)[_UNFOLDED_AT_ONCE:]:
                self._reveal(self._model.index_of_site(site))

    def _on_attach_all_clicked(self) -> None:
        sites = [site for site in self._model.matching_sites() if not self._model.is_attached(site)]
        if sites:
            self.attachRequested.emit(sites)

    def _on_model_checked(self, sites: list[str], attach: bool) -> None:
        (self.attachRequested if attach else self.detachRequested).emit(sites)

    def _on_view_menu_requested(self, at: QPoint) -> None:
        sites = self.selected_sites()
        if not sites:
            return
        attached = [site for site in sites if self._model.is_attached(site)]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Attach detector", self.attach_selected).setEnabled(len(attached) < len(sites))
        menu.addAction("Attach controller…", self.control_selected).setEnabled(len(sites) == 1)
        menu.addAction("Detach", self.detach_selected).setEnabled(bool(attached))
        menu.addSeparator()
        menu.addAction("Copy dotted path" if len(sites) == 1 else "Copy dotted paths", self.copy_selected)
        menu.addAction("Copy parameter count", self._copy_parameters)
        menu.popup(self._view.viewport().mapToGlobal(at))

    # Inside

    def _tell_selected(self) -> None:
        # A view that gets the focus makes its first row the current one; only a selected row was chosen by somebody.
        current = self._view.currentIndex()
        site = self._model.site(current)
        if site is None or site == self._selected or not self._view.selectionModel().isSelected(current):
            return
        self._selected = site
        self.siteSelected.emit(site)

    def _copy_parameters(self) -> None:
        records = (self._model.record(site) for site in self.selected_sites())
        QGuiApplication.clipboard().setText("\n".join(str(record.parameters) for record in records if record))

    def _reveal(self, index: QModelIndex, *, also_itself: bool = False) -> None:
        above = index if also_itself else index.parent()
        chain = []
        while above.isValid() and not self._view.isExpanded(above):
            chain.append(above)
            above = above.parent()
        # From the root down, so that no branch is laid out before it can be seen.
        for ancestor in reversed(chain):
            self._view.expand(ancestor)

    def _expanded_sites(self) -> list[str]:
        found: list[str] = []
        pending = [self._model.index(0, 0)]
        while pending:
            index = pending.pop()
            if not self._view.isExpanded(index):
                continue
            site = self._model.site(index)
            if site is not None:
                found.append(site)
            pending.extend(self._model.index(row, 0, index) for row in range(self._model.rowCount(index)))
        return found

    def _show_count(self) -> None:
        total, matches = self._model.module_count, self._model.match_count
        filtered = bool(self._model.filter_text)
        if filtered:
            self._count.setText(f"{formatting.count(matches)} of {formatting.count(total)}")
        else:
            self._count.setText(formatting.plural(total, "module") if total else "")
        self._attach_all.setEnabled(filtered and matches > 0)
        found = formatting.plural(matches, "match", "matches") if filtered and matches else "matches"
        self._attach_all.setText(f"Attach all {found}")
