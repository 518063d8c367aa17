"""The head map: one action opens it and measures, a click on a head shows what that looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.workspace import PlotSpec
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.panels.plots.head_map import HeadMapPanel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.panels.plots.base import PlotPanel
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.analysis_wiring import AnalysisWiring
    from mi_crow_gui.wiring.parts import Parts

HEAD_MAP, ATTENTION, HEADS_TAB = "head_map", "attention", "Heads"


class HeadsWiring(QObject):
    """Joins the action, the maps on the board, and the plot of attention beside them."""

    def __init__(self, parts: Parts, board: PlotBoard, kinds: Mapping[str, PlotKind], analyses: AnalysisWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._board, self._kinds, self._analyses = parts, board, kinds, analyses
        self._listened: set[str] = set()
        parts.store.changed.connect(self._on_store_changed)
        parts.service.stateChanged.connect(self._on_service_state_changed)
        parts.window.action("mapHeads").triggered.connect(self._on_map_heads_triggered)
        self._on_service_state_changed(parts.service.state)
        self._listen()

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._parts.window.action("mapHeads").setEnabled(state == "ready")

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._listen()

    @Slot()
    def _on_map_heads_triggered(self) -> None:
        """Show the head map, on a tab of its own unless there is one already, and measure anew."""
        if HEAD_MAP not in self._kinds:
            return
        store = self._parts.store
        spec = next((plot for plot in store.workspace.plots if plot.kind == HEAD_MAP), None)
        if spec is None:
            spec = PlotSpec(HEAD_MAP, tab=HEADS_TAB)
            store.add_plot(spec)
        panel = self._board.panel(spec.id)
        if isinstance(panel, AnalysisPanel):
            self._turn_to(panel)
            self._analyses.measure_anew(panel)

    def _listen(self) -> None:
        """Hear of heads that are clicked in head maps that are new."""
        maps = [panel for panel in self._board.panels() if panel.kind == HEAD_MAP]
        for panel in maps:
            if panel.plot_id not in self._listened and isinstance(panel, HeadMapPanel):
                panel.headChosen.connect(self._on_head_map_head_chosen)
        self._listened = {panel.plot_id for panel in maps}

    @Slot(int, int)
    def _on_head_map_head_chosen(self, block: int, head: int) -> None:
        """Show what a head looks at: in the attention plot that there is, or in a new one beside the map."""
        panel = next((panel for panel in self._board.panels() if panel.kind == ATTENTION), None)
        if panel is not None:
            panel.change_settings(block=block, head=head)
        elif ATTENTION in self._kinds:
            options = (("block", str(block)), ("head", str(head)))
            plot_id = self._parts.store.add_plot(PlotSpec(ATTENTION, tab=self._board.current_tab(), options=options))
            panel = self._board.panel(plot_id)
        if panel is not None:
            self._turn_to(panel)

    def _turn_to(self, panel: PlotPanel) -> None:
        """Bring the tab of a plot to the front."""
        self._parts.window.show_workbench()
        self._board.bring_forward(panel)
