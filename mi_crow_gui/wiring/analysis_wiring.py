"""Plots that show an analysis in place of a frame: asked for when a run has ended and somebody can see them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.document.hook_spec import CAPTURE
from mi_crow_gui.document.plot_source import NEWEST
from mi_crow_gui.engine.analysis_request import AnalysisRequest
from mi_crow_gui.engine.drawing_pool import DrawingWish
from mi_crow_gui.engine.messages import RUN_KINDS, LookedAt
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel
from mi_crow_gui.plotdata.analysis import Analysis
from mi_crow_gui.wiring.analysis_moment import Moment, ShownAnalysis, first_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core_hooks.model.tokens import TokenSequence, TokenStep
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.messages import Failure, Followed, LiveContents, RunInfo, RunOutcome
    from mi_crow_gui.engine.tasks import TaskProgress, TaskResult
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.parts import Parts

_SAID_AFTER = 0.3  # seconds
_NO_TOKENS = "This run was of example inputs, which have no tokens: what is shown here needs a prompt of words."


class AnalysisWiring(QObject):
    """Asks for one analysis at a time, keeps the results of the newest run, and hands them to the plots.

    Several plots with the same wish share one result; a hidden plot wishes nothing. A plot may be about run A or B in
    place of the newest. Everything is computed with the hooks that its run had, whatever acts now.
    `stoodBack`: what is shown is of no run any more.
    """

    stoodBack = Signal()

    def __init__(self, parts: Parts, board: PlotBoard, kinds: Mapping[str, PlotKind]) -> None:
        super().__init__(parts.window)
        self._parts, self._board, self._kinds = parts, board, kinds
        self._run = self._going = self._continued = 0
        self._tokens: TokenSequence | None = None
        self._info: RunInfo | None = None
        self._outcome: RunOutcome | None = None
        # Tokens of the run that were not generated, and the step that is shown of it; None: the newest.
        self._given = 0
        self._step: int | None = None
        self._prompts = 1
        self._live: Mapping[Followed, Analysis] = {}
        # Why the newest prompt was not run.
        self._refusal = ""
        self._results: dict[AnalysisRequest, TaskResult] = {}
        # With which controllers what needs no run was computed.
        self._acted: dict[AnalysisRequest, tuple[HookSpec, ...]] = {}
        self._asked_with: tuple[HookSpec, ...] = ()
        self._asked: AnalysisRequest | None = None
        self._asked_at = 0.0
        # What needs no run waits for the first one all the same, or to be asked for: opening a model is not slowed.
        self._awake = False
        self._shown: dict[str, ShownAnalysis] = {}
        service = parts.service
        board.visibilityChanged.connect(self._refresh)
        board.settingsChanged.connect(self._on_board_settings_changed)
        parts.store.changed.connect(self._on_store_changed)
        service.runStarted.connect(self._on_service_run_started)
        service.promptStepsArrived.connect(self._on_service_prompt_steps_arrived)
        service.liveArrived.connect(self._on_service_live_arrived)
        service.runFinished.connect(self._on_service_run_finished)
        service.failed.connect(self._on_service_failed)
        service.modelOpened.connect(self._on_service_model_opened)
        service.pinsChanged.connect(self._on_service_pins_changed)
        service.taskEnded.connect(self._on_service_task_ended)
        service.taskProgressed.connect(self._on_service_task_progressed)
        parts.drawings.drawn.connect(self._on_drawings_drawn)

    @property
    def settled(self) -> bool:
        """True when no plot that can be seen waits for its analysis."""
        return self._asked is None

    def stand_back(self) -> None:
        """What is shown is no run any more but the text of a capture: nothing is asked for until the next run."""
        self._run, self._tokens, self._live = 0, None, {}
        self._results = {request: result for request, result in self._results.items() if not request.run}
        self._shown.clear()
        self.stoodBack.emit()

    # ---- what changes what is wanted ---------------------------------------------------------------------------

    @Slot(object)
    def _on_service_run_started(self, info: RunInfo) -> None:
        self._run, self._tokens, self._refusal = 0, None, ""
        self._going, self._continued = info.number, info.continued
        self._outcome, self._info, self._prompts = None, info, len(info.prompts)
        self._take_prompt()
        self._live = {}
        kept = {0, *self._pinned_runs()}
        self._results = {request: result for request, result in self._results.items() if request.run in kept}
        self._shown.clear()

    @Slot()
    def _on_service_pins_changed(self) -> None:
        self._forget_unwanted()
        self._refresh()

    @Slot(object)
    def _on_service_prompt_steps_arrived(self, of_prompts: tuple[tuple[TokenStep, ...], ...]) -> None:
        steps = of_prompts[self._selected()]
        if not steps:
            return
        for panel in self._panels():
            if self._source_of(panel) != NEWEST:
                continue
            panel.show_chosen(self._going, self._continued + len(steps) - 1, steps[-1])

    @Slot(object)
    def _on_service_live_arrived(self, live: LiveContents) -> None:
        """What was seen of the run so far by those plots that can be."""
        if live.prompt == self._selected():
            self._live = live.contents
            self._refresh()

    def show_step(self, step: int | None) -> None:
        """Show what there was at a step of the newest run; None follows the newest again."""
        if step != self._step:
            self._step = step
            self._refresh()

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        self._run, self._awake = outcome.info.number, True
        self._live = {}
        self._outcome, self._prompts = outcome, len(outcome.prompts)
        self._take_prompt()
        self._refresh()

    def _take_prompt(self) -> None:
        """Be about the selected prompt of the batch, alone and without padding."""
        if self._outcome is None:
            if self._info is not None:
                self._given = len(self._info.prompts[self._selected()]) - self._continued
            return
        one = self._outcome.of_prompt(self._selected())
        self._given = len(one.info.tokens) - one.info.continued
        self._tokens = one.info.tokens.followed_by(one.generated)
        if one.stopped == "context":
            # The last word that was chosen is one too many for the model.
            self._tokens = first_tokens(self._tokens, len(self._tokens) - 1)

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        if failure.task in RUN_KINDS:
            self._refusal = failure.message
            self._refresh()

    def _selected(self) -> int:
        return max(0, min(self._parts.store.workspace.selected_prompt, self._prompts - 1))

    def _take_other_prompt(self) -> None:
        """What is shown of a run that goes on is of another prompt now."""
        self._take_prompt()
        if self._live:
            self._live = {}
            for panel in self._panels():
                if panel.of_run() and self._source_of(panel) == NEWEST and panel.drawing is not None:
                    self._shown.pop(panel.plot_id, None)
                    panel.mark_stale(f"prompt {self._selected() + 1} is on its way")

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._run, self._tokens, self._awake, self._refusal = 0, None, False, ""
        self._outcome = self._info = None
        self._live = {}
        self._results.clear()
        self._shown.clear()
        self._refresh()

    @Slot(str)
    def _on_board_settings_changed(self, plot_id: str) -> None:
        self._shown.pop(plot_id, None)
        self._refresh()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "plots":
            self._forget_unwanted()
        if topic == "selected_prompt":
            self._take_other_prompt()
        if topic in ("plots", "hooks", "selected_prompt"):
            self._refresh()

    def measure_anew(self, panel: AnalysisPanel) -> None:
        """Compute what needs no run again; until then what the plot shows is outdated."""
        self._results = {request: kept for request, kept in self._results.items() if request.run}
        self._shown.pop(panel.plot_id, None)
        if panel.drawing is not None:
            panel.mark_stale("the heads are being mapped anew")
        self._awake = True
        self._refresh()

    # ---- asking and showing ------------------------------------------------------------------------------------

    def _panels(self) -> list[AnalysisPanel]:
        panels = [panel for panel in self._board.visible_panels() if isinstance(panel, AnalysisPanel)]
        return [panel for panel in panels if not panel.of_pins()]

    def _wishes(self, panel: AnalysisPanel) -> list[AnalysisRequest]:
        """What a plot needs: its analysis, and whatever else was clicked for in it."""
        name = self._kinds[panel.kind].analysis
        if not panel.of_run():
            return [AnalysisRequest(name, 0, None, panel.parameters())] if self._awake else []
        source = self._source_of(panel)
        kept = self._parts.service.pinned.get(source) if source != NEWEST else None
        if source != NEWEST and kept is None:
            return []
        run, tokens = self._run, self._tokens
        if kept is not None:
            run, tokens = kept.number, kept.tokens_of(self._parts.store.workspace.selected_prompt)
        if tokens is None or not len(tokens):
            return []
        if kept is None and self._step is not None and not panel.divisible():
            tokens = first_tokens(tokens, self._given + self._step)
        prompt = self._selected() if kept is None else 0
        return [AnalysisRequest(name, run, tokens, panel.parameters(), prompt)] + [
            AnalysisRequest(other, run, tokens, parameters, prompt) for other, parameters in panel.further()
        ]

    @Slot()
    def _refresh(self) -> None:
        panels = self._panels()
        following = [panel for panel in panels if panel.of_run() and self._source_of(panel) == NEWEST]
        followed = [(self._kinds[panel.kind].analysis, panel.parameters()) for panel in following]
        self._parts.service.follow(LookedAt(frozenset(followed), self._parts.store.workspace.selected_prompt))
        for panel in panels:
            live = (
                self._live.get((self._kinds[panel.kind].analysis, panel.parameters())) if panel in following else None
            )
            if live is not None:
                self._draw(panel, live, len(live.tokens), live.step)
                continue
            source = self._source_of(panel)
            if source != NEWEST and source not in self._parts.service.pinned:
                self._shown.pop(panel.plot_id, None)
                panel.show_problem(f"No run is pinned as {source}: select one in the history and press {source}.")
            if self._refusal and panel in following and panel.drawing is None:
                panel.show_problem(self._refusal)
                continue
            if panel in following and self._run and self._tokens is not None and not len(self._tokens):
                panel.show_problem(_NO_TOKENS)
                continue
            for place, wish in enumerate(self._wishes(panel)):
                result = self._results.get(wish)
                if result is None:
                    self._ask(wish)
                elif place:
                    panel.show_further(result.content, result.problem)
                else:
                    self._show(panel, wish, result)
            self._say_outdated(panel)

    def _source_of(self, panel: AnalysisPanel) -> str:
        """Which run a plot is about."""
        plots = self._parts.store.workspace.plots
        return next((plot.source for plot in plots if plot.id == panel.plot_id), NEWEST) if panel.of_run() else NEWEST

    def _pinned_runs(self) -> list[int]:
        return [kept.number for kept in self._parts.service.pinned.values()]

    def _ask(self, wish: AnalysisRequest) -> None:
        if self._asked is None and self._parts.service.ask(wish):
            self._asked, self._asked_at = wish, time.monotonic()
            self._asked_with = self._acting()

    def _acting(self) -> tuple[HookSpec, ...]:
        """The hooks that change what the model computes."""
        hooks = self._parts.store.workspace.hooks
        return tuple(hook for hook in hooks if hook.kind != CAPTURE and hook.enabled and hook.trusted)

    def _show(self, panel: AnalysisPanel, wish: AnalysisRequest, result: TaskResult) -> None:
        content = result.content
        if content is not None:
            self._draw(panel, content, *self._moment(panel, wish))
            return
        shown = ShownAnalysis(result, None, 0, 0)
        if self._shown.get(panel.plot_id) != shown:
            self._shown[panel.plot_id] = shown
            panel.show_problem(f"Stopped before its end. {panel.hint}" if result.cancelled else result.problem)

    def _moment(self, panel: AnalysisPanel, request: AnalysisRequest) -> tuple[int, int]:
        """How many tokens of a result are shown, and the step that this is."""
        tokens = len(request.tokens or ())
        kept = self._parts.service.pinned.get(self._source_of(panel))
        if kept is not None:
            typed = len(kept.info.of_prompt(self._parts.store.workspace.selected_prompt).tokens)
            return tokens, tokens - (typed - kept.info.continued)
        if not request.run:
            return tokens, 0
        end = tokens if self._step is None else min(tokens, self._given + self._step)
        return end, end - self._given

    def _draw(self, panel: AnalysisPanel, content: Analysis, end: int, step: int) -> None:
        shown = ShownAnalysis(content, panel.settings(), end, step)
        if self._shown.get(panel.plot_id) == shown:
            return
        self._shown[panel.plot_id] = shown
        prepare = self._kinds[panel.kind].prepare
        if content.run:
            prepare = Moment(prepare, end, step)
        self._parts.drawings.ask(DrawingWish(panel.plot_id, cast("Any", content), panel.settings(), prepare))

    @Slot(object)
    def _on_service_task_progressed(self, progress: TaskProgress) -> None:
        asked = self._asked
        if asked is None or progress.task != asked:
            return
        # Most are over before anybody could read it.
        if time.monotonic() - self._asked_at < _SAID_AFTER:
            return
        self._parts.window.status.set_progress(self._title(asked.name), progress.done, progress.total)

    def _title(self, analysis: str) -> str:
        return next((kind.title for kind in self._kinds.values() if kind.analysis == analysis), "List of words")

    @Slot(object)
    def _on_service_task_ended(self, result: TaskResult) -> None:
        asked = self._asked
        if asked is None or result.task != asked:
            # Something else held the model; what is wanted could not be asked for meanwhile.
            self._refresh()
            return
        self._asked = None
        if result.cancelled and self._parts.service.state == "running":
            # A run went first; what is still wanted is asked for again when it has ended.
            return
        status = self._parts.window.status
        status.clear_progress()
        if time.monotonic() - self._asked_at >= _SAID_AFTER:
            status.set_message(result.problem or f"{self._title(asked.name)} is there.")
        # A run may have begun, or another model come, between the question and the answer.
        if asked.run in (0, self._run, *self._pinned_runs()):
            self._results[asked] = result
            self._acted[asked] = self._asked_with
        self._forget_unwanted()
        self._refresh()

    def _forget_unwanted(self) -> None:
        """Keep what some plot is about, seen or not: a block's attention can be a gigabyte."""
        panels = [panel for panel in self._board.panels() if isinstance(panel, AnalysisPanel) and not panel.of_pins()]
        wanted = {wish for panel in panels for wish in self._wishes(panel)}
        self._results = {request: result for request, result in self._results.items() if request in wanted}

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: Any) -> None:
        panel, shown = self._board.panel(plot_id), self._shown.get(plot_id)
        if not isinstance(panel, AnalysisPanel) or shown is None or not isinstance(shown.content, Analysis):
            return
        # While a run goes on the next drawing is asked for before this one is there; it is shown all the same.
        current = drawing.frame.live or drawing.step == shown.step
        # Prompts of a batch are of one run; the drawing of the one before may come late.
        texts = drawing.content.tokens
        common = min(len(texts), len(shown.content.tokens)) if drawing.frame.live else len(texts)
        current = current and texts[:common] == shown.content.tokens[:common]
        if drawing.run == shown.content.run and drawing.frame.live == shown.content.live and current:
            of_batch = panel.of_run() and self._source_of(panel) == NEWEST
            panel.set_prompt(self._selected() if of_batch else 0, self._prompts if of_batch else 1)
            panel.show_drawing(drawing)
            self._say_outdated(panel)

    def _say_outdated(self, panel: AnalysisPanel) -> None:
        """What needs no run is of the controllers that there were when it was asked for."""
        shown = self._shown.get(panel.plot_id)
        if panel.of_run() or shown is None or shown.settings != panel.settings() or panel.drawing is None:
            return
        if panel.drawing.content is not shown.content:
            # What is on the screen waits for its successor, and says so already.
            return
        wish = AnalysisRequest(self._kinds[panel.kind].analysis, 0, None, panel.parameters())
        other = panel.acted_upon() and self._acted.get(wish, self._acting()) != self._acting()
        panel.mark_stale("controllers changed since: map the heads again (Model ▸ Map the heads)" if other else "")
