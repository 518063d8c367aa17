"""Draws the cells of trees and tables: rows on the grid, numbers and sites in the fixed-width font."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSize, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from mi_crow_gui.panels.look import GRID, fixed_font, muted

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPersistentModelIndex

ROW_HEIGHT = 3 * GRID


class CellDelegate(QStyledItemDelegate):
    """Rows are at least ROW_HEIGHT high, long texts lose their middle, right-aligned ones keep off the next column."""

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        fixed: bool = False,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> None:
        super().__init__(parent)
        self._fixed = fixed
        self._elide = elide

    def sizeHint(  # noqa: D102 - Qt's
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        size = super().sizeHint(option, index)
        # Two lines of text need air above and below; one has it from the row.
        height = size.height() + GRID if size.height() > ROW_HEIGHT else ROW_HEIGHT
        return QSize(size.width() + GRID, height)

    def initStyleOption(  # noqa: D102 - Qt's
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = self._elide
        if self._fixed:
            option.font = fixed_font()
        if option.displayAlignment & Qt.AlignmentFlag.AlignRight and option.text:
            # A number without its middle would be another number.
            option.textElideMode = Qt.TextElideMode.ElideRight
            option.text += "\N{EN SPACE}"
        # Fusion draws the frame of a check box in the window's colour divided by 1.4: invisible on a dark base.
        option.palette.setColor(QPalette.ColorRole.Window, muted(option.palette).lighter(140))
