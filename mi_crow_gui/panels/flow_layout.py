"""A layout that puts widgets side by side and begins a new line where the room ends."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

from mi_crow_gui.panels.look import GRID

# ruff: noqa: D102 - the methods of QLayout are documented by Qt


class FlowLayout(QLayout):
    """Its height follows from its width.

    With `first_fills` the first widget needs no more than its least width, and takes what its line leaves.
    """

    def __init__(self, parent: QWidget | None = None, *, first_fills: bool = False) -> None:
        super().__init__(parent)
        self._first_fills = first_fills
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(GRID)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, move=True)

    def sizeHint(self) -> QSize:
        hints = [item.sizeHint() for item in self._items if not item.isEmpty()]
        width = sum(hint.width() + self.spacing() for hint in hints) - self.spacing()
        return QSize(max(0, width), max((hint.height() for hint in hints), default=0))

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _place(self, rect: QRect, *, move: bool) -> int:
        x, y, line = rect.x(), rect.y(), 0
        beside: list[tuple[QLayoutItem, int, QSize]] = []
        for item in self._items:
            if item.isEmpty():
                continue
            hint = item.sizeHint()
            if self._fills(item):
                hint.setWidth(item.minimumSize().width())
            if x > rect.x() and x + hint.width() > rect.x() + rect.width():
                self._set_line(beside, rect, y, line, move)
                x, y, line, beside = rect.x(), y + line + self.spacing(), 0, []
            beside.append((item, x, hint))
            x += hint.width() + self.spacing()
            line = max(line, hint.height())
        self._set_line(beside, rect, y, line, move)
        return y + line - rect.y()

    def _fills(self, item: QLayoutItem) -> bool:
        return self._first_fills and item is self._items[0]

    def _set_line(
        self, beside: list[tuple[QLayoutItem, int, QSize]], rect: QRect, y: int, line: int, move: bool
    ) -> None:
        """Put the widgets of a line in its middle, so that what is written in them stands on one level."""
        if not (move and beside):
            return
        _, last, size = beside[-1]
        left = max(0, rect.x() + rect.width() - last - size.width()) if self._fills(beside[0][0]) else 0
        for place, (item, x, hint) in enumerate(beside):
            at = QPoint(x if place == 0 else x + left, y + (line - hint.height()) // 2)
            item.setGeometry(QRect(at, QSize(hint.width() + (left if place == 0 else 0), hint.height())))
