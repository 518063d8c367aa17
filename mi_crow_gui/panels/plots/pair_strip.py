"""Two prompts, token over token: A above, B below; a place that is pulled out of A's map is dropped on a token of B."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget

from mi_crow_gui.panels.look import GRID, fixed_font, mix
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent, QPaintEvent

    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.patching import PromptPair

CELL_MIME = "application/x-mi-crow-cell"
_NONE = "—"


class PairStrip(QWidget):
    """Tokens that differ are framed, those without a partner stand over a dash.

    `dropped` carries the cell that was pulled here and the token of B under it.
    """

    dropped = Signal(object, int)

    def __init__(self, colours: PlotColours, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self._pair: PromptPair | None = None
        self._boxes: list[QRect] = []
        self._over = -1
        self.setObjectName("promptPair")
        self.setAccessibleName("The two prompts, token over token")
        self.setAcceptDrops(True)
        self.setFont(fixed_font())
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)

    def scrolled(self) -> QScrollArea:
        """The strip in a frame in which it can be scrolled."""
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self)
        area.setFixedHeight(self.sizeHint().height() + area.horizontalScrollBar().sizeHint().height())
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def set_pair(self, pair: PromptPair | None) -> None:
        """Show two prompts."""
        self._pair = pair
        self._boxes = []
        left = 4 * GRID
        line = self._line()
        for above, below in pair.columns if pair is not None else ():
            width = max(self.fontMetrics().horizontalAdvance(word) for word in self._words(above, below)) + GRID
            self._boxes.append(QRect(left, 0, width, 2 * line))
            left += width + GRID // 2
        differ = [column for column in (pair.columns if pair is not None else ()) if self._differs(*column)]
        words = [" over ".join(self._words(*column)) for column in differ[:8]]
        self.setAccessibleDescription(f"Different: {', '.join(words)}" if words else "No token differs")
        self.setMinimumWidth(left + GRID)
        self.update()

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        self._colours = colours
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(24 * GRID, 2 * self._line() + GRID // 2)

    def token_below(self, at: QPoint) -> int:
        """The token of B in whose column a point lies; -1 for none."""
        if self._pair is None:
            return -1
        found = [place for place, box in enumerate(self._boxes) if box.left() <= at.x() <= box.right()]
        return self._pair.columns[found[0]][1] if found else -1

    def _line(self) -> int:
        return self.fontMetrics().height() + GRID // 2

    def _words(self, above: int, below: int) -> tuple[str, str]:
        assert self._pair is not None
        return (
            readable_token(self._pair.clean[above]) if above >= 0 else _NONE,
            readable_token(self._pair.corrupted[below]) if below >= 0 else _NONE,
        )

    def _differs(self, above: int, below: int) -> bool:
        words = self._words(above, below)
        return words[0] != words[1]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        if self._pair is None:
            return
        painter = QPainter(self)
        colours, line = self._colours, self._line()
        painter.setPen(colours.quiet)
        for row, name in enumerate("AB"):
            painter.drawText(QRect(GRID, row * line, 3 * GRID, line), Qt.AlignmentFlag.AlignVCenter, name)
        for place, (box, column) in enumerate(zip(self._boxes, self._pair.columns, strict=True)):
            differs = self._differs(*column)
            if place == self._over:
                painter.fillRect(box, mix(colours.background, colours.accent, 0.4))
            elif differs:
                painter.fillRect(box, mix(colours.background, colours.accent, 0.15))
            for row, word in enumerate(self._words(*column)):
                painter.setPen(colours.text if differs else colours.quiet)
                painter.drawText(
                    box.adjusted(0, row * line, 0, (row - 1) * line),
                    Qt.AlignmentFlag.AlignCenter,
                    word,
                )
            if differs:
                pen = QPen(colours.accent, 1)
                # Without a partner: dashed, which is told from "another word" without colour.
                pen.setStyle(Qt.PenStyle.DashLine if -1 in column else Qt.PenStyle.SolidLine)
                painter.setPen(pen)
                painter.drawRect(box.adjusted(0, 0, -1, -1))
        painter.end()

    # ---- what is dropped -------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: D102 - Qt's
        if event.mimeData().hasFormat(CELL_MIME):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: D102 - Qt's
        at = event.position().toPoint()
        token = self.token_below(at)
        self._over = next((p for p, box in enumerate(self._boxes) if box.left() <= at.x() <= box.right()), -1)
        self.update()
        event.setAccepted(token >= 0)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: D102 - Qt's
        self._over = -1
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: D102 - Qt's
        self._over = -1
        self.update()
        token = self.token_below(event.position().toPoint())
        text = bytes(event.mimeData().data(CELL_MIME).data()).decode("ascii", "replace")
        row, _, column = text.partition(",")
        if token >= 0 and row.isdigit() and column.isdigit():
            event.acceptProposedAction()
            self.dropped.emit((int(row), int(column)), token)
