"""The letters A and B of pinned runs as small signs, the same wherever a run is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPixmap

from mi_crow_gui.panels.look import GRID, bold, hue, ink_on

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QFont, QPalette

BADGE = 2 * GRID
_HUES = {"A": 210, "B": 28}


def pin_colour(pin: str, palette: QPalette) -> QColor:
    """The colour of run A or B, readable on the base colour."""
    return hue(_HUES.get(pin, 0), palette)


def badge(pin: str, palette: QPalette, font: QFont, ratio: float = 1.0) -> QPixmap:
    """The sign of a pin; for "" as much empty room, so that what stands beside it stays in line."""
    pixmap = QPixmap(round(BADGE * ratio), round(BADGE * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    if pin:
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = pin_colour(pin, palette)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(0, 0, BADGE, BADGE), 3, 3)
        painter.setPen(ink_on(colour))
        small = bold(font)
        small.setPixelSize(BADGE - 5)
        painter.setFont(small)
        painter.drawText(QRectF(0, 0, BADGE, BADGE), int(Qt.AlignmentFlag.AlignCenter), pin)
        painter.end()
    return pixmap
