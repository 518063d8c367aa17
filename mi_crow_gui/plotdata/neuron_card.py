"""The neuron card: where one channel of a captured site is strongest, and how its values are spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.channels import channel_card, examples_at, rows_beyond
from mi_crow_gui.document.formatting import count, number, percent, plural
from mi_crow_gui.plotdata.analysis import Analysis, Grid
from mi_crow_gui.plotdata.drawing import Drawing
from mi_crow_gui.plotdata.examples import ExampleRow, example_row
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.capture.channels import ChannelCard, Example
    from core_hooks.capture.reader import Capture

ALL, ABOVE, BELOW = "all", "above", "below"
_SHOWN = 60  # of the tokens that pass the threshold


@dataclass(frozen=True, slots=True)
class NeuronCardSettings:
    """Which `channel`; which tokens pass: all, or those whose value is ABOVE or BELOW the `threshold`."""

    channel: int = 0
    passing: str = ALL
    threshold: float = 0.0
    first_tokens: bool = True
    bins: int = 64


@dataclass(frozen=True, slots=True, eq=False)
class NeuronCard(Analysis):
    """What was read of a capture.

    Attributes
    ----------
    passing
        How many tokens pass the threshold.
    chosen
        Some of those, evenly over their values, the strongest first.
    """

    site_name: str
    channels: int
    card: ChannelCard
    passing: int
    chosen: tuple[Example, ...]

    @property
    def site(self) -> str:
        """The site that the channel is of."""
        return self.site_name


@dataclass(frozen=True, slots=True, eq=False)
class NeuronCardDrawing(Drawing):
    """A card, ready to be shown; colours go from `low` to `high`."""

    content: NeuronCard
    examples: tuple[ExampleRow, ...]
    low: float
    high: float

    def table(self) -> Table:
        """The bins of the histogram."""
        return Table.of_bins(self.content.card.edges, self.content.card.counts)


def read_neuron_card(capture: Capture, site: str, settings: NeuronCardSettings) -> NeuronCard:
    """Look at a channel over every token of a capture; CaptureError if it has no such channel."""
    found = capture.site(site)
    channel = min(settings.channel, found.channels - 1)
    card = channel_card(capture, found, channel, bins=settings.bins, first_tokens=settings.first_tokens)
    passing = 0
    chosen: tuple[Example, ...] = ()
    if settings.passing != ALL:
        rows = rows_beyond(capture, found, channel, settings.threshold, above=settings.passing == ABOVE)
        if not settings.first_tokens and len(rows):
            rows = rows[capture.positions(found.first_row, found.first_row + found.rows)[rows - found.first_row] > 0]
        values = capture.column(found, channel)[rows - found.first_row]
        order = np.argsort(-values if settings.passing == ABOVE else values, kind="stable")
        places = np.unique(np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int))
        passing, chosen = len(rows), tuple(examples_at(capture, found, channel, rows[order[places]]))
    return NeuronCard(0, (), site, found.channels, card, passing, chosen)


def prepare_neuron_card(content: NeuronCard, settings: NeuronCardSettings) -> NeuronCardDrawing:
    """Lay the examples out under headings."""
    card = content.card
    grid = Grid(card.counts[None, :].astype(np.float64), "channel", "bin")
    frame = replace(content.frame(grid.values), origin=f"channel {card.channel} of {count(content.channels)}")
    rows: list[ExampleRow] = []
    if settings.passing != ALL:
        share = percent(content.passing / card.count) if card.count else "0 %"
        sign = ">" if settings.passing == ABOVE else "<"
        words = f"{plural(content.passing, 'token')} {sign} {number(settings.threshold)}, {share}"
        if content.passing > len(content.chosen):
            words += f"; {len(content.chosen)} of them, evenly over their values"
        rows += _section(words, content.chosen)
    else:
        rows += _section("Largest, one of each text", card.top)
        quantiles = [(f"{percent(share)}", example) for share, example in reversed(card.quantiles)]
        rows.append(ExampleRow("By quantile"))
        rows += [example_row(example, f"{words}") for words, example in quantiles]
        rows += _section("Smallest, one of each text", card.bottom)
    low, high = (card.minimum, card.maximum) if card.count else (0.0, 0.0)
    return NeuronCardDrawing(frame, settings, grid.rows(), content, tuple(rows), low, high)


def _section(heading: str, examples: Sequence[Example]) -> list[ExampleRow]:
    return [ExampleRow(heading), *map(example_row, examples)]
