"""Two texts token by token, one over the other: what has no partner stands alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QSizePolicy, QToolTip

from mi_crow_gui.panels.look import GRID, bold, fixed_font, ink_on, mix, muted
from mi_crow_gui.panels.pin_badge import BADGE, badge
from mi_crow_gui.panels.plots.matrix_item import places_in
from mi_crow_gui.plotdata.run_comparison import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QPaintEvent, QResizeEvent

    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.run_comparison import RunComparisonDrawing

_CHIP = 5 * GRID // 2
_ROW = 2 * _CHIP + 3 * GRID // 2
_ABOVE = GRID // 2
_LEFT = BADGE + GRID


class AlignedStrip(QAbstractScrollArea):
    """A over B in as many lines as it takes; B's tokens are coloured by a measure, different ones are bold.

    `columnChosen` gives a column of the alignment; arrow keys, Home and End move it.
    """

    columnChosen = Signal(int)
    columnHovered = Signal(int)  # -1 when the mouse leaves

    def __init__(self, colours: PlotColours, describe: Callable[[int], str]) -> None:
        super().__init__()
        self._colours, self._describe = colours, describe
        self._drawing: RunComparisonDrawing | None = None
        self._boxes: list[tuple[int, int, int]] = []  # left, line, width
        self._starts: list[int] = []  # first column of each line
        self._marked = -1
        self.setObjectName("alignedTokens")
        self.setAccessibleName("Tokens of run A over those of run B")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFont(fixed_font())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.viewport().setMouseTracking(True)

    def set_drawing(self, drawing: RunComparisonDrawing) -> None:
        """Show two aligned texts."""
        fresh = self._drawing is None or self._drawing.content.a != drawing.content.a
        self._drawing = drawing
        self._arrange()
        if fresh:
            self.verticalScrollBar().setValue(0)

    def set_marked(self, column: int) -> None:
        """Frame a column, -1 for none, and bring it into sight."""
        self._marked = column if column < len(self._boxes) else -1
        if self._marked >= 0:
            top, bar = self._boxes[self._marked][1] * _ROW, self.verticalScrollBar()
            bar.setValue(min(max(bar.value(), top + _ROW - bar.pageStep()), top))
            self.setAccessibleDescription(self._describe(self._marked))
        self.viewport().update()

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        self._colours = colours
        self.viewport().update()

    # ---- Qt --------------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(40 * GRID, min(3, max(1, len(self._starts))) * _ROW)

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(16 * GRID, _ROW)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(event.rect(), self._colours.background)
        if self._drawing is None:
            return
        offset = self.verticalScrollBar().value()
        painter.translate(0, -offset)
        area = event.rect().translated(0, offset)
        first, last = area.top() // _ROW, area.bottom() // _ROW
        ratio = self.devicePixelRatioF()
        for line in range(first, min(last + 1, len(self._starts))):
            for lane, pin in enumerate("AB"):
                sign = badge(pin, self.palette(), self.font(), ratio)
                painter.drawPixmap(QPoint(GRID // 2, line * _ROW + _ABOVE + lane * _CHIP + (_CHIP - BADGE) // 2), sign)
        for column in self._columns(first, last):
            self._paint_column(painter, column)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102 - Qt's
        self.columnHovered.emit(self._column_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        self.columnHovered.emit(-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102 - Qt's
        column = self._column_at(event.position().toPoint())
        if column >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.columnChosen.emit(column)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        last = len(self._boxes) - 1
        moves = {
            Qt.Key.Key_Left: self._marked - 1,
            Qt.Key.Key_Right: self._marked + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        wanted = moves.get(Qt.Key(event.key()))
        if wanted is None or last < 0:
            super().keyPressEvent(event)
            return
        self.columnChosen.emit(min(max(wanted, 0), last))
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: D102 - Qt's
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            column = self._column_at(event.pos())
            if column >= 0:
                QToolTip.showText(event.globalPos(), self._describe(column), self.viewport())
            else:
                QToolTip.hideText()
            return True
        return super().viewportEvent(event)

    # ---- the inside ------------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        self._boxes, self._starts = [], []
        if self._drawing is not None:
            room = max(8 * GRID, self.viewport().width() - _LEFT - GRID)
            character = QFontMetrics(bold(self.font())).horizontalAdvance("0")
            left, line = 0, 0
            # Measuring every text would be felt; in this font all characters are one or two cells wide.
            for column, cells in enumerate(self._drawing.cells):
                width = min(room, max(cells * character, GRID) + GRID + 2)
                if left and left + width > room:
                    left, line = 0, line + 1
                if not left:
                    self._starts.append(column)
                self._boxes.append((left, line, width))
                left += width + GRID // 2
        page = self.viewport().height()
        self.verticalScrollBar().setRange(0, max(0, len(self._starts) * _ROW - page))
        self.verticalScrollBar().setPageStep(page)
        self.verticalScrollBar().setSingleStep(_ROW)
        self.viewport().update()

    def _paint_column(self, painter: QPainter, column: int) -> None:
        assert self._drawing is not None
        left, line, width = self._boxes[column]
        at = self._drawing.columns[column]
        labels = self._drawing.labels[column]
        differs = not bool(self._drawing.same[column])
        edge = mix(self._colours.background, muted(self.palette()), 0.6)
        for lane in range(2):
            box = QRect(_LEFT + left, line * _ROW + _ABOVE + lane * _CHIP, width, _CHIP - 2)
            here = int(at[lane]) != NOBODY
            ground = self._ground(column) if here and lane else self._colours.background
            pen = QPen(edge, 1)
            if not here:
                pen.setStyle(Qt.PenStyle.DotLine)
            painter.setPen(pen)
            painter.setBrush(ground)
            painter.drawRoundedRect(box.adjusted(0, 0, -1, -1), 3, 3)
            if here:
                painter.setFont(bold(self.font()) if differs else self.font())
                painter.setPen(ink_on(ground))
                painter.drawText(box.adjusted(GRID // 2, 0, 0, 0), int(Qt.AlignmentFlag.AlignVCenter), labels[lane])
        if column == self._marked:
            painter.setPen(QPen(self._colours.text, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRect(_LEFT + left - 1, line * _ROW + _ABOVE - 2, width + 1, 2 * _CHIP + 1), 4, 4)

    def _ground(self, column: int) -> QColor:
        drawing = self._drawing
        if drawing is None or drawing.measure is None or drawing.colours is None:
            return self._colours.background
        value = float(drawing.measure[column])
        if not math.isfinite(value):
            return self._colours.background
        scale = drawing.colours
        table = self._colours.table(scale.diverging)
        place = int(places_in(drawing.measure[column : column + 1], scale.low, scale.high)[0])
        return QColor.fromRgba(int(table[place]))

    def _column_at(self, at: QPoint) -> int:
        y, x = at.y() + self.verticalScrollBar().value(), at.x() - _LEFT
        line = y // _ROW
        if not _ABOVE <= y - line * _ROW < _ABOVE + 2 * _CHIP:
            return -1
        boxes = ((column, self._boxes[column]) for column in self._columns(line, line))
        return next((column for column, (left, _, width) in boxes if left <= x < left + width), -1)

    def _columns(self, first_line: int, last_line: int) -> range:
        """The columns that lie in these lines, both included."""
        if first_line >= len(self._starts) or last_line < 0:
            return range(0)
        end = self._starts[last_line + 1] if last_line + 1 < len(self._starts) else len(self._boxes)
        return range(self._starts[max(0, first_line)], end)
