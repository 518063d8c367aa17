"""Draws a site in a cell: where room is short, what tells it from its neighbours stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionViewItem

from mi_crow_gui.document.formatting import elide_site
from mi_crow_gui.panels.cell_delegate import CellDelegate

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex
    from PySide6.QtGui import QPainter


class SiteDelegate(CellDelegate):
    """A cell that holds a dotted name."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent, fixed=True)
        self._painting = False

    def paint(  # noqa: D102 - Qt's
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        # Only there is the width of the cell known: a size hint asks for the whole name.
        self._painting = True
        try:
            super().paint(painter, option, index)
        finally:
            self._painting = False

    def initStyleOption(  # noqa: D102 - Qt's
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        if not self._painting:
            return
        widget = option.widget
        style = widget.style() if widget is not None else QApplication.style()
        margin = style.pixelMetric(QStyle.PixelMetric.PM_FocusFrameHMargin, option, widget) + 1
        room = style.subElementRect(QStyle.SubElement.SE_ItemViewItemText, option, widget).width() - 2 * margin
        # The option's own metrics are those of the font that it came with.
        metrics = QFontMetrics(option.font)
        option.text = elide_site(option.text, lambda text: metrics.horizontalAdvance(text) <= room)
