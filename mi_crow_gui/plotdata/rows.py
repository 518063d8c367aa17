"""The rows and columns that a plot shows of a frame: tokens by channels, whatever the shape of the tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from mi_crow_gui.plotdata.frame import Frame


class NotDrawable(ValueError):
    """The tensor holds something that no plot can show."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A two-dimensional view of a frame's values; nothing is copied where numpy can avoid it.

    Attributes
    ----------
    values
        ``[rows, columns]``, in the dtype that was captured.
    first
        Number of the first row: its position in the sequence where rows are tokens.
    row, column
        What a row and a column are called: ``"token"`` and ``"channel"`` for ``[batch, tokens, channels]``.
    labels
        Text of each row where known, else shorter or empty.
    sample, samples
        Which prompt of the batch this is, and how many there are.
    """

    values: np.ndarray
    first: int
    row: str
    column: str
    labels: tuple[str, ...]
    sample: int
    samples: int

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def label(self, position: int) -> str:
        """Text of the row at an absolute position, "" where it is not known."""
        index = position - self.first
        return self.labels[index] if 0 <= index < len(self.labels) else ""


def rows_of(frame: Frame, *, hide_first: bool = False) -> Rows:
    """Lay a frame out as rows and columns; of a batch, its first prompt (see `prompt_frame`).

    `hide_first` leaves out the token at position 0, whose norm is often a hundred times that of all others, as long as
    another is left.
    """
    values = frame.values
    if values.dtype.kind == "b":
        values = values.view("u1")
    if values.dtype.kind not in "iuf":
        raise NotDrawable(f"its values are {values.dtype}, and only real numbers can be drawn")
    tokens = values.ndim == 3
    samples = values.shape[0] if values.ndim >= 3 else 1
    if values.ndim >= 3:
        values = values[0] if samples else values.reshape(0, values.shape[-1])
    columns = values.shape[-1] if values.ndim else 1
    if values.ndim != 2:
        values = values.reshape(-1, columns) if columns else values.reshape(0, 0)
    first = frame.first_token if tokens else 0
    labels = frame.tokens[first:] if tokens else ()
    if hide_first and tokens and first == 0 and values.shape[0] > 1:
        values, first, labels = values[1:], 1, labels[1:]
    row, column = ("token", "channel") if tokens else ("row", "column")
    return Rows(values, first, row, column, labels, frame.prompt, frame.prompts)
