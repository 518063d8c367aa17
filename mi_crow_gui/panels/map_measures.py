"""What the module map can be coloured by, and how a value of each becomes a colour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.document import formatting

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class MapMeasure:
    """One measure.

    Attributes
    ----------
    words
        For the chooser and the legend, with the unit.
    explanation
        What it is, as a sentence.
    is_share
        Its values are shares: written in per cent, spread evenly from 0 on.
    missing
        What is said while modules are captured and have no value yet; ``""`` when that needs no words.
    """

    words: str
    explanation: str
    is_share: bool = False
    missing: str = ""

    def text(self, value: float) -> str:
        """A value as people read it."""
        if not math.isfinite(value):
            return "unknown"
        return f"{formatting.number(100 * value)} %" if self.is_share else formatting.number(value)

    def limits(self, values: Iterable[float]) -> tuple[float, float] | None:
        """What the colours are spread between; None without values."""
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return None
        return (0.0 if self.is_share else min(finite), max(finite))

    def share(self, value: float, limits: tuple[float, float]) -> float:
        """Where a value lies between the limits, 0 to 1; by its logarithm, as norms of one model span decades."""
        low, high = limits
        if high <= low:
            return 0.0 if self.is_share else 1.0
        if low > 0 and not self.is_share:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)


# By the name of the attribute that has it.
MEASURES = {
    "norm": MapMeasure("L2 norm", "The L2 norm of the newest token's values; colours are spread by its logarithm"),
    "zeros": MapMeasure("Zeros", "The share of the newest token's values that is exactly zero", is_share=True),
    "change": MapMeasure(
        "Relative change",
        "How far the newest token's values are from those of the step before, or of the run before, over the norm of "
        "those; colours are spread by its logarithm",
        missing="Run again to see what changes.",
    ),
}
