"""What every analysis of a run's tokens leaves for the plots: numbers that were computed on the model thread."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mi_crow_gui.plotdata.frame import Frame
from mi_crow_gui.plotdata.rows import Rows
from mi_crow_gui.plotdata.scale import Scale, colour_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.plotdata.pyramid import Pyramid

# A range of colours beside those of `mi_crow_gui.plotdata.scale`: from 0 to 1.
WHOLE = "0 to 1"


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What was analysed.

    Attributes
    ----------
    run
        Number of the run whose tokens these are; 0 when they are no run's.
    tokens
        Their texts.
    step
        How many of the tokens were generated: the step of the run that this is of.
    live
        True while the run goes on; what it has not come to yet may be missing.
    """

    run: int
    tokens: tuple[str, ...]
    step: int = field(default=0, kw_only=True)
    live: bool = field(default=False, kw_only=True)

    @property
    def site(self) -> str:
        """Dotted name of the module that it is about; "" when it is about the whole model."""
        return ""

    def until(self, end: int, step: int) -> Self:
        """The same as it was at `step`, when there were `end` tokens: a causal model never changes earlier ones."""
        if end >= len(self.tokens):
            return self if step == self.step else replace(self, step=step)
        return replace(self, tokens=self.tokens[:end], step=step, **self._cut(end))

    def _cut(self, end: int) -> dict[str, Any]:
        """The fields that hold something of every token, of the first `end` tokens alone."""
        return {}

    def frame(self, values: np.ndarray) -> Frame:
        """The numbers as a plot's panel knows them."""
        return Frame(
            run=self.run,
            step=self.step,
            site=self.site,
            hook_id="",
            stage="after",
            values=values,
            shape=tuple(values.shape),
            dtype=str(values.dtype),
            tokens=self.tokens,
            live=self.live,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A matrix whose rows and columns have names.

    Attributes
    ----------
    values
        ``[rows, columns]``.
    row, column
        What a row and a column are called.
    row_labels, column_labels
        Name of each; ``""`` or missing where there is only its number.
    first_row, first_column
        Number of the first: its position in the sequence where it is a token.
    """

    values: np.ndarray
    row: str
    column: str
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    first_row: int = 0
    first_column: int = 0

    def rows(self) -> Rows:
        """The same as the base of all plots knows it."""
        return Rows(self.values, self.first_row, self.row, self.column, self.row_labels, 0, 1)


def share_scale(pyramid: Pyramid, mode: str, what: str) -> Scale:
    """The range of colours of probabilities and other shares: all that there can be, or what there is."""
    if mode == WHOLE:
        return Scale(0.0, 1.0, False, f"{what}, 0 to 1")
    return colour_scale(pyramid, mode)


def block_names(count: int) -> tuple[str, ...]:
    """Names of the places where a residual stream of `count` rows is read: before the first block, after each."""
    return ("embedding", *(f"block {index}" for index in range(count - 1)))


def frozen(values: Sequence[object] | np.ndarray, dtype: type | None = None) -> np.ndarray:
    """An array that nobody writes to."""
    array = np.asarray(values, dtype)
    array.flags.writeable = False
    return array
