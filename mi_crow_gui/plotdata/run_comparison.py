"""Two runs beside each other: their tokens aligned, and how far their predictions and residual streams lie apart."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.analysis.alignment import align_runs
from mi_crow_gui.document.readable import readable_token
from mi_crow_gui.plotdata.analysis import Grid, block_names
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.frame import Frame
from mi_crow_gui.plotdata.pyramid import Pyramid, build
from mi_crow_gui.plotdata.rows import Rows
from mi_crow_gui.plotdata.scale import PERCENTILE, Scale, colour_scale
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from core_hooks.analysis.alignment import Alignment

DIVERGENCE, CHANGE = "divergence", "change"
_LONGEST = 24  # characters of a token in the two lines of text
NOBODY = -1  # the position of a token that is not there
_MEASURES = ("KL(A‖B) nats", "probability A", "probability B", "probability B - A", "likeliest A", "likeliest B")


@dataclass(frozen=True, slots=True)
class RunTokens:
    """The tokens of one run, the generated ones from `prompt` on; `prompt` is the number of those that were typed."""

    run: int
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    prompt: int


@dataclass(frozen=True, slots=True, eq=False)
class RunNumbers:
    """What was computed of two runs, one value a column of their alignment; NaN where there is nothing to compare.

    Attributes
    ----------
    divergence
        Kullback-Leibler divergence of B's prediction after the token from A's, float32, in nats.
    probability_a, probability_b, change
        Of the token itself, and B's less A's, float32; the change is NaN where the tokens differ.
    top_a, top_b
        Text of the likeliest next word after it; "" where there is none.
    top_probability_a, top_probability_b
        Their probabilities, float32.
    norms
        float32 ``[blocks + 1, columns]``: Euclidean norm of B's residual stream less A's; None with a `problem`.
    notes
        Sentences about how this was computed.
    """

    divergence: np.ndarray
    probability_a: np.ndarray
    probability_b: np.ndarray
    change: np.ndarray
    top_a: tuple[str, ...]
    top_b: tuple[str, ...]
    top_probability_a: np.ndarray
    top_probability_b: np.ndarray
    norms: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def top_changed(self) -> np.ndarray:
        """bool, one a column: another word is the likeliest after it."""
        pairs = zip(self.top_a, self.top_b, strict=True)
        return np.array([bool(a) and bool(b) and a != b for a, b in pairs], bool)


@dataclass(frozen=True, slots=True, eq=False)
class RunPair:
    """Two runs that are to be compared, and what is known of them so far: at first, nothing but their tokens."""

    a: RunTokens
    b: RunTokens
    numbers: RunNumbers | None = None

    def alignment(self) -> Alignment:
        """Which token of A answers to which of B: prompt with prompt, what was generated with what was generated."""
        return align_runs(self.a.ids, self.b.ids, (self.a.prompt, self.b.prompt))

    @property
    def run(self) -> int:
        """Number of run B, which positions are those of."""
        return self.b.run

    @property
    def site(self) -> str:
        """It is about the whole model."""
        return ""

    @property
    def tokens(self) -> tuple[str, ...]:
        """Texts of B."""
        return self.b.texts


@dataclass(frozen=True, slots=True)
class RunComparisonSettings:
    """What tokens are coloured by, and whether the table leaves out tokens after which the likeliest word stays."""

    colour: str = DIVERGENCE
    only_changed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RunComparisonDrawing(Drawing):
    """A comparison, ready to be shown.

    Attributes
    ----------
    columns
        int64 ``[columns, 2]``: position in A and in B, `NOBODY` where a token has no partner.
    same
        bool, one a column: both are the same token.
    names
        What each column is called: its positions and its readable tokens.
    labels
        The readable tokens of A and of B alone, shortened, one pair a column; "" where there is none.
    cells
        How many cells of a fixed-width font the longer of the two takes.
    where
        Where the runs don't align, in words; "" where every token has its partner.
    paired
        Columns in which both have a token.
    grid, pyramid, scale
        The norms as a picture, of the paired columns alone; None before they are computed, or where there are none.
    colours
        The scale of what tokens are coloured by; None before it is computed.
    """

    content: RunPair
    columns: np.ndarray
    same: np.ndarray
    names: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    cells: tuple[int, ...]
    where: str
    paired: np.ndarray
    grid: Grid | None = None
    pyramid: Pyramid | None = None
    scale: Scale | None = None
    measure: np.ndarray | None = None
    colours: Scale | None = None

    def texts(self, column: int) -> tuple[str, str]:
        """The tokens of A and B at a column, "" where there is none."""
        at_a, at_b = (int(place) for place in self.columns[column])
        return (
            self.content.a.texts[at_a] if at_a != NOBODY else "",
            self.content.b.texts[at_b] if at_b != NOBODY else "",
        )

    def column_of(self, position: int | None) -> int | None:
        """The column of a position in B; None where there is none."""
        if position is None or position < 0:
            return None
        found = np.flatnonzero(self.columns[:, 1] == position)
        return int(found[0]) if len(found) else None

    def table(self) -> Table:
        """One row a column of the alignment: the tokens, what was predicted, and the norms by block."""
        numbers = self.content.numbers
        values = self.rows.values
        header = ["position A", "token A", "position B", "token B", "likeliest A", "likeliest B", *_MEASURES]
        if numbers is not None and numbers.norms is not None:
            header += [f"norm of B - A, {name}" for name in block_names(len(numbers.norms))]

        def lead(row: int) -> tuple[object, ...]:
            at_a, at_b = (int(place) for place in self.columns[row])
            words = (numbers.top_a[row], numbers.top_b[row]) if numbers is not None else ("", "")
            text_a, text_b = self.texts(row)
            return (at_a if at_a != NOBODY else "", text_a, at_b if at_b != NOBODY else "", text_b, *words)

        return Table(values, tuple(header), lead)


def columns_of(alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Every token of both sequences in one order, beside its partner or alone; and which columns hold the same token.

    Where neither has a partner those of A stand first.
    """
    parts = [(int(i), int(j), bool(same)) for (i, j), same in zip(alignment.pairs, alignment.same, strict=True)]
    for gap in alignment.gaps:
        # Sorted by the place in A, then in B: a token without a partner stands where its neighbours are.
        parts += [(i, NOBODY, False) for i in range(*gap.first)]
    rows = sorted(parts, key=lambda part: part[0])
    for gap in alignment.gaps:
        at = next((place for place, row in enumerate(rows) if row[0] >= gap.first[1]), len(rows))
        rows[at:at] = [(NOBODY, j, False) for j in range(*gap.second)]
    columns = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
    return columns, np.array([row[2] for row in rows], bool)


