"""Colours of plots, from the palette of the moment: ink, accent, colour maps, and one hue a site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from mi_crow_gui.panels.look import contrast, hue, ink_on, mix, muted

if TYPE_CHECKING:
    from PySide6.QtGui import QPalette

# Of groups of points, on light and on dark: eight that can be told apart with every kind of colour blindness, found
# by a search for the largest least distance as protanopes, deuteranopes and tritanopes see them; and a grey. The first
# ones lie furthest apart.
_GROUPS = (
    ("#000099", "#ff0044", "#dd55ff", "#008822", "#882200", "#6600ee", "#994499", "#550055", "#949494"),
    ("#11bbff", "#cc2200", "#eeff22", "#bb00ee", "#ffbb99", "#99aa00", "#88ffff", "#ff66bb", "#757575"),
)
# Ten hues that can be told apart, in degrees.
_HUES = (210, 28, 140, 280, 350, 185, 55, 320, 95, 245)
# Values take the first 255 entries of a colour table; the last one is for what is not finite.
VALUES, NOT_FINITE = 255, 255
# In no colour map used here.
_MAGENTA = QColor(255, 0, 190)


@dataclass(frozen=True, slots=True)
class PlotColours:
    """What a plot is drawn with."""

    background: QColor
    text: QColor
    quiet: QColor
    grid: QColor
    accent: QColor
    not_finite: QColor
    dark: bool

    @classmethod
    def of(cls, palette: QPalette) -> PlotColours:
        """The colours that suit a palette."""
        base, text = palette.base().color(), palette.text().color()
        dark = ink_on(base).lightness() > 128
        return cls(
            background=base,
            text=text,
            quiet=muted(palette),
            grid=mix(base, text, 0.25),
            accent=_visible(palette.highlight().color(), base),
            not_finite=_MAGENTA,
            dark=dark,
        )

    def table(self, diverging: bool, *, gaps: bool = False) -> np.ndarray:
        """256 colours as 0xAARRGGBB: a map of the values, and the colour of what is not finite.

        With `gaps` that is the background: what is not finite is not known yet.
        """
        return _table(diverging, self.dark, (self.background if gaps else self.not_finite).rgba())

    def table_with_blanks(self, diverging: bool) -> np.ndarray:
        """The same where NaN means that there is nothing to compare with: in a grey that is on no map."""
        return _table(diverging, self.dark, self.grid.rgba())

    def points_table(self) -> np.ndarray:
        """The same for points on the background: the map without the end that the background would swallow."""
        return _part(*((0.3, 1.0) if self.dark else (0.0, 0.85)), self.not_finite.rgba())


def site_colour(site: str, palette: QPalette) -> QColor:
    """The colour of a site: the same in every plot and session, readable on the palette's base."""
    return hue(_HUES[crc32(site.encode()) % len(_HUES)], palette)


def group_colours(colours: PlotColours) -> np.ndarray:
    """Nine colours as 0xAARRGGBB: eight that can be told apart, and a grey for what is in none of those groups."""
    return np.array([QColor(name).rgba() for name in _GROUPS[colours.dark]], np.uint32)


@cache
def _table(diverging: bool, dark: bool, not_finite: int) -> np.ndarray:
    # Zero is the background's neighbour in both themes: pale on light, dark on dark.
    name = ("CET-D4" if dark else "CET-D1A") if diverging else "viridis"
    return _packed(name, 0.0, 1.0, not_finite)


@cache
def _part(start: float, stop: float, not_finite: int) -> np.ndarray:
    return _packed("viridis", start, stop, not_finite)


def _packed(name: str, start: float, stop: float, not_finite: int) -> np.ndarray:
    colours = pg.colormap.get(name).getLookupTable(start, stop, VALUES).astype(np.uint32)
    packed = 0xFF000000 | colours[:, 0] << 16 | colours[:, 1] << 8 | colours[:, 2]
    table = np.append(packed, np.uint32(not_finite)).astype(np.uint32)
    table.flags.writeable = False
    return table


def _visible(colour: QColor, background: QColor) -> QColor:
    """A colour with the contrast of 3 that a graphical object needs."""
    ink = ink_on(background)
    return next(
        (moved for step in range(11) if contrast(moved := mix(colour, ink, step / 10), background) >= 3),
        ink,
    )
