"""How one token is drawn: its colour by a measure, its frame, its words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPen

from mi_crow_gui.panels.look import GRID, ink_on, mix, muted

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter, QPalette


@dataclass(frozen=True, slots=True)
class Chip:
    """What is to be seen of a token; `share` is where its value lies in the range, 0 to 1, NaN for no colour."""

    label: str
    share: float = math.nan
    special: bool = False
    generated: bool = False
    selected: bool = False
    focused: bool = False
    pointed: bool = False


def chip_colour(palette: QPalette, share: float) -> QColor:
    """Background of a chip whose value lies at this share (0 to 1) of the measure's range."""
    return mix(palette.base().color(), palette.highlight().color(), 0.08 + 0.77 * share)


def paint_chip(painter: QPainter, palette: QPalette, box: QRect, chip: Chip) -> None:
    """Draw a token into its box."""
    background = chip_colour(palette, chip.share) if math.isfinite(chip.share) else palette.base().color()
    # The frame of the one under the mouse is as thin as any other, and as dark as that of the selected one.
    marked = chip.selected or chip.pointed
    frame = palette.text().color() if marked else mix(palette.base().color(), muted(palette), 0.6)
    pen = QPen(frame, 2 if chip.selected else 1)
    if chip.special:
        pen.setStyle(Qt.PenStyle.DashLine)
    painter.setPen(pen)
    painter.setBrush(background)
    painter.drawRoundedRect(box.adjusted(0, 0, -1, -1), 4, 4)
    ink = _ink(background.rgb())
    painter.setPen(ink)
    room = box.adjusted(GRID, 0, -GRID, 0)
    label = painter.fontMetrics().elidedText(chip.label, Qt.TextElideMode.ElideRight, room.width() + 1)
    painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, label)
    if chip.generated:
        painter.fillRect(QRect(box.left() + GRID // 2, box.bottom() - 3, box.width() - GRID, 2), ink)
    if chip.focused:
        painter.setPen(QPen(palette.highlight().color(), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box.adjusted(-2, -2, 1, 1), 5, 5)


# The same few colours for every chip that is painted.
@lru_cache(1024)
def _ink(background: int) -> QColor:
    return ink_on(QColor(background))


def paint_padding(painter: QPainter, palette: QPalette, box: QRect, words: str) -> None:
    """Draw where a shorter prompt is padded: grey, without the frame that tokens have."""
    ground = mix(palette.window().color(), muted(palette), 0.12)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(box.adjusted(0, 3, -1, -4), 4, 4)
    painter.setPen(muted(palette))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
