"""Cells with a number and a bar under it, so that the largest of a column is seen before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPalette

from mi_crow_gui.itemmodels.numbers_model import SHARE_ROLE
from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPersistentModelIndex
    from PySide6.QtGui import QPainter
    from PySide6.QtWidgets import QStyleOptionViewItem

_THICK = 2


class BarDelegate(CellDelegate):
    """The bar is as long as the share of the largest number of its column that `SHARE_ROLE` gives."""

    def paint(  # noqa: D102 - Qt's
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        share = index.data(SHARE_ROLE)
        if share is None:
            return
        rect = option.rect
        room = rect.width() - GRID
        bar = QRectF(rect.left() + GRID // 2, rect.bottom() - _THICK - 1, room * share, _THICK)
        painter.fillRect(bar, option.palette.color(QPalette.ColorRole.Link))
