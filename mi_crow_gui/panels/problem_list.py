"""The problems of a text, each told to its end: as many lines as the width asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QListWidget, QStyleOptionViewItem, QWidget

from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT, CellDelegate
from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPersistentModelIndex
    from PySide6.QtGui import QResizeEvent

_SHOWN = 3  # problems
_LINES = 4  # at most, of all of them, where there is little room
_ICON = 2 * GRID


class ProblemList(QListWidget):
    """As high as its first problems; those behind them are scrolled to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("controllerProblems")
        self.setAccessibleName("Problems of the controller")
        self.setItemDelegate(_Wrapped(self))
        self.setWordWrap(True)
        self.setIconSize(QSize(_ICON, _ICON))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self._on_copy_activated)

    def fit(self) -> None:
        """Take the height that the problems ask for."""
        wanted = sum(self.sizeHintForRow(row) for row in range(min(self.count(), _SHOWN)))
        most = _LINES * self.fontMetrics().lineSpacing() + 2 * GRID
        self.setFixedHeight(min(wanted, most) + 2 * self.frameWidth())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fit()

    def _on_copy_activated(self) -> None:
        item = self.currentItem()
        if item is not None:
            QGuiApplication.clipboard().setText(item.text())


class _Wrapped(CellDelegate):
    """Rows as high as their text."""

    def __init__(self, view: QListWidget) -> None:
        super().__init__(view, elide=Qt.TextElideMode.ElideRight)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        width = self._view.viewport().width()
        room = QRect(0, 0, max(8 * GRID, width - _ICON - 3 * GRID), 100 * GRID)
        text = self._view.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, str(index.data()))
        lines = round(text.height() / self._view.fontMetrics().lineSpacing())
        return QSize(width, ROW_HEIGHT if lines < 2 else text.height() + GRID)

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        option.features |= QStyleOptionViewItem.ViewItemFeature.WrapText
