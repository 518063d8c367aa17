"""What a kind of plot is: the object behind every `mi_crow_gui.plots` entry point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class PlotKind:
    """A plot in two halves.

    Attributes
    ----------
    name, title
        Identifier used in sessions (`plotKind`), and the words that people read.
    prepare
        ``prepare(frame, settings) -> drawing``: pure, numpy only, runs on a worker thread. `settings` is the frozen
        object that the widget's `settings()` gave; the drawing carries `run`, `step` and `site` of its frame.
    create
        ``create(parent) -> PlotPanel``: makes the widget, in the GUI thread.
    order
        Place in menus.
    analysis
        Name of the analysis (`mi_crow_gui.engine.analyses`) whose result the plot shows in place of a frame; "" for
        frames. The panel is an `AnalysisPanel` then, and `prepare` is given the result. ``"experiment"`` for what is
        computed only when its own button is pressed: the panel is an `ExperimentPanel` then, whose settings
        `mi_crow_gui.engine.experiments` knows. One that begins with ``capture.`` is read from the open capture, and
        the model is not asked.
    overlay
        ``overlay(first, second, settings) -> drawing`` of two frames of one site over the same rows; None where only
        their difference can be shown.
    compact
        The drawing has no positions: rows of a difference that have no partner are left out rather than blank.
    """

    name: str
    title: str
    prepare: Callable[[Any, Any], Any]
    create: Callable[[Any], Any]
    order: int = 100
    analysis: str = ""
    overlay: Callable[[Any, Any, Any], Any] | None = None
    compact: bool = False
