"""The plot board: which plots there are, which frame each shows, and the one token that all of them point at."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, Signal, Slot

from mi_crow_gui.document.hook_spec import CAPTURE
from mi_crow_gui.document.plot_source import NEWEST, SIDES, follows
from mi_crow_gui.document.workspace import PlotSpec
from mi_crow_gui.engine.drawing_pool import DrawingWish
from mi_crow_gui.engine.messages import RUN_KINDS
from mi_crow_gui.plotdata.frame import side
from mi_crow_gui.plotdata.frame_pair import FramePair, PairPreparation
from mi_crow_gui.plotdata.prompt_frame import frame_of_prompt
from mi_crow_gui.plotdata.scrubbing import frame_until
from mi_crow_gui.wiring.plot_sources import Found, PlotSources
from mi_crow_gui.wiring.shared_token import SharedToken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.engine.messages import CaptureUpdate, Failure, OpenedModel, RunInfo
    from mi_crow_gui.panels.plots.base import PlotPanel
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.frame import Frame
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class PlotsWiring(QObject):
    """Feeds the plots that can be seen; a plot without a site of its own follows the selected one.

    A hidden plot costs nothing: it is not drawn until it shows, and then gets the newest frame. `changed` says that
    there are newer frames than before, or none any more.
    """

    changed = Signal()
    tokenPointed = Signal(int)  # the token under the mouse in a plot, -1 for none

    def __init__(self, parts: Parts, board: PlotBoard, kinds: Mapping[str, PlotKind]) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._board = board
        self._kinds = kinds
        self._frames: dict[str, Frame] = {}
        self._shown: dict[str, Frame | FramePair] = {}
        self._sources = PlotSources()
        self._inspected: dict[str, PlotPanel] = {}
        self._step: int | None = None
        self._scrubbed: dict[str, Frame | None] = {}
        self._info: RunInfo | None = None
        # Why the newest prompt was not run.
        self._refusal = ""
        self._modules: frozenset[str] | None = None
        self._of_prompt: dict[str, tuple[Frame, Frame]] = {}
        board.plotCloseRequested.connect(self._on_board_plot_close_requested)
        board.plotAddRequested.connect(self.add)
        board.tabRenameRequested.connect(self._on_board_tab_rename_requested)
        board.set_pinnable(True)
        board.plotPinRequested.connect(self._on_board_plot_pin_requested)
        board.plotSourceRequested.connect(self._on_board_plot_source_requested)
        board.plotOfferTaken.connect(self._on_board_plot_offer_taken)
        parts.service.pinsChanged.connect(self._on_service_pins_changed)
        board.settingsChanged.connect(self._on_board_settings_changed)
        board.visibilityChanged.connect(self._on_board_visibility_changed)
        parts.store.changed.connect(self._on_store_changed)
        # After the plots are there.
        self._token = SharedToken(parts, board)
        self._token.pointed.connect(self.tokenPointed)
        parts.service.framesArrived.connect(self._on_service_frames_arrived)
        parts.service.runStarted.connect(self._on_service_run_started)
        parts.service.failed.connect(self._on_service_failed)
        parts.service.modelOpened.connect(self._on_service_model_opened)
        parts.drawings.drawn.connect(self._on_drawings_drawn)
        parts.drawings.failed.connect(self._on_drawings_failed)
        self._on_store_changed("plots")
        for update in parts.service.frames().values():
            self._frames[update.frame.hook_id] = update.frame
        self._refresh()

    def inspect_with(self, panel: PlotPanel) -> None:
        """A plot outside the board, in the inspector, that follows the selection too."""
        self._inspected[panel.plot_id] = panel
        # The board tells when its plots come to be seen; this one has to be watched.
        panel.installEventFilter(self)
        panel.settingsChanged.connect(self._on_inspected_settings_changed)
        self._token.add(panel)
        self._refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A plot in the inspector came to be seen."""
        if event.type() == QEvent.Type.Show:
            self._refresh()
        return False

    @Slot(object)
    def show_capture(self, frames: list[Frame]) -> None:
        """Show the frames of a capture from disk until the next run; the first site is selected."""
        self._frames = {frame.hook_id: frame for frame in frames}
        self._shown.clear()
        if not frames:
            for panel in (*self._board.panels(), *self._inspected.values()):
                panel.clear()
        sites = [frame.site for frame in frames]
        if sites and self._parts.store.workspace.selected_site not in sites:
            self._parts.store.select_site(sites[0])
        self._refresh()

    @Slot(str)
    def add(self, kind: str) -> None:
        """Add a plot of this kind to the tab that is shown, or to one behind it where that is full."""
        panel = self._board.panel(self._parts.store.add_plot(PlotSpec(kind, tab=self._board.current_tab())))
        if panel is not None:
            self._board.bring_forward(panel)

    def select_token(self, position: int) -> None:
        """Point at a token in every plot; -1 at none."""
        self._token.select(position)

    @Slot(int)
    def point_at_token(self, position: int) -> None:
        """The mouse is over a token elsewhere; -1 for none."""
        self._token.point_at(position)

    @property
    def settled(self) -> bool:
        """True when no plot waits for its drawing."""
        return not self._parts.drawings.busy

    # ---- intents of the board ----------------------------------------------------------------------------------

    @Slot(str)
    def _on_board_plot_close_requested(self, plot_id: str) -> None:
        self._parts.store.remove_plot(plot_id)

    @Slot(str, bool)
    def _on_board_plot_pin_requested(self, plot_id: str, pinned: bool) -> None:
        """Let a plot stay with the site that it shows, or follow the selection again."""
        spec, store = self._spec(plot_id), self._parts.store
        if spec is not None:
            store.set_plot(replace(spec, site=store.workspace.selected_site if pinned else None))

    @Slot(str, str)
    def _on_board_plot_source_requested(self, plot_id: str, source: str) -> None:
        """Let a plot show another run, or two."""
        spec = self._spec(plot_id)
        if spec is not None:
            self._shown.pop(plot_id, None)
            self._parts.store.set_plot(replace(spec, source=source))

    @Slot(str)
    def _on_board_plot_offer_taken(self, plot_id: str) -> None:
        """Capture what is missing of both sides of the controllers, and run again."""
        panel, store = self._board.panel(plot_id), self._parts.store
        site = self._site_of(panel) if panel is not None else None
        if site is None:
            return
        captured = {hook.stage for hook in store.workspace.hooks_at(site) if hook.kind == CAPTURE and hook.enabled}
        with store.one_step(f"Capture both sides of {site or 'the model'}"):
            for stage in ("before", "after"):
                if stage not in captured:
                    store.attach([site], stage=stage)
        self._parts.window.action("run").trigger()

    @Slot()
    def _on_service_pins_changed(self) -> None:
        self._refresh()

    @Slot(str)
    def _on_board_settings_changed(self, plot_id: str) -> None:
        self._shown.pop(plot_id, None)
        spec, panel = self._spec(plot_id), self._board.panel(plot_id)
        if spec is not None and panel is not None and panel.options() != spec.options:
            self._parts.store.set_plot(replace(spec, options=panel.options()))
        self._refresh()

    @Slot(str, str)
    def _on_board_tab_rename_requested(self, before: str, after: str) -> None:
        store = self._parts.store
        with store.one_step(f"Rename tab to {after}"):
            for spec in store.workspace.plots:
                if spec.tab == before:
                    store.set_plot(replace(spec, tab=after))

    @Slot()
    def _on_inspected_settings_changed(self) -> None:
        for plot_id in self._inspected:
            self._shown.pop(plot_id, None)
        self._refresh()

    @Slot()
    def _on_board_visibility_changed(self) -> None:
        self._refresh()

    # ---- what changes what is shown ----------------------------------------------------------------------------

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._board.set_plots(self._parts.store.workspace.plots)
            self._refresh()
        elif topic in ("selection", "hooks"):
            self._refresh()
        elif topic == "selected_prompt":
            self._of_prompt.clear()
            self._scrubbed.clear()
            self._refresh()

    @Slot(object)
    def _on_service_run_started(self, info: RunInfo) -> None:
        # What is on the screen belongs to an older run from now on, and says so until the new values arrive.
        self._info, self._refusal = info, ""
        self._frames.clear()
        for panel in (*self._board.panels(), *self._inspected.values()):
            if follows(self._source_of(panel)):
                self._shown.pop(panel.plot_id, None)
                panel.mark_stale(f"run {info.number} is on its way")

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        if failure.task in RUN_KINDS:
            self._refusal = failure.message
            self._refresh()

    @Slot(object)
    def _on_service_model_opened(self, opened: OpenedModel) -> None:
        self._modules, self._refusal = frozenset(record.path for record in opened.tree), ""
        self._frames.clear()
        self._shown.clear()
        for panel in (*self._board.panels(), *self._inspected.values()):
            panel.clear()
        self._refresh()

    @Slot(object)
    def _on_service_frames_arrived(self, updates: dict[str, CaptureUpdate]) -> None:
        for hook_id, update in updates.items():
            self._frames[hook_id] = update.frame
        self._refresh()

    # ---- drawing -----------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Ask for a drawing of every visible plot whose newest frame it has not asked for yet."""
        for panel in self._panels():
            found = self._found(panel)
            frame = found.frame
            if frame is None:
                if panel.plot_id in self._shown or found.reason or panel.drawing is None:
                    self._shown.pop(panel.plot_id, None)
                    panel.set_missing(found.reason, found.offer)
                panel.set_site(self._site_of(panel))
                continue
            if self._shown.get(panel.plot_id) is frame:
                continue
            self._shown[panel.plot_id] = frame
            panel.set_site(frame.site)
            kind = self._kinds[panel.kind]
            prepare = kind.prepare
            if isinstance(frame, FramePair):
                prepare = PairPreparation(kind.prepare, kind.overlay, kind.compact)
            self._parts.drawings.ask(DrawingWish(panel.plot_id, frame, panel.settings(), prepare))
        self.changed.emit()

    def _panels(self) -> list[PlotPanel]:
        inspected = [panel for panel in self._inspected.values() if panel.isVisible()]
        # Plots of an analysis show no frames.
        plots = [panel for panel in self._board.visible_panels() if not self._kinds[panel.kind].analysis]
        return [*plots, *inspected]

    def _panel(self, plot_id: str) -> PlotPanel | None:
        return self._inspected.get(plot_id) or self._board.panel(plot_id)

    def _spec(self, plot_id: str) -> PlotSpec | None:
        return next((plot for plot in self._parts.store.workspace.plots if plot.id == plot_id), None)

    def _site_of(self, panel: PlotPanel) -> str | None:
        spec = self._spec(panel.plot_id)
        own = spec.site if spec is not None else None
        return own if own is not None else self._parts.store.workspace.selected_site

    def _source_of(self, panel: PlotPanel) -> str:
        spec = self._spec(panel.plot_id)
        return spec.source if spec is not None else NEWEST

    def _found(self, panel: PlotPanel) -> Found:
        """What a plot is to show by its site and its source."""
        site, source = self._site_of(panel), self._source_of(panel)
        if site is None:
            return Found(None)
        overlays = self._kinds[panel.kind].overlay is not None
        if source == SIDES:
            frames = [self._at_step(frame) for frame in self._frames.values() if frame.site == site]
            shown = [frame for frame in frames if frame is not None]
            return self._sources.sides(site, shown, self._parts.store.workspace.hooks_at(site), overlays)
        if source != NEWEST:
            prompt = self._parts.store.workspace.selected_prompt
            return self._sources.pinned(source, site, self._parts.service.pinned, overlays, prompt)
        frame = self.frame_at(site)
        if frame is None and self._modules is not None and site not in self._modules:
            return Found(None, f"The open model has no {site}: it belongs to another one. Select a module of this one.")
        return Found(frame, self._refusal if frame is None else "")

    def whole_frame_at(self, site: str) -> Frame | None:
        """The newest frame of a site, of a batch that of all its prompts.

        Of a site that was captured before and after its controllers it is what went on.
        """
        found = [frame for frame in self._frames.values() if frame.site == site]
        return max(found, key=lambda frame: side(frame.stage), default=None)

    def frame_at(self, site: str) -> Frame | None:
        """The frame of a site that is to be shown: of the selected prompt of a batch, at the chosen step."""
        whole = self.whole_frame_at(site)
        if whole is None:
            return None
        return self._at_step(whole)

    def _at_step(self, whole: Frame) -> Frame | None:
        # The same objects each time, so that a plot knows that it shows them already.
        known = self._of_prompt.get(whole.hook_id)
        if known is None or known[0] is not whole:
            prompt = self._parts.store.workspace.selected_prompt
            known = self._of_prompt[whole.hook_id] = (whole, frame_of_prompt(whole, prompt))
            self._scrubbed.pop(whole.hook_id, None)
        newest = known[1]
        if self._step is None or self._info is None:
            return newest
        if newest.hook_id not in self._scrubbed:
            tokens = self._info.of_prompt(newest.prompt).tokens
            given = len(tokens) - self._info.continued
            self._scrubbed[newest.hook_id] = frame_until(newest, self._step, given)
        return self._scrubbed[newest.hook_id]

    def show_step(self, step: int | None) -> None:
        """Show what every site held at a step of the last generation; None follows the newest again."""
        if step != self._step:
            self._step = step
            self._scrubbed.clear()
            self._refresh()

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: Any) -> None:
        panel, frame = self._panel(plot_id), self._shown.get(plot_id)
        # The plot may have been closed, or moved on to another site or run, while this was being prepared.
        if panel is None or frame is None or (drawing.run, drawing.site) != (frame.run, frame.site):
            return
        if (drawing.frame.origin, drawing.frame.prompt) != (frame.origin, _prompt_of(frame)):
            return
        panel.show_drawing(drawing)

    @Slot(str, object)
    def _on_drawings_failed(self, plot_id: str, failure: Failure) -> None:
        panel = self._panel(plot_id)
        if panel is not None:
            panel.mark_stale(failure.message)
        log.warning("%s", failure.message, extra={"details": failure.details})


def _prompt_of(frame: Frame | FramePair) -> int:
    return frame.second.prompt if isinstance(frame, FramePair) else frame.prompt
