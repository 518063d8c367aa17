"""A check box whose edge can be seen on a dark ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QCheckBox, QStyle, QStyleOptionButton

from mi_crow_gui.panels.look import mix

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent


class CheckBox(QCheckBox):
    """The style's check box with an edge of its own: the style derives one from the ground, darker than it."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the edge over what the style draws."""
        super().paintEvent(event)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        box = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self)
        group = QPalette.ColorGroup.Active if self.isEnabled() else QPalette.ColorGroup.Disabled
        palette = self.palette()
        ground = palette.color(group, QPalette.ColorRole.Window)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(mix(ground, palette.color(group, QPalette.ColorRole.WindowText), 0.55))
        painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)
