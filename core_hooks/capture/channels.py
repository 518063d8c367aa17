"""One channel of a capture: where it is strongest, how its values are spread; and which channels stand out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core_hooks.capture.index import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core_hooks.capture.channel_statistics import ChannelStatistics
    from core_hooks.capture.reader import Capture, StoredSite

RANKINGS = ("kurtosis", "skewness", "sparsity", "maximum", "minimum", "mean", "variance", "nonfinite")
Ranking = Literal["kurtosis", "skewness", "sparsity", "maximum", "minimum", "mean", "variance", "nonfinite"]
QUANTILES = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One token with its neighbours and what the channel had on them.

    Attributes
    ----------
    row, text, position
        Its row in the capture, the text it is of, and its place in that.
    value
        Of the channel, in the site's units.
    tokens, values
        The neighbourhood within the text: the text of each token and float32 values.
    marked
        Place of the token in `tokens`.
    """

    row: int
    text: int
    position: int
    value: float
    tokens: tuple[str, ...]
    values: np.ndarray
    marked: int


@dataclass(frozen=True, slots=True, eq=False)
class ChannelCard:
    """What there is to know of one channel.

    Attributes
    ----------
    count, nonfinite
        Tokens looked at, and how many of them had NaN or an infinity; the numbers below are over the others.
    mean, deviation, minimum, maximum
        Of the values, NaN without any.
    counts, edges
        Histogram: int64 [bins] and float64 [bins + 1].
    top, bottom
        The strongest token of each of the texts with the largest and the smallest values.
    quantiles
        Pairs of a share and the token whose value has that share of all below it.
    """

    site: str
    channel: int
    count: int
    nonfinite: int
    mean: float
    deviation: float
    minimum: float
    maximum: float
    counts: np.ndarray
    edges: np.ndarray
    top: tuple[Example, ...]
    bottom: tuple[Example, ...]
    quantiles: tuple[tuple[float, Example], ...]


def channel_card(
    capture: Capture,
    site: StoredSite | str,
    channel: int,
    *,
    examples: int = 10,
    neighbours: int = 8,
    bins: int = 64,
    quantiles: Sequence[float] = QUANTILES,
    first_tokens: bool = True,
) -> ChannelCard:
    """Look at one channel over every token of a capture.

    Parameters
    ----------
    examples
        Texts with the largest and with the smallest values.
    neighbours
        Tokens shown before and after the marked one.
    first_tokens
        False leaves out the first token of each text, whose values are of another size in many models.

    Raises
    ------
    CaptureError
        There is no such site or channel, or a shard is missing or damaged.
    """
    found = capture.site(site) if isinstance(site, str) else site
    column = capture.column(found, channel)
    rows = np.arange(len(column))
    if not first_tokens:
        rows = rows[capture.positions(found.first_row, found.first_row + found.rows) > 0]
    values = column[rows] if len(rows) < len(column) else column
    finite = np.isfinite(values)
    if not finite.all():
        rows, values = rows[finite], values[finite]
    mean, deviation, low, high = _spread(values)
    counts, edges = histogram(values, bins)

    def example(place: int) -> Example:
        return _example(capture, found, column, int(rows[place]), neighbours)

    texts = capture.text_numbers(found.first_row, found.first_row + found.rows)[rows]
    return ChannelCard(
        site=found.site,
        channel=channel,
        count=len(values),
        nonfinite=int(len(finite) - len(values)),
        mean=mean,
        deviation=deviation,
        minimum=low,
        maximum=high,
        counts=counts,
        edges=edges,
        top=tuple(map(example, _best_of_texts(values, texts, examples))),
        bottom=tuple(map(example, _best_of_texts(-values, texts, examples))),
        quantiles=tuple((share, example(place)) for share, place in _at_quantiles(values, quantiles)),
    )


def rows_beyond(
    capture: Capture, site: StoredSite | str, channel: int, threshold: float, *, above: bool = True
) -> np.ndarray:
    """Rows whose value of a channel is larger than `threshold` (smaller if not `above`).

    Returns
    -------
    numpy.ndarray
        Numbers of rows of the capture, [matches], int64, ascending.

    Raises
    ------
    CaptureError
        When the capture has no such site or channel, or can't be read.
    """
    found = capture.site(site) if isinstance(site, str) else site
    column = capture.column(found, channel)
    return np.flatnonzero(column > threshold if above else column < threshold) + found.first_row


