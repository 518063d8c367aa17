"""The channels of an open capture: their statistics in the table, and the card of the one that is chosen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from core_hooks.analysis.site_statistics import site_statistics
from mi_crow_gui.document.workspace import PlotSpec
from mi_crow_gui.engine.drawing_pool import DrawingWish
from mi_crow_gui.panels.plots.neuron_card import NeuronCardPanel
from mi_crow_gui.plotdata.neuron_card import read_neuron_card

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.plotdata.neuron_card import NeuronCard, NeuronCardSettings
    from mi_crow_gui.wiring.browse_wiring import BrowseWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

NEURON_CARD, CARD_TAB = "neuron_card", "Neuron"


class ChannelsWiring(QObject):
    """Joins the table of channels and every neuron card with the capture; the newest wish of each wins."""

    def __init__(self, parts: Parts, browse: BrowseWiring, board: PlotBoard, kinds: Mapping[str, PlotKind]) -> None:
        super().__init__(parts.window)
        self._parts, self._browse, self._board, self._kinds = parts, browse, board, kinds
        self._statistics: LongJob | None = None
        self._about: tuple[Capture, str] | None = None
        self._listening = False
        self._wishes: dict[str, tuple[Capture, str, NeuronCardSettings]] = {}
        self._reading: dict[str, LongJob] = {}
        self._cards: dict[str, NeuronCard] = {}
        self._listened: set[str] = set()
        browse.opened.connect(self._on_browse_opened)
        browse.siteChanged.connect(self._on_browse_site_changed)
        browse.shown.connect(self._on_browse_shown)
        board.visibilityChanged.connect(self._refresh)
        board.settingsChanged.connect(self._on_board_settings_changed)
        parts.store.changed.connect(self._on_store_changed)
        parts.drawings.drawn.connect(self._on_drawings_drawn)

    @property
    def settled(self) -> bool:
        """True when no table and no card waits for its numbers."""
        return self._statistics is None and not self._reading

    def choose(self, channel: int) -> None:
        """Show the card of a channel: in the one that there is, or in a new one on a tab of its own."""
        store = self._parts.store
        spec = next((plot for plot in store.workspace.plots if plot.kind == NEURON_CARD), None)
        if spec is None:
            spec = PlotSpec(NEURON_CARD, tab=CARD_TAB, options=(("channel", str(channel)),))
            store.add_plot(spec)
        panel = self._board.panel(spec.id)
        if panel is None:
            return
        panel.change_settings(channel=channel)
        self._board.bring_forward(panel)
        self._refresh()

    # ---- statistics --------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_browse_opened(self, capture: Capture | None) -> None:
        panel = self._browse.browser.channels
        if not self._listening:
            self._listening = True
            panel.channelChosen.connect(self.choose)
            panel.progress.cancelRequested.connect(self._on_progress_cancel_requested)
            self._browse.browser.tabs.currentChanged.connect(self._on_tabs_current_changed)
        self._give_up()
        self._about = None
        panel.set_statistics(None)
        self._wishes.clear()
        self._cards.clear()
        if capture is None:
            for card in self._panels(visible=False):
                card.clear()
            return
        self._read_statistics()
        self._refresh()

    @Slot(str)
    def _on_browse_site_changed(self, site: str) -> None:
        self._read_statistics()
        self._refresh()

    @Slot(int)
    def _on_tabs_current_changed(self, tab: int) -> None:
        self._read_statistics()

    def _read_statistics(self) -> None:
        """Ask for the statistics of the chosen site, once somebody looks at the table."""
        capture, site = self._browse.capture, self._browse.site
        panel = self._browse.browser.channels
        if capture is None or not site or self._browse.browser.tabs.currentWidget() is not panel:
            return
        if self._about == (capture, site):
            return
        self._give_up()
        self._about = (capture, site)
        panel.set_statistics(None)

        def work(desk: Desk) -> Any:
            return site_statistics(capture, site, on_progress=desk.progress, cancel=desk.cancel)

        panel.progress.begin("Reading the statistics of every channel")
        self._statistics = self._parts.long_jobs.start(
            "channels", work, self._on_statistics_read, self._on_statistics_failed, panel.progress.set_progress
        )

    @Slot(object)
    def _on_statistics_read(self, statistics: Any) -> None:
        self._statistics = None
        panel = self._browse.browser.channels
        panel.progress.end()
        panel.set_statistics(statistics)

    @Slot(object)
    def _on_statistics_failed(self, failure: Failure) -> None:
        self._statistics = None
        self._browse.browser.channels.progress.end()
        self._complain(failure)

    @Slot()
    def _on_progress_cancel_requested(self) -> None:
        self._give_up()
        self._parts.window.status.set_message("Stopped; choose the site again to read the statistics of its channels.")

    def _give_up(self) -> None:
        if self._statistics is not None:
            self._statistics.cancel()
            self._statistics = None
        self._about = None
        self._browse.browser.channels.progress.end()

    # ---- cards -------------------------------------------------------------------------------------------------

    def _panels(self, *, visible: bool = True) -> list[NeuronCardPanel]:
        panels = self._board.visible_panels() if visible else self._board.panels()
        return [panel for panel in panels if isinstance(panel, NeuronCardPanel)]

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._refresh()

    @Slot(str)
    def _on_board_settings_changed(self, plot_id: str) -> None:
        self._refresh()

    @Slot()
    def _refresh(self) -> None:
        for panel in self._panels(visible=False):
            if panel.plot_id not in self._listened:
                self._listened.add(panel.plot_id)
                panel.rowChosen.connect(self._browse.show_row)
        capture = self._browse.capture
        if capture is None:
            return
        for panel in self._panels():
            site = self._site_of(panel)
            wish = (capture, site, panel.settings())
            if not site or self._wishes.get(panel.plot_id) == wish:
                continue
            self._wishes[panel.plot_id] = wish
            panel.set_site(site)
            self._read_card(panel.plot_id, *wish)

    def _site_of(self, panel: NeuronCardPanel) -> str:
        """The site that a card stays with, or the chosen one."""
        capture = self._browse.capture
        spec = next((plot for plot in self._parts.store.workspace.plots if plot.id == panel.plot_id), None)
        own = spec.site if spec is not None else None
        known = capture is not None and any(site.site == own for site in capture.sites)
        return own if own is not None and known else self._browse.site

    def _read_card(self, plot_id: str, capture: Capture, site: str, settings: NeuronCardSettings) -> None:
        earlier = self._reading.pop(plot_id, None)
        if earlier is not None:
            earlier.cancel()

        def work(desk: Desk) -> tuple[str, NeuronCard]:
            card = read_neuron_card(capture, site, settings)
            desk.check()
            return plot_id, card

        self._reading[plot_id] = self._parts.long_jobs.start("card", work, self._on_card_read, self._on_card_failed)

    @Slot(object)
    def _on_card_read(self, answer: tuple[str, NeuronCard]) -> None:
        plot_id, card = answer
        self._reading.pop(plot_id, None)
        panel = self._board.panel(plot_id)
        if panel is None:
            return
        self._cards[plot_id] = card
        self._parts.drawings.ask(DrawingWish(plot_id, card, panel.settings(), self._kinds[NEURON_CARD].prepare))

    @Slot(object)
    def _on_card_failed(self, failure: Failure) -> None:
        self._reading = {plot_id: job for plot_id, job in self._reading.items() if not job.over}
        for panel in self._panels():
            if panel.drawing is None:
                panel.show_problem(failure.message)
        self._complain(failure)

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: Any) -> None:
        panel, card = self._board.panel(plot_id), self._cards.get(plot_id)
        if isinstance(panel, NeuronCardPanel) and card is not None and getattr(drawing, "content", None) is card:
            panel.show_drawing(drawing)
            self._colour_tokens()

    @Slot(object)
    def _on_browse_shown(self, text: object) -> None:
        self._colour_tokens()

    def _colour_tokens(self) -> None:
        """Colour the tokens of the shown text by the channel of the card that can be seen."""
        text = self._browse.text
        panel = next((panel for panel in self._panels() if panel.drawing is not None), None)
        if text is None or panel is None:
            self._browse.colour_tokens("", ())
            return
        frame = next((frame for frame in text.frames if frame.site == panel.drawing.site), None)
        channel = panel.drawing.content.card.channel
        if frame is None or frame.values.ndim != 3 or channel >= frame.values.shape[2]:
            return
        missing = [float("nan")] * (frame.first_token - text.first)
        self._browse.colour_tokens(f"channel {channel}", [*missing, *frame.values[0, :, channel].tolist()])

    def _complain(self, failure: Failure) -> None:
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})
