"""Plots shown offscreen, with the drawing that a worker would have prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mi_crow_gui.panels.plots import projection, statistics
from mi_crow_gui.panels.plots.registry import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.panels.plots.base import PlotPanel
    from mi_crow_gui.plotdata.frame import Frame

# Those that show a frame; plots of analyses are given something else.
KINDS = {kind.name: kind for kind in load(include_plugins=False).kinds.values() if not kind.analysis}
KINDS |= {kind.name: kind for kind in (statistics.KIND, projection.KIND)}


def draw(panel: PlotPanel, frame: Frame) -> None:
    """What the wiring does with a frame."""
    panel.set_site(frame.site)
    panel.show_drawing(KINDS[panel.kind].prepare(frame, panel.settings()))


@pytest.fixture
def make(qtbot: QtBot) -> Callable[..., Any]:
    """Makes a plot of a kind, on the screen, 600 x 400."""

    def made(kind: str, frame: Frame | None = None) -> PlotPanel:
        panel: PlotPanel = KINDS[kind].create(None)
        qtbot.addWidget(panel)
        panel.resize(600, 400)
        panel.show()
        qtbot.waitExposed(panel)
        if frame is not None:
            draw(panel, frame)
        return panel

    return made
