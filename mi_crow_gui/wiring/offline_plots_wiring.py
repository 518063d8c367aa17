"""Plots that show an analysis while a capture is open: those that need no model are computed from it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.engine.drawing_pool import DrawingWish
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.plotdata.residual_norms import norms_of_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.plotdata.residual_norms import ResidualNorms
    from mi_crow_gui.wiring.analysis_wiring import AnalysisWiring
    from mi_crow_gui.wiring.browse_wiring import BrowseWiring
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.text_reading import ShownText

log = logging.getLogger(__name__)

RESIDUAL_NORMS = "residual_norms"
# They are of runs that were made or pinned, and stay what they are whatever else is shown.
_OF_THEIR_OWN = ("experiment", "compare_runs")


class OfflinePlotsWiring(QObject):
    """Serves the plots of analyses while the text of a capture is shown; the others say by name what they need."""

    def __init__(
        self,
        parts: Parts,
        browse: BrowseWiring,
        analyses: AnalysisWiring,
        board: PlotBoard,
        kinds: Mapping[str, PlotKind],
    ) -> None:
        super().__init__(parts.window)
        self._parts, self._browse, self._analyses, self._board, self._kinds = parts, browse, analyses, board, kinds
        self._norms: ResidualNorms | None = None
        self._asked: ShownText | None = None  # whose norms are worked out, or known
        self._answered = False
        self._shown: dict[str, tuple[Any, Any]] = {}
        browse.shown.connect(self._on_browse_shown)
        board.visibilityChanged.connect(self._refresh)
        board.settingsChanged.connect(self._on_board_settings_changed)
        parts.store.changed.connect(self._on_store_changed)
        parts.drawings.drawn.connect(self._on_drawings_drawn)

    @Slot(object)
    def _on_browse_shown(self, text: ShownText | None) -> None:
        self._shown.clear()
        self._norms, self._asked, self._answered = None, None, False
        if text is not None:
            # Else a plot of the last run would stand beside plots of the capture.
            self._analyses.stand_back()
        self._refresh()

    @Slot(str)
    def _on_board_settings_changed(self, plot_id: str) -> None:
        self._shown.pop(plot_id, None)
        self._refresh()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._refresh()

    @Slot()
    def _refresh(self) -> None:
        if self._browse.text is None:
            return
        for panel in self._board.visible_panels():
            if not isinstance(panel, AnalysisPanel) or (not panel.of_run() and self._parts.service.model is not None):
                continue
            if self._kinds[panel.kind].analysis in _OF_THEIR_OWN:
                continue
            if panel.kind == RESIDUAL_NORMS and not self._answered:
                self._ask_norms(self._browse.text)
            elif panel.kind == RESIDUAL_NORMS and self._norms is not None:
                self._draw(panel, self._norms)
            elif self._shown.get(panel.plot_id) != (None, None):
                self._shown[panel.plot_id] = (None, None)
                panel.show_problem(self._needs(panel))

    def _ask_norms(self, text: ShownText) -> None:
        """Have the norms of a text worked out, once somebody looks; they are of every value of every block."""
        if self._asked is text:
            return
        self._asked = text
        self._parts.jobs.run(
            "norms", lambda: (text, norms_of_frames(text.frames)), self._on_norms_found, self._on_norms_failed
        )

    def _on_norms_found(self, answer: tuple[ShownText, ResidualNorms | None]) -> None:
        text, norms = answer
        if text is self._asked:
            self._norms, self._answered = norms, True
            self._refresh()

    def _on_norms_failed(self, failure: Failure) -> None:
        self._answered = True
        log.error("%s", failure.message, extra={"details": failure.details})
        for panel in self._board.visible_panels():
            if isinstance(panel, AnalysisPanel) and panel.kind == RESIDUAL_NORMS:
                self._shown[panel.plot_id] = (None, None)
                panel.show_problem(failure.message)

    def _draw(self, panel: AnalysisPanel, content: Any) -> None:
        wanted = (content, panel.settings())
        if self._shown.get(panel.plot_id) == wanted:
            return
        self._shown[panel.plot_id] = wanted
        prepare = self._kinds[panel.kind].prepare
        self._parts.drawings.ask(DrawingWish(panel.plot_id, content, panel.settings(), prepare))

    def _needs(self, panel: AnalysisPanel) -> str:
        """What a plot lacks, by name."""
        if panel.kind == RESIDUAL_NORMS:
            return (
                "Residual norms need the outputs of blocks, and this capture has none; "
                "capture them with a pattern such as *.h.* or model.layers.*."
            )
        capture = self._browse.capture
        model = str(capture.index.model.get("name") or "") if capture is not None else ""
        name = re.sub(r"\s*\(.*\)$", "", panel.title)
        needed = f"the model {model}" if model else "the model that was captured"
        return f"{name} needs {needed}, a capture holds activations alone: open the model (Ctrl+O) and run the text."

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: Any) -> None:
        panel, shown = self._board.panel(plot_id), self._shown.get(plot_id)
        if isinstance(panel, AnalysisPanel) and shown is not None and getattr(drawing, "content", None) is shown[0]:
            panel.show_drawing(drawing)
