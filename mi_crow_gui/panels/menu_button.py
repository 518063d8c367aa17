"""A flat button whose words open a menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize
from PySide6.QtWidgets import QStyle, QStyleOption, QStyleOptionToolButton, QStylePainter, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent


class MenuButton(QToolButton):
    """Words and an arrow beside them, on one line: the style would put the arrow into the corner below them."""

    def __init__(self, words: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(words)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setAutoRaise(True)

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return super().sizeHint() + QSize(GRID + GRID // 2, 0)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QStylePainter(self)
        option = QStyleOptionToolButton()
        self.initStyleOption(option)
        option.features &= ~QStyleOptionToolButton.ToolButtonFeature.HasMenu
        words, option.text = option.text, ""
        painter.drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)
        option.text = words
        option.rect = self.rect().adjusted(0, 0, -2 * GRID, 0)
        painter.drawControl(QStyle.ControlElement.CE_ToolButtonLabel, option)
        arrow = QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QRect(self.width() - 2 * GRID, (self.height() - GRID) // 2, GRID, GRID)
        painter.drawPrimitive(QStyle.PrimitiveElement.PE_IndicatorArrowDown, arrow)
