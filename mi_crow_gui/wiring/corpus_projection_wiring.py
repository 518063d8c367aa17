"""Projections of the open capture: read when somebody looks, drawn again when only colours change."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.engine.drawing_pool import DrawingWish
from mi_crow_gui.panels.plots.corpus_projection import CorpusProjectionPanel
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.corpus_projection import read_corpus_projection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.corpus_projection import CorpusProjection
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.browse_wiring import BrowseWiring
    from mi_crow_gui.wiring.parts import Parts

    Wish = tuple[Capture, str, tuple[int, bool, int]]

log = logging.getLogger(__name__)

_AROUND = 4  # tokens on either side of the one under the mouse


class CorpusProjectionWiring(QObject):
    """Joins every projection of a capture with the capture; the newest wish of each wins."""

    def __init__(self, parts: Parts, browse: BrowseWiring, board: PlotBoard, kinds: Mapping[str, PlotKind]) -> None:
        super().__init__(parts.window)
        self._parts, self._browse, self._board, self._kinds = parts, browse, board, kinds
        self._heard: set[str] = set()
        self._wishes: dict[str, Wish] = {}
        self._reading: dict[str, LongJob] = {}
        self._contents: dict[str, CorpusProjection] = {}
        browse.opened.connect(self._on_browse_opened)
        browse.siteChanged.connect(self._refresh)
        browse.positionChanged.connect(self._on_browse_position_changed)
        board.visibilityChanged.connect(self._refresh)
        board.settingsChanged.connect(self._on_board_settings_changed)
        parts.store.changed.connect(self._on_store_changed)
        parts.drawings.drawn.connect(self._on_drawings_drawn)

    # ---- what is looked at ---------------------------------------------------------------------------------------

    def _panels(self, *, visible: bool = True) -> list[CorpusProjectionPanel]:
        panels = self._board.visible_panels() if visible else self._board.panels()
        return [panel for panel in panels if isinstance(panel, CorpusProjectionPanel)]

    def _panel(self, plot_id: str) -> CorpusProjectionPanel | None:
        panel = self._board.panel(plot_id)
        return panel if isinstance(panel, CorpusProjectionPanel) else None

    @Slot()
    def _refresh(self) -> None:
        panels = self._panels(visible=False)
        for panel in panels:
            if panel.plot_id not in self._heard:
                panel.rowChosen.connect(self._browse.show_row)
                panel.pointLooked.connect(partial(self._look, panel.plot_id))
                panel.progress.cancelRequested.connect(partial(self._cancel, panel.plot_id))
        here = {panel.plot_id for panel in panels}
        for plot_id in self._heard - here:
            self._forget(plot_id)
        self._heard = here
        capture = self._browse.capture
        if capture is None:
            return
        for panel in self._panels():
            site = self._site_of(panel)
            wish = (capture, site, panel.settings().reading)
            if site and self._wishes.get(panel.plot_id) != wish:
                self._wishes[panel.plot_id] = wish
                panel.set_site(site)
                self._read(panel, wish)

    def _site_of(self, panel: CorpusProjectionPanel) -> str:
        """The site that a plot stays with, or the chosen one."""
        capture = self._browse.capture
        spec = next((plot for plot in self._parts.store.workspace.plots if plot.id == panel.plot_id), None)
        own = spec.site if spec is not None else None
        known = capture is not None and any(site.site == own for site in capture.sites)
        return own if own is not None and known else self._browse.site

    def _read(self, panel: CorpusProjectionPanel, wish: Wish) -> None:
        self._stop(panel.plot_id)
        capture, site, reading = wish
        plot_id = panel.plot_id

        def work(desk: Desk) -> tuple[str, CorpusProjection]:
            return plot_id, read_corpus_projection(capture, site, reading, desk.progress, desk.cancel)

        panel.progress.begin(f"Placing tokens of {site}")
        self._reading[plot_id] = self._parts.long_jobs.start(
            "projection", work, self._on_read, self._on_read_failed, panel.progress.set_progress
        )

    def _draw(self, panel: CorpusProjectionPanel) -> None:
        content = self._contents.get(panel.plot_id)
        if content is not None:
            self._parts.drawings.ask(
                DrawingWish(panel.plot_id, content, panel.settings(), self._kinds[panel.kind].prepare)
            )

    def _stop(self, plot_id: str) -> None:
        earlier = self._reading.pop(plot_id, None)
        if earlier is not None:
            earlier.cancel()

    def _forget(self, plot_id: str) -> None:
        self._stop(plot_id)
        self._wishes.pop(plot_id, None)
        self._contents.pop(plot_id, None)

    def _cancel(self, plot_id: str) -> None:
        """Reading was given up: what was shown before is what is wanted again."""
        self._stop(plot_id)
        panel = self._panel(plot_id)
        if panel is None:
            return
        panel.progress.end()
        if panel.drawing is None:
            panel.show_problem("Placing the tokens was given up; choose a site or other settings to begin again.")
            return
        shown = panel.drawing.settings
        capture, site, _ = self._wishes[plot_id]
        self._wishes[plot_id] = capture, site, shown.reading
        panel.change_settings(most=shown.most, hide_first=shown.hide_first, method=shown.method)

    # ---- handlers ------------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_browse_opened(self, capture: Capture | None) -> None:
        for panel in self._panels(visible=False):
            self._forget(panel.plot_id)
            panel.progress.end()
            panel.mark_row(-1)
            panel.clear()
        self._refresh()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._refresh()

    @Slot(str)
    def _on_board_settings_changed(self, plot_id: str) -> None:
        panel = self._panel(plot_id)
        if panel is None:
            return
        self._refresh()
        if plot_id not in self._reading:
            self._draw(panel)

    @Slot(object)
    def _on_read(self, answer: tuple[str, CorpusProjection]) -> None:
        plot_id, content = answer
        self._reading.pop(plot_id, None)
        panel = self._panel(plot_id)
        if panel is not None:
            panel.progress.end()
            self._contents[plot_id] = content
            self._draw(panel)

    @Slot(object)
    def _on_read_failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        self._parts.window.status.set_message(failure.message)
        for plot_id in [plot_id for plot_id, job in self._reading.items() if job.over]:
            del self._reading[plot_id]
            panel = self._panel(plot_id)
            if panel is not None:
                panel.progress.end()
                panel.show_problem(failure.message)

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: Any) -> None:
        panel, content = self._panel(plot_id), self._contents.get(plot_id)
        if panel is not None and content is not None and getattr(drawing, "content", None) is content:
            panel.show_drawing(drawing)

    @Slot(int)
    def _on_browse_position_changed(self, position: int) -> None:
        text = self._browse.text
        inside = text is not None and text.first <= position < text.first + len(text.tokens)
        row = text.row + position if text is not None and inside else -1
        for panel in self._panels(visible=False):
            panel.mark_row(row)

    # ---- what is under the mouse -----------------------------------------------------------------------------------

    def _look(self, plot_id: str, row: int) -> None:
        capture = self._browse.capture
        if capture is None:
            return

        def around() -> tuple[str, int, str]:
            text, _ = capture.row_at(row)
            rows = capture.rows_of(text)
            start, stop = max(rows.start, row - _AROUND), min(rows.stop, row + _AROUND + 1)
            tokens = [readable_token(token) for token in capture.token_texts(start, stop)]
            tokens[row - start] = f"[{tokens[row - start]}]"
            before, after = "… " if start > rows.start else "", " …" if stop < rows.stop else ""
            return plot_id, row, f"{before}{' '.join(tokens)}{after}"

        self._parts.jobs.run("look", around, self._on_looked, self._on_look_failed)

    def _on_looked(self, answer: tuple[str, int, str]) -> None:
        plot_id, row, words = answer
        panel = self._panel(plot_id)
        if panel is not None:
            panel.show_around(row, words)

    def _on_look_failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
