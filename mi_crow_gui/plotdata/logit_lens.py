"""The logit lens: block by token, the likeliest word in each cell, coloured by how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mi_crow_gui.plotdata.analysis import WHOLE, Analysis, Grid, block_names, share_scale
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.scale import MIN_MAX, Scale, colour_scale
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from core_hooks.model.tokens import Candidate

PROBABILITY, ENTROPY, RANK, WORD = "probability", "entropy", "rank", "word"


@dataclass(frozen=True, slots=True, eq=False)
class Lens(Analysis):
    """Predictions read from the residual stream; every array is ``[blocks + 1, tokens]``.

    Row 0 is read before the first block, the last row is the model's own output.

    Attributes
    ----------
    words
        Text of the likeliest next token in each cell, by row. While a run goes on, "" (and NaN) for tokens that
        were not read yet.
    probability, entropy
        Its probability (0 to 1), and the entropy of the whole prediction in nats.
    word
        Text of the chosen word, ``""`` for none; without one the next two are None.
    rank, word_probability
        Its place among all words (0 for the likeliest) and its probability.
    """

    words: tuple[tuple[str, ...], ...]
    probability: np.ndarray
    entropy: np.ndarray
    word: str = ""
    rank: np.ndarray | None = None
    word_probability: np.ndarray | None = None

    def _cut(self, end: int) -> dict[str, Any]:
        arrays = {name: getattr(self, name) for name in ("probability", "entropy", "rank", "word_probability")}
        cut = {name: None if array is None else array[:, :end] for name, array in arrays.items()}
        return {**cut, "words": tuple(row[:end] for row in self.words)}

    @property
    def unread(self) -> int:
        """Tokens of a run that goes on for which there was no time yet."""
        return int(np.isnan(self.probability[-1]).sum()) if self.live else 0


@dataclass(frozen=True, slots=True, eq=False)
class LensCell(Analysis):
    """The likeliest words at one place of the residual stream."""

    row: int
    token: int
    candidates: tuple[Candidate, ...]
    entropy: float


@dataclass(frozen=True, slots=True)
class LensSettings:
    """`colour` is one of the measures above; `word` is the text of the word whose rank is asked for.

    `scale` is the range of the colours of probabilities; `hide_first` leaves the first token out.
    """

    colour: str = PROBABILITY
    word: str = ""
    scale: str = WHOLE
    hide_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LensDrawing(Drawing):
    """The lens, ready to be shown."""

    content: Lens
    grid: Grid
    pyramid: Pyramid
    scale: Scale

    def table(self) -> Table:
        """One row a cell: its place and token, the likeliest word there, then what was measured of it.

        A program gets the matrix that is coloured, one row a place.
        """
        content, first = self.content, self.grid.first_column
        columns = self.grid.values.shape[1]
        measures = [("probability", content.probability), ("entropy", content.entropy)]
        if content.rank is not None and content.word_probability is not None:
            measures += [("rank", content.rank), ("word probability", content.word_probability)]
        values = np.stack([array[:, first:].reshape(-1) for _, array in measures], axis=1)

        def lead(index: int) -> tuple[object, ...]:
            row, token = index // columns, index % columns + first
            return (self.grid.row_labels[row], token, content.tokens[token], content.words[row][token])

        names = [f"{name} of {content.word}" if place > 1 else name for place, (name, _) in enumerate(measures)]
        return Table(values, ("place", "position", "token", "likeliest word", *names), lead, self.grid.values)


def prepare_lens(content: Lens, settings: LensSettings) -> LensDrawing:
    """Choose what is coloured, and the range of its colours."""
    values, known = content.probability, True
    if settings.colour == ENTROPY:
        values = content.entropy
    elif settings.colour == RANK and content.rank is not None:
        values = content.rank
    elif settings.colour == WORD and content.word_probability is not None:
        values = content.word_probability
    else:
        known = settings.colour == PROBABILITY
    first = int(settings.hide_first and values.shape[1] > 1)
    values = values[:, first:]
    pyramid = build(values)
    scale = share_scale(pyramid, settings.scale, "probability")
    if settings.colour == ENTROPY:
        scale = colour_scale(pyramid, MIN_MAX)
    elif settings.colour == RANK and known:
        # The few first places are what matters: below the hundredth all look alike.
        scale = Scale(0.0, max(1.0, min(100.0, pyramid.extent.high)), False, "rank, 0 is the likeliest")
    grid = Grid(values, "place", "token", block_names(len(values)), content.tokens[first:], 0, first)
    return LensDrawing(content.frame(values), settings, grid.rows(), content, grid, pyramid, scale)
