"""Everything about experiments in one: made when the plots are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.wiring.experiment_wiring import ExperimentWiring
from mi_crow_gui.wiring.patching_wiring import PatchingWiring
from mi_crow_gui.wiring.steering_wiring import SteeringWiring
from mi_crow_gui.wiring.zero_heads_wiring import ZeroHeadsWiring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.wiring.parts import Parts


class Experiments:
    """The conversation that all experiments share, and those of some of them."""

    def __init__(self, parts: Parts, board: PlotBoard, kinds: Mapping[str, PlotKind]) -> None:
        self._shared = ExperimentWiring(parts, board, kinds)
        self._patching = PatchingWiring(parts, board, self._shared)
        self._steering = SteeringWiring(parts, self._shared)
        self._zero_heads = ZeroHeadsWiring(parts, board)

    @property
    def settled(self) -> bool:
        """True when no experiment goes on."""
        return self._shared.settled