def examples_at(
    capture: Capture, site: StoredSite | str, channel: int, rows: Iterable[int], neighbours: int = 8
) -> list[Example]:
    """The tokens at some rows with their neighbours and what a channel had on them.

    Parameters
    ----------
    neighbours
        So many tokens are shown on each side, fewer at the ends of a text.

    Raises
    ------
    CaptureError
        When the site does not have all of the rows, or the capture can't be read.
    """
    found = capture.site(site) if isinstance(site, str) else site
    column = capture.column(found, channel)
    chosen = [int(row) - found.first_row for row in rows]
    if chosen and not 0 <= min(chosen) <= max(chosen) < len(column):
        raise CaptureError(f"'{found.site}' has rows {found.first_row} to {found.first_row + found.rows}.")
    return [_example(capture, found, column, row, neighbours) for row in chosen]


def rank_channels(statistics: ChannelStatistics, by: Ranking = "kurtosis") -> np.ndarray:
    """Channels from the one with most of a quantity to the one with least.

    Returns
    -------
    numpy.ndarray
        Numbers of all channels, [channels], int64; those without a value come last.

    Raises
    ------
    CaptureError
        When `by` is no quantity of `RANKINGS`.
    """
    if by not in RANKINGS:
        raise CaptureError(f"Channels can be sorted by {', '.join(RANKINGS)}, not by '{by}'.")
    quantity = np.asarray(getattr(statistics, by), np.float64)
    order = np.argsort(-np.where(np.isnan(quantity), -np.inf, quantity), kind="stable")
    missing = np.isnan(quantity)[order]
    return np.concatenate([order[~missing], order[missing]])


def histogram(values: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts [bins] and edges [bins + 1] over the range of finite `values`; without any, none between 0 and 1."""
    if not len(values):
        return np.zeros(bins, np.int64), np.linspace(0.0, 1.0, bins + 1)
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - max(0.5, abs(low) * 1e-3), high + max(0.5, abs(high) * 1e-3)
    counts, edges = np.histogram(values, bins, (low, high))
    return counts.astype(np.int64), edges.astype(np.float64)


def _spread(values: np.ndarray) -> tuple[float, float, float, float]:
    if not len(values):
        nothing = float("nan")
        return nothing, nothing, nothing, nothing
    mean, deviation = np.mean(values, dtype=np.float64), np.std(values, dtype=np.float64)
    return float(mean), float(deviation), float(values.min()), float(values.max())


def _best_of_texts(values: np.ndarray, texts: np.ndarray, count: int) -> list[int]:
    """Places of the largest values, at most one a text, largest first; equal values: the earlier text."""
    if not len(values) or count < 1:
        return []
    # The rows of a text are together, so its largest value is that of a stretch.
    begins = np.concatenate([[0], np.flatnonzero(np.diff(texts)) + 1])
    largest = np.maximum.reduceat(values, begins)
    chosen = np.argsort(-largest, kind="stable")[:count]
    ends = np.append(begins[1:], len(values))
    return [int(begins[text] + np.argmax(values[begins[text] : ends[text]])) for text in chosen]


def _at_quantiles(values: np.ndarray, quantiles: Sequence[float]) -> list[tuple[float, int]]:
    if not len(values) or not len(quantiles):
        return []
    wanted = [round(min(max(share, 0.0), 1.0) * (len(values) - 1)) for share in quantiles]
    order = np.argpartition(values, sorted(set(wanted)))
    return [(share, int(order[place])) for share, place in zip(quantiles, wanted, strict=True)]


def _example(capture: Capture, site: StoredSite, column: np.ndarray, place: int, neighbours: int) -> Example:
    row = place + site.first_row
    text, position = capture.row_at(row)
    start = max(row - min(neighbours, position), site.first_row)
    stop = min(row + neighbours + 1, site.first_row + site.rows)
    # The text ends where another number begins; windows of a long text go on in the next rows.
    same = capture.text_numbers(row, stop) == text
    stop = row + (int(np.argmin(same)) if not same.all() else len(same))
    return Example(
        row=row,
        text=text,
        position=position,
        value=float(column[place]),
        tokens=tuple(capture.token_texts(start, stop)),
        values=column[start - site.first_row : stop - site.first_row].copy(),
        marked=row - start,
    )
