"""Draws a module's name with what is attached to it at the right edge of the column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionViewItem

from mi_crow_gui.itemmodels.module_tree_model import Role
from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.look import GRID, muted

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPersistentModelIndex


class ModuleNameDelegate(CellDelegate):
    """What is attached stands in a frame, "tied" and "shared" stand back, and so do mere ancestors of a match.

    The name comes first: what stands beside it is left out where there is no room for both.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent, fixed=True)

    def initStyleOption(  # noqa: D102 - Qt's
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        if index.data(Role.IS_MATCH) is False:
            option.palette.setColor(QPalette.ColorRole.Text, muted(option.palette))

    def paint(  # noqa: D102 - Qt's
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        badge, mark = index.data(Role.BADGE), index.data(Role.MARK)
        if not badge and not mark:
            return
        styled = QStyleOptionViewItem(option)
        self.initStyleOption(styled, index)
        style = option.widget.style() if option.widget is not None else QApplication.style()
        text = style.subElementRect(QStyle.SubElement.SE_ItemViewItemText, styled, option.widget)
        left = text.left() + styled.fontMetrics.horizontalAdvance(styled.text) + 2 * GRID
        right = option.rect.right() - GRID // 2
        palette = option.palette
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setFont(option.font)
        # What several hooks are is said where there is room for it, else how many they are.
        several = badge.split(", ") if badge else []
        if len(several) > 1 and painter.fontMetrics().horizontalAdvance(badge) + GRID > right - left:
            badge = f"{len(several)} hooks"
        for word, framed in ((badge, True), (mark, False)):
            width = painter.fontMetrics().horizontalAdvance(word or "") + GRID
            if not word or right - width < left:
                continue
            plain = palette.highlightedText().color() if selected else palette.text().color()
            ink = plain if selected or framed else muted(palette)
            _draw_word(painter, QRect(right - width, option.rect.top(), width, option.rect.height()), word, ink, framed)
            right -= width + GRID // 2
        painter.restore()


def _draw_word(painter: QPainter, box: QRect, word: str, ink: QColor, framed: bool) -> None:
    painter.setPen(ink)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, word)
    if framed:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(0.5)
        painter.drawRoundedRect(box.adjusted(0, 3, -1, -4), 3, 3)
        painter.setOpacity(1)
