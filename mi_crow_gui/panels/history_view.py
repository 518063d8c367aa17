"""The list of past runs itself: its keys, and the letters of the pinned ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent
from PySide6.QtWidgets import QListView, QStyleOptionViewItem, QWidget

from mi_crow_gui.itemmodels.history_model import PIN_ROLE
from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.pin_badge import BADGE, badge

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPersistentModelIndex

    from mi_crow_gui.itemmodels.history_model import HistoryModel


class HistoryView(QListView):
    """A and B pin the current run, U and Delete let go of it; other letters find a run by its text, as ever."""

    pinPressed = Signal(str)
    unpinPressed = Signal()

    def __init__(self, model: HistoryModel) -> None:
        super().__init__()
        self.setObjectName("historyList")
        self.setAccessibleName("Past runs")
        self.setModel(model)
        self.setItemDelegate(_BadgedDelegate(self))
        self.setIconSize(QSize(BADGE, BADGE))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setUniformItemSizes(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)
        if plain and event.key() in (Qt.Key.Key_A, Qt.Key.Key_B):
            self.pinPressed.emit("A" if event.key() == Qt.Key.Key_A else "B")
        elif plain and event.key() in (Qt.Key.Key_U, Qt.Key.Key_Delete):
            self.unpinPressed.emit()
        else:
            super().keyPressEvent(event)


class _BadgedDelegate(CellDelegate):
    """Room for a letter before every run, whether it has one or not."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, elide=Qt.TextElideMode.ElideRight)

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        widget = option.widget
        ratio = widget.devicePixelRatioF() if widget is not None else 1.0
        option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
        option.decorationSize = QSize(BADGE, BADGE)
        sign = badge(index.data(PIN_ROLE) or "", option.palette, option.font, ratio)
        option.icon = QIcon(sign)
        # Else a style would tint it in a selected row.
        option.icon.addPixmap(sign, QIcon.Mode.Selected)
