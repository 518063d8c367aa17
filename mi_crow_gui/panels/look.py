"""The grid, the fixed-width font, and colours that are derived from the palette and stay readable on it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QFont, QFontDatabase
from PySide6.QtWidgets import QApplication

if TYPE_CHECKING:
    from PySide6.QtGui import QPalette

GRID = 8
READABLE = 4.5  # contrast of text to its background, WCAG 2 AA


def fixed_font() -> QFont:
    """The monospace font for numbers, sites and code, in the size of the other text."""
    return QFont(_fixed_font(QApplication.font().pointSizeF()))


def bold(font: QFont) -> QFont:
    """The same font in bold."""
    heavier = QFont(font)
    heavier.setBold(True)
    return heavier


def contrast(one: QColor, other: QColor) -> float:
    """Contrast ratio of two opaque colours, 1 to 21, as WCAG 2 defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: QColor, other: QColor, share: float) -> QColor:
    """`one` with a `share` (0 to 1) of `other` in it."""
    return QColor.fromRgbF(
        one.redF() + (other.redF() - one.redF()) * share,
        one.greenF() + (other.greenF() - one.greenF()) * share,
        one.blueF() + (other.blueF() - one.blueF()) * share,
    )


def ink_on(background: QColor) -> QColor:
    """Black or white, whichever is easier to read on `background`: always at least 4.5."""
    black, white = QColor(0, 0, 0), QColor(255, 255, 255)
    return black if contrast(black, background) >= contrast(white, background) else white


def readable(colour: QColor, background: QColor) -> QColor:
    """`colour`, moved toward black or white no further than reading it on `background` needs."""
    return QColor(_readable(colour.rgb(), background.rgb()))


def muted(palette: QPalette) -> QColor:
    """The palette's colour for text that stands back, opaque, and made readable on the base colour."""
    return QColor(_muted(palette.placeholderText().color().rgba(), palette.base().color().rgb()))


def hue(degrees: int, palette: QPalette) -> QColor:
    """A colour of the given hue that can be read on the base colour of this palette."""
    return readable(QColor.fromHslF(degrees / 360, 0.65, 0.5), palette.base().color())


# Asked for with every cell that is painted, and always the same few.
@lru_cache(maxsize=8)
def _fixed_font(size: float) -> QFont:
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    if size > 0:
        font.setPointSizeF(size)
    return font


@lru_cache(maxsize=64)
def _muted(text: int, base: int) -> int:
    asked, ground = QColor.fromRgba(text), QColor(base)
    return readable(mix(ground, QColor(asked.rgb()), asked.alphaF()), ground).rgb()


@lru_cache(maxsize=256)
def _readable(colour: int, background: int) -> int:
    asked, ground = QColor(colour), QColor(background)
    ink = ink_on(ground)
    for step in range(21):
        moved = mix(asked, ink, step / 20)
        if contrast(moved, ground) >= READABLE:
            return moved.rgb()
    return ink.rgb()


def _luminance(colour: QColor) -> float:
    parts = (colour.redF(), colour.greenF(), colour.blueF())
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
