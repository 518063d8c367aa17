"""The patterns of all heads of a block, small, to choose one from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from mi_crow_gui.panels.look import GRID, bold
from mi_crow_gui.panels.plots.matrix_item import places_in

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.scale import Scale


class HeadGrid(QWidget):
    """As many columns as make the heads largest; a click, or an arrow key, chooses one."""

    headChosen = Signal(int)

    def __init__(self, colours: PlotColours, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self._small: np.ndarray | None = None
        self._scale: Scale | None = None
        self._gaps = False
        self._images: list[QImage] = []
        self._pixels: list[np.ndarray] = []
        self._head = 0
        self.setObjectName("headGrid")
        self.setAccessibleName("Heads of the block")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(0, 0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def set_heads(self, small: np.ndarray, head: int, scale: Scale, *, gaps: bool = False) -> None:
        """Show patterns ``[heads, side, side]`` in a range of colours, and which of them is the chosen one.

        With `gaps`, NaN is what is not known yet.
        """
        if small is not self._small or scale != self._scale or gaps != self._gaps:
            self._small, self._scale, self._gaps = small, scale, gaps
            self._paint_images()
        self._head = head
        self.setAccessibleDescription(f"Head {head} of {len(small)} is shown large")
        self.update()

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        self._colours = colours
        self._paint_images()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(24 * GRID, 24 * GRID)

    def head_at(self, x: float, y: float) -> int:
        """The head at a point of the widget, -1 for none."""
        return next((head for head, box in enumerate(self._boxes()) if box.contains(int(x), int(y))), -1)

    def _paint_images(self) -> None:
        if self._small is None or self._scale is None:
            return
        table = self._colours.table(False, gaps=self._gaps)
        low, high = self._scale.low, self._scale.high
        # The images do not own the memory they show.
        self._pixels = [np.take(table, places_in(pattern, low, high)) for pattern in self._small]
        self._images = [
            QImage(pixels.data, pixels.shape[1], pixels.shape[0], 4 * pixels.shape[1], QImage.Format.Format_RGB32)
            for pixels in self._pixels
        ]

    def _columns(self) -> int:
        heads, line = max(1, len(self._images)), self.fontMetrics().height()

        def side(columns: int) -> float:
            rows = -(-heads // columns)
            return min(self.width() / columns - GRID, self.height() / rows - line - GRID // 2)

        return max(range(1, heads + 1), key=side)

    def _boxes(self) -> list[QRect]:
        heads, columns, line = len(self._images), self._columns(), self.fontMetrics().height()
        rows = max(1, -(-heads // columns))
        wide, tall = self.width() // columns, self.height() // rows
        side = max(4, min(wide - GRID, tall - line - GRID // 2))
        return [
            QRect(head % columns * (side + GRID), head // columns * (side + line + GRID // 2), side + GRID, side + line)
            for head in range(heads)
        ]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._colours.background)
        line, font = self.fontMetrics().height(), self.font()
        for head, box in enumerate(self._boxes()):
            chosen = head == self._head
            painter.setFont(bold(font) if chosen else font)
            painter.setPen(self._colours.text if chosen else self._colours.quiet)
            label = QRect(box.left() + GRID // 2, box.top(), box.width() - GRID // 2, line)
            painter.drawText(label, Qt.AlignmentFlag.AlignVCenter, f"{'▸' if chosen else ''}{head}")
            inside = box.adjusted(GRID // 2, line, -GRID // 2, 0)
            painter.drawImage(inside, self._images[head])
            if chosen:
                painter.setPen(QPen(self._colours.accent, 2))
                painter.drawRect(inside.adjusted(-1, -1, 0, 0))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102 - Qt's
        head = self.head_at(event.position().x(), event.position().y())
        if head >= 0:
            self.headChosen.emit(head)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        columns = self._columns()
        moves: dict[int, int] = {
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Down: columns,
            Qt.Key.Key_Up: -columns,
        }
        wanted = self._head + moves.get(event.key(), 0)
        if event.key() in moves and 0 <= wanted < len(self._images):
            self.headChosen.emit(wanted)
        else:
            event.ignore()