def where_parted(alignment: Alignment) -> str:
    """Where two runs don't align, in words; "" where every token has its partner."""
    words = []
    for gap in alignment.gaps[:3]:
        sides = [f"{name} {_span(span)}" for name, span in (("A", gap.first), ("B", gap.second)) if span[0] < span[1]]
        words.append(" against ".join(sides))
    more = len(alignment.gaps) - 3
    words += [f"{more} more"] if more > 0 else []
    return f"no partner: {'; '.join(words)}" if words else ""


def prepare_run_comparison(pair: RunPair, settings: RunComparisonSettings) -> RunComparisonDrawing:
    """Align two runs and lay out what is known of them."""
    alignment = pair.alignment()
    columns, same = columns_of(alignment)
    paired = np.flatnonzero((columns != NOBODY).all(axis=1))
    numbers = pair.numbers
    labels = tuple(pair.b.texts[j] if j != NOBODY else f"{pair.a.texts[i]} (A)" for i, j in columns.tolist())
    values = np.full((len(columns), len(_MEASURES)), np.nan, np.float64)
    grid = pyramid = scale = measure = colours = None
    if numbers is not None:
        measured = (
            numbers.divergence,
            numbers.probability_a,
            numbers.probability_b,
            numbers.change,
            numbers.top_probability_a,
            numbers.top_probability_b,
        )
        values = np.stack([np.asarray(part, np.float64) for part in measured], axis=1)
        if numbers.norms is not None:
            values = np.concatenate([values, numbers.norms.T.astype(np.float64)], axis=1)
            norms = np.ascontiguousarray(numbers.norms[:, paired])
            names = tuple(labels[place] for place in paired.tolist())
            grid = Grid(norms, "place", "token", block_names(len(norms)), names)
            pyramid = build(norms)
            scale = colour_scale(pyramid, PERCENTILE)
        measure = numbers.change if settings.colour == CHANGE else numbers.divergence
        colours = _colours(measure, settings.colour)
    rows = Rows(values, 0, "token", "measure", labels, 0, 1)
    frame = Frame(pair.run, 0, "", "", "", values, tuple(values.shape), "float64", tokens=labels)
    where = where_parted(alignment)
    words = tuple(_readable(pair, int(i), int(j)) for i, j in columns)
    titles = tuple(
        _title(int(i), int(j), a, b, bool(alike)) for (i, j), (a, b), alike in zip(columns, words, same, strict=True)
    )
    shown = tuple((_short(a), _short(b)) for a, b in words)
    return RunComparisonDrawing(
        frame,
        settings,
        rows,
        pair,
        columns,
        same,
        names=titles,
        labels=shown,
        cells=tuple(max(map(_cells, labelled)) for labelled in shown),
        where=where,
        paired=paired,
        grid=grid,
        pyramid=pyramid,
        scale=scale,
        measure=measure,
        colours=colours,
    )


def _colours(measure: np.ndarray, colour: str) -> Scale:
    known = measure[np.isfinite(measure)]
    top = float(np.abs(known).max()) if known.size else 0.0
    if colour == CHANGE:
        reach = top or 1.0
        return Scale(-reach, reach, True, "change of probability, centred on 0")
    return Scale(0.0, top or 1.0, False, "KL divergence, nats")


def _readable(pair: RunPair, at_a: int, at_b: int) -> tuple[str, str]:
    return (
        readable_token(pair.a.texts[at_a]) if at_a != NOBODY else "",
        readable_token(pair.b.texts[at_b]) if at_b != NOBODY else "",
    )


def _title(at_a: int, at_b: int, a: str, b: str, same: bool) -> str:
    if at_b == NOBODY:
        return f"A {at_a} {a}"
    if at_a == NOBODY:
        return f"B {at_b} {b}"
    place = f"{at_b}" if at_a == at_b else f"{at_a}→{at_b}"
    return f"{place} {b}" if same else f"{place} {a}→{b}"


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _cells(label: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in label)


def _span(span: tuple[int, int]) -> str:
    start, end = span
    return f"token {start}" if end - start == 1 else f"tokens {start} to {end - 1}"
