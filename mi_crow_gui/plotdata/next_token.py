"""What the model expects after each token: the likeliest words, and where the one that came stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_crow_gui.plotdata.analysis import Analysis
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.rows import Rows
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from core_hooks.model.tokens import Candidate


@dataclass(frozen=True, slots=True)
class Expected:
    """The prediction behind one token; `came` is the token that follows it in the run, None after the last."""

    candidates: tuple[Candidate, ...]
    entropy: float
    came: Candidate | None = None
    came_rank: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class NextTokens(Analysis):
    """One prediction a token."""

    expected: tuple[Expected, ...]

    def _cut(self, end: int) -> dict[str, Any]:
        return {"expected": self.expected[:end]}


@dataclass(frozen=True, slots=True)
class NextTokenSettings:
    """`count` is the number of words shown."""

    count: int = 10


@dataclass(frozen=True, slots=True, eq=False)
class NextTokenDrawing(Drawing):
    """The predictions, ready to be shown."""

    content: NextTokens

    def table(self) -> Table:
        """For each token the probabilities of the likeliest words, the likeliest first."""
        words = [tuple(c.text for c in here.candidates) for here in self.content.expected]
        first = self.rows
        header = ("position", "token", "candidates", *(f"probability {i}" for i in range(first.columns)))
        return Table(first.values, header, lambda row: (row, first.label(row), "|".join(map(repr, words[row]))))


def prepare_next_token(content: NextTokens, settings: NextTokenSettings) -> NextTokenDrawing:
    """Lay the probabilities out as rows."""
    width = max((len(here.candidates) for here in content.expected), default=0)
    values = np.zeros((len(content.expected), width), np.float64)
    for row, here in zip(values, content.expected, strict=True):
        row[: len(here.candidates)] = [candidate.probability for candidate in here.candidates]
    rows = Rows(values, 0, "token", "candidate", content.tokens, 0, 1)
    return NextTokenDrawing(content.frame(values), settings, rows, content)
