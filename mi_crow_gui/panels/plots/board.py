"""The plot board: tabs of up to four plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QInputDialog, QMenu, QTabWidget, QWidget

from mi_crow_gui.document.plot_source import BOTH, KNOWN, NEWEST, RUN_A, RUN_B
from mi_crow_gui.panels.menu_button import MenuButton
from mi_crow_gui.panels.plots.base import PlotPanel
from mi_crow_gui.panels.plots.empty_board import EmptyBoard
from mi_crow_gui.panels.plots.page import FULL, PlotPage
from mi_crow_gui.panels.plots.unavailable import UnavailablePlot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent

    from mi_crow_gui.document.workspace import PlotSpec
    from mi_crow_gui.plotdata.kind import PlotKind

FIRST_TAB = "Plots"


def sources_of(kind: PlotKind) -> tuple[str, ...]:
    """Which runs a kind of plot can show."""
    if kind.analysis:
        return (NEWEST, RUN_A, RUN_B)
    return tuple(source for source in KNOWN if source != BOTH or kind.overlay is not None)


class PlotBoard(QTabWidget):
    """Shows the plots of the workspace and asks for changes; it keeps the widgets of plots that stay.

    `tokenSelected`, `plotTokenSelected` and `plotTokenPointed` carry a position in the sequence, -1 for none; the
    latter two begin with the plot, whose run it is in.
    """

    visibilityChanged = Signal()
    plotCloseRequested = Signal(str)
    plotAddRequested = Signal(str)
    plotExportRequested = Signal(str)
    plotPinRequested = Signal(str, bool)
    plotSourceRequested = Signal(str, str)
    plotOfferTaken = Signal(str)
    tabRenameRequested = Signal(str, str)
    settingsChanged = Signal(str)
    tokenSelected = Signal(int)
    plotTokenSelected = Signal(str, int)
    plotTokenPointed = Signal(str, int)

    def __init__(
        self,
        kinds: Mapping[str, PlotKind],
        unavailable: Mapping[str, str] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("plotBoard")
        self.setAccessibleName("Plots")
        self.setDocumentMode(True)
        self._kinds = kinds
        self._unavailable = dict(unavailable or {})
        self._specs: dict[str, PlotSpec] = {}
        self._panels: dict[str, PlotPanel | UnavailablePlot] = {}
        self._pages: dict[str, PlotPage] = {}
        self._next_tab = ""
        self._pinnable = False
        self._add = MenuButton("Add plot")
        self._add.setObjectName("addPlot")
        self._add.setToolTip("Add a plot to this tab")
        self._add_menu = QMenu(self)
        self._add_menu.aboutToShow.connect(self._on_add_menu_about_to_show)
        self._add.setMenu(self._add_menu)
        self.setCornerWidget(self._add, Qt.Corner.TopRightCorner)
        self.tabBar().setUsesScrollButtons(True)
        # Names that are cut to a letter tell nothing; those that do not fit are scrolled to.
        self.tabBar().setElideMode(Qt.TextElideMode.ElideNone)
        self.currentChanged.connect(self._on_self_current_changed)
        self.tabBarDoubleClicked.connect(self.ask_tab_name)
        self._hint = EmptyBoard(self._add_menu, self)
        self._show_hint()

    # ---- what the wiring calls -------------------------------------------------------------------------------------

    def set_plots(self, plots: Sequence[PlotSpec]) -> None:
        """Show these plots; those that were there before keep their widgets, zoom and drawing."""
        wanted = {spec.id: spec for spec in plots}
        shown = self._shown_ids()
        for plot_id in [known for known in self._panels if known not in wanted]:
            self._remove(plot_id)
        for spec in plots:
            if spec.id in self._panels and self._specs[spec.id].kind != spec.kind:
                self._remove(spec.id)
            if spec.id not in self._panels:
                self._panels[spec.id] = self._make(spec)
            panel = self._panels[spec.id]
            self._specs[spec.id] = spec
            if isinstance(panel, PlotPanel):
                panel.set_options(spec.options)
                panel.set_pinned(spec.site is not None)
                panel.set_source(spec.source)
                if spec.site is not None:
                    panel.set_site(spec.site)
        self._arrange(plots)
        self._show_hint()
        if self._shown_ids() != shown:
            self.visibilityChanged.emit()

    def panel(self, plot_id: str) -> PlotPanel | None:
        """The widget of a plot; None when there is none or its kind is unavailable."""
        panel = self._panels.get(plot_id)
        return panel if isinstance(panel, PlotPanel) else None

    def panels(self) -> tuple[PlotPanel, ...]:
        """All plots, visible or not."""
        return tuple(panel for panel in self._panels.values() if isinstance(panel, PlotPanel))

    def visible_panels(self) -> tuple[PlotPanel, ...]:
        """The plots that can be seen: all others need no drawing."""
        # A widget that is being hidden is told so before its children are.
        return tuple(panel for panel in self.panels() if panel.isVisible()) if self.isVisible() else ()

    def current_tab(self) -> str:
        """Name of the tab to which a plot is added."""
        return self._next_tab or (self.tabText(self.currentIndex()) if self.count() else FIRST_TAB)

    def current_panel(self) -> PlotPanel | None:
        """The plot with the keyboard focus, else the first that can be seen: what an export is about."""
        visible, focus = self.visible_panels(), self.focusWidget()
        focused = [panel for panel in visible if focus is not None and panel.isAncestorOf(focus)]
        return next(iter((*focused, *visible)), None)

    def bring_forward(self, panel: PlotPanel) -> None:
        """Turn to the tab that a plot is on."""
        page = next((page for page in self._pages.values() if page.isAncestorOf(panel)), None)
        if page is not None:
            self.setCurrentWidget(page)

    def set_pinnable(self, pinnable: bool) -> None:
        """Whether plots offer to stay with their site, for who listens to `plotPinRequested`."""
        self._pinnable = pinnable
        for panel in self.panels():
            panel.set_pinnable(pinnable)
            panel.set_sources(sources_of(self._kinds[panel.kind]) if pinnable else ())

    # ---- the inside ------------------------------------------------------------------------------------------------

    def _make(self, spec: PlotSpec) -> PlotPanel | UnavailablePlot:
        kind = self._kinds.get(spec.kind)
        plot_id = spec.id
        if kind is None:
            missing = UnavailablePlot(spec.kind, self._unavailable.get(spec.kind, ""))
            missing.closeRequested.connect(lambda: self.plotCloseRequested.emit(plot_id))
            return missing
        panel: PlotPanel = kind.create(None)
        panel.plot_id = plot_id
        panel.setObjectName(f"plot_{plot_id}")
        panel.closeRequested.connect(lambda: self.plotCloseRequested.emit(plot_id))
        panel.exportRequested.connect(lambda: self.plotExportRequested.emit(plot_id))
        panel.set_pinnable(self._pinnable)
        panel.pinRequested.connect(lambda pinned: self.plotPinRequested.emit(plot_id, pinned))
        panel.sourceRequested.connect(lambda source: self.plotSourceRequested.emit(plot_id, source))
        panel.offerTaken.connect(lambda: self.plotOfferTaken.emit(plot_id))
        panel.set_sources(sources_of(kind) if self._pinnable else ())
        panel.settingsChanged.connect(lambda: self.settingsChanged.emit(plot_id))
        panel.tokenSelected.connect(self.tokenSelected)
        panel.tokenSelected.connect(lambda position: self.plotTokenSelected.emit(plot_id, position))
        panel.tokenHovered.connect(lambda position: self.plotTokenPointed.emit(plot_id, position))
        return panel

    def _remove(self, plot_id: str) -> None:
        widget = self._panels.pop(plot_id)
        del self._specs[plot_id]
        widget.hide()
        widget.setParent(None)
        widget.deleteLater()

    def _arrange(self, plots: Sequence[PlotSpec]) -> None:
        """Put every plot on the page of its tab; a fifth goes to a page after it."""
        contents: dict[str, list[QWidget]] = {}
        for spec in plots:
            name, number = spec.tab, 1
            while len(contents.get(name, ())) >= FULL:
                number += 1
                name = f"{spec.tab} ({number})"
            contents.setdefault(name, []).append(self._panels[spec.id])
        for name, widgets in contents.items():
            page = self._pages.get(name)
            if page is None:
                page = self._pages[name] = PlotPage()
                self.addTab(page, name)
                self.setTabToolTip(self.indexOf(page), "Double click to rename (Shift+F2)")
                added = page
            else:
                added = None
            page.set_widgets(widgets)
            if added is not None and self._next_tab == name:
                self.setCurrentWidget(added)
        for name in [name for name in self._pages if name not in contents]:
            page = self._pages.pop(name)
            self.removeTab(self.indexOf(page))
            page.deleteLater()

    def _shown_ids(self) -> set[str]:
        return {panel.plot_id for panel in self.visible_panels()}

    def _show_hint(self) -> None:
        self._hint.setVisible(not self._panels)
        self._hint.setGeometry(self.rect())
        self._hint.raise_()

    def _on_add_menu_about_to_show(self) -> None:
        self._add_menu.clear()
        page = self.currentWidget()
        full = isinstance(page, PlotPage) and page.full
        for kind in self._kinds.values():
            action = self._add_menu.addAction(kind.title)
            action.setEnabled(not full)
            action.triggered.connect(lambda _checked=False, name=kind.name: self.plotAddRequested.emit(name))
        inner = self._add_menu.addMenu("On a new tab")
        for kind in self._kinds.values():
            action = inner.addAction(kind.title)
            action.triggered.connect(lambda _checked=False, name=kind.name: self._add_on_new_tab(name))
        if self._unavailable:
            self._add_menu.addSeparator()
            for name, reason in self._unavailable.items():
                action = self._add_menu.addAction(f"{name} (unavailable)")
                action.setToolTip(reason)
                action.setEnabled(False)

    def _add_on_new_tab(self, kind: str) -> None:
        names = (FIRST_TAB if number == 1 else f"{FIRST_TAB} {number}" for number in range(1, len(self._pages) + 2))
        self._next_tab = next(name for name in names if name not in self._pages)
        try:
            self.plotAddRequested.emit(kind)
        finally:
            self._next_tab = ""

    def ask_tab_name(self, index: int) -> None:
        """Ask what a tab is to be called, and tell of it."""
        if index < 0:
            return
        old = self.tabText(index)
        new, agreed = QInputDialog.getText(self, "Rename tab", "Name of the tab:", text=old)
        new = " ".join(new.split())
        if agreed and new and new != old:
            self.tabRenameRequested.emit(old, new)

    def _on_self_current_changed(self, index: int) -> None:
        self.visibilityChanged.emit()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: D102 - Qt's
        super().showEvent(event)
        self.visibilityChanged.emit()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: D102 - Qt's
        super().hideEvent(event)
        self.visibilityChanged.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._hint.setGeometry(self.rect())
