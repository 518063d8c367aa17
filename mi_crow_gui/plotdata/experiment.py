"""What every experiment leaves for its plot: a map of numbers, what it was asked, and which cells failed and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.plotdata.analysis import Analysis
from mi_crow_gui.plotdata.scale import PERCENTILE, Scale, colour_scale

if TYPE_CHECKING:
    from mi_crow_gui.document.experiment_settings import ExperimentSettings
    from mi_crow_gui.plotdata.pyramid import Pyramid

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Experiment(Analysis):
    """An experiment that was made; its tokens are those that were measured.

    Attributes
    ----------
    asked
        The settings, without what only changes the look.
    controllers
        At how many sites controllers of the user were on; they looked away meanwhile.
    failures
        Why a cell could not be measured, by row and column.
    """

    asked: ExperimentSettings
    controllers: int
    failures: dict[Cell, str]

    @property
    def aside(self) -> str:
        """Where the user's controllers stood, in words."""
        if not self.controllers:
            return "no controllers on"
        return f"your controllers at {plural(self.controllers, 'site')} set aside"


def signed_scale(pyramid: Pyramid, mode: str, what: str) -> Scale:
    """The range of colours of numbers that are gains or losses: centred on zero, whichever signs there are."""
    found = colour_scale(pyramid, PERCENTILE if mode == PERCENTILE else "min-max")
    reach = max(abs(found.low), abs(found.high)) or 1.0
    return Scale(-reach, reach, True, f"{what}, centred on 0")


def measured(values: np.ndarray, failures: dict[Cell, str]) -> np.ndarray:
    """The values as they are painted: NaN where a cell failed, 0 where there is nothing to measure."""
    shown: np.ndarray = np.nan_to_num(values, nan=0.0).astype(np.float32)
    for cell in failures:
        shown[cell] = np.nan
    return shown
