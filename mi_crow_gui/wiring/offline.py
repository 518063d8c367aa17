"""Captures that are looked at without their model: what joins the parts of the window that do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.wiring.browse_wiring import BrowseWiring
from mi_crow_gui.wiring.capture_compare_wiring import CaptureCompareWiring
from mi_crow_gui.wiring.capture_export_wiring import CaptureExportWiring
from mi_crow_gui.wiring.capture_list_wiring import CaptureListWiring
from mi_crow_gui.wiring.capture_search_wiring import CaptureSearchWiring
from mi_crow_gui.wiring.channels_wiring import ChannelsWiring
from mi_crow_gui.wiring.corpus_projection_wiring import CorpusProjectionWiring
from mi_crow_gui.wiring.offline_plots_wiring import OfflinePlotsWiring
from mi_crow_gui.wiring.probe_wiring import ProbeWiring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core_hooks.capture.reader import Capture
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.analysis_wiring import AnalysisWiring
    from mi_crow_gui.wiring.capture_wiring import CaptureWiring
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring


class Offline(QObject):
    """Made once the plots are there; each conversation is an attribute."""

    def __init__(
        self,
        parts: Parts,
        captures: CaptureWiring,
        plots: PlotsWiring,
        analyses: AnalysisWiring,
        board: PlotBoard,
        kinds: Mapping[str, PlotKind],
    ) -> None:
        super().__init__(parts.window)
        self.browse = BrowseWiring(parts, plots, board)
        self.plots = OfflinePlotsWiring(parts, self.browse, analyses, board, kinds)
        self.channels = ChannelsWiring(parts, self.browse, board, kinds)
        self.projections = CorpusProjectionWiring(parts, self.browse, board, kinds)
        self.search = CaptureSearchWiring(parts, self.browse)
        self.probe = ProbeWiring(parts, self.browse, self.search)
        self.compare = CaptureCompareWiring(parts, self.browse)
        self.compare.channelChosen.connect(self.channels.choose)
        self.export = CaptureExportWiring(parts, self.browse)
        self.list = CaptureListWiring(parts)
        self.list.listed.connect(self._on_list_listed)
        captures.captureOpened.connect(self._on_captures_capture_opened)
        captures.listChanged.connect(self.list.refresh)
        self.list.refresh()

    @Slot()
    def _on_list_listed(self) -> None:
        if self.browse.capture is not None:
            self.compare.offer_captures()

    @Slot(object)
    def _on_captures_capture_opened(self, capture: Capture) -> None:
        self.browse.open(capture)
