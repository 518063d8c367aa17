"""The token that all plots and the strip point at: each marks the one that answers to it in the run it shows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.document.plot_source import NEWEST, RUN_A, SIDES
from mi_crow_gui.panels.plots.analysis_panel import AnalysisPanel

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.plots.base import PlotPanel
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.run_comparison import RunTokens
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_NEWEST = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A position in a run; in the newest one, whichever that is, for run 0."""

    run: int
    position: int


class SharedToken(QObject):
    """Tells plots and strip of the selected token and of the one under the mouse.

    `pointed` carries the place of the latter in the newest run, -1 for none. In another run that is the token which
    `core_hooks.analysis.alignment` pairs with it, none where it has no partner.
    """

    pointed = Signal(int)

    def __init__(self, parts: Parts, board: PlotBoard) -> None:
        super().__init__(parts.window)
        self._parts, self._board = parts, board
        self._inspected: list[PlotPanel] = []
        self._selected: _Place | None = None
        self._pointed: _Place | None = None
        # By the two runs, the smaller number first, and the prompt of a batch; None while it is worked out.
        self._partners: dict[tuple[int, int, int], tuple[dict[int, int], dict[int, int]] | None] = {}
        board.plotTokenSelected.connect(self._on_board_plot_token_selected)
        board.plotTokenPointed.connect(self._on_board_plot_token_pointed)
        parts.window.prompt.tokenSelected.connect(self.select)
        parts.window.prompt.tokenHovered.connect(self.point_at)
        parts.store.changed.connect(self._on_store_changed)
        parts.service.pinsChanged.connect(self._on_service_pins_changed)
        parts.service.runStarted.connect(self._on_service_run_changed)
        parts.service.runFinished.connect(self._on_service_run_changed)

    def add(self, panel: PlotPanel) -> None:
        """A plot outside the board."""
        self._inspected.append(panel)
        panel.tokenSelected.connect(self.select)
        panel.tokenHovered.connect(self.point_at)

    @Slot(int)
    def select(self, position: int) -> None:
        """Select a token of the newest run, -1 for none."""
        self._select(_place(_NEWEST, position))

    @Slot(int)
    def point_at(self, position: int) -> None:
        """The mouse is over a token of the newest run, -1 for none."""
        self._point_at(_place(_NEWEST, position))

    @Slot(str, int)
    def _on_board_plot_token_selected(self, plot_id: str, position: int) -> None:
        self._select(_place(self._run_of(self._board.panel(plot_id)), position))

    @Slot(str, int)
    def _on_board_plot_token_pointed(self, plot_id: str, position: int) -> None:
        self._point_at(_place(self._run_of(self._board.panel(plot_id)), position))

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic in ("plots", "selected_prompt"):
            self._mark()

    @Slot()
    def _on_service_pins_changed(self) -> None:
        self._mark()

    @Slot(object)
    def _on_service_run_changed(self, run: object) -> None:
        self._mark()

    # ---- marking ---------------------------------------------------------------------------------------------------

    def _select(self, place: _Place | None) -> None:
        self._selected = place
        self._parts.window.prompt.select_token(self._in_strip(place))
        for panel in self._panels():
            panel.set_token(self._at(place, self._run_of(panel)))

    def _point_at(self, place: _Place | None) -> None:
        # The mouse moves much oftener than from one token to the next.
        if place == self._pointed:
            return
        self._pointed = place
        in_strip = self._in_strip(place)
        self._parts.window.prompt.point_at(in_strip)
        self.pointed.emit(in_strip)
        for panel in self._panels():
            panel.set_pointed(self._at(place, self._run_of(panel)))

    def _mark(self) -> None:
        """Other runs are shown than before: the same tokens may be elsewhere in them."""
        for panel in self._panels():
            run = self._run_of(panel)
            panel.set_token(self._at(self._selected, run))
            panel.set_pointed(self._at(self._pointed, run))

    def _panels(self) -> list[PlotPanel]:
        return [*self._board.panels(), *self._inspected]

    def _in_strip(self, place: _Place | None) -> int:
        at = self._at(place, _NEWEST)
        return -1 if at is None else at

    def _run_of(self, panel: PlotPanel | None) -> int:
        """Number of the run whose positions a plot shows, 0 for the newest one."""
        pins = isinstance(panel, AnalysisPanel) and panel.of_pins()
        source = panel.source if panel is not None else NEWEST
        if source in (NEWEST, SIDES) and not pins:
            return _NEWEST
        kept = self._parts.service.pinned.get("A" if source == RUN_A and not pins else "B")
        return kept.number if kept is not None and kept.number != self._parts.service.run_number else _NEWEST

    # ---- aligned runs ----------------------------------------------------------------------------------------------

    def _at(self, place: _Place | None, run: int) -> int | None:
        """Where a token is in a run; the same position where the tokens of one of the runs are not known."""
        if place is None or place.run == run:
            return place.position if place is not None else None
        newest = self._parts.service.run_number
        start, end = place.run or newest, run or newest
        if start == end:
            return place.position
        first, second, prompt = min(start, end), max(start, end), self._parts.store.workspace.selected_prompt
        key = (first, second, prompt)
        if key not in self._partners:
            tokens = self._tokens(first, prompt), self._tokens(second, prompt)
            if tokens[0] is None or tokens[1] is None:
                return place.position
            self._partners[key] = None
            align = partial(_partners, key, tokens[0], tokens[1])
            self._parts.jobs.run("align", align, self._on_aligned, self._on_align_failed)
        partners = self._partners[key]
        return None if partners is None else partners[start > end].get(place.position)

    def _tokens(self, run: int, prompt: int) -> RunTokens | None:
        kept = self._parts.service.kept(run)
        if kept is None or not len(kept.tokens):
            return None
        # numpy is imported with it, which the first paint does not wait for.
        from mi_crow_gui.engine.run_comparison import run_tokens

        return run_tokens(kept, prompt)

    def _on_aligned(self, found: tuple[tuple[int, int, int], dict[int, int], dict[int, int]]) -> None:
        key, forward, backward = found
        # Those of runs that are gone are never asked for again.
        known = self._parts.service.kept_numbers()
        self._partners = {old: pairs for old, pairs in self._partners.items() if {*old[:2]} <= {*known}}
        self._partners[key] = (forward, backward)
        self._mark()
        if self._selected is not None and self._selected.run:
            self._parts.window.prompt.select_token(self._in_strip(self._selected))

    def _on_align_failed(self, failure: Failure) -> None:
        log.warning("%s", failure.message, extra={"details": failure.details})


def _place(run: int, position: int) -> _Place | None:
    return _Place(run, position) if position >= 0 else None


def _partners(
    key: tuple[int, int, int], first: RunTokens, second: RunTokens
) -> tuple[tuple[int, int, int], dict[int, int], dict[int, int]]:
    """The partner of every token that has one, both ways; on the pool, for long texts take a while."""
    from core_hooks.analysis.alignment import align_runs

    pairs = align_runs(first.ids, second.ids, (first.prompt, second.prompt)).pairs.tolist()
    return key, dict(pairs), {b: a for a, b in pairs}
