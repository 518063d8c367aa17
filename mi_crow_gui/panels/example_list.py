"""A list of tokens with their neighbours, each coloured by its value; the one it is about is framed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QKeySequence, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from mi_crow_gui.itemmodels.examples_model import EXAMPLE_ROLE, ExamplesModel
from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.look import GRID, bold, fixed_font, ink_on
from mi_crow_gui.panels.plots.colours import VALUES, PlotColours
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.plotdata.examples import ExampleRow

AnyIndex = QModelIndex | QPersistentModelIndex
_CAPTION = 9  # characters
_BEFORE = 0.42  # share of the room that neighbours before the marked token may take


class ExampleList(QListView):
    """Emits the row of the capture that was clicked or entered."""

    chosen = Signal(int)

    def __init__(self, name: str, accessible: str, empty: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.examples = ExamplesModel(self)
        self.setModel(self.examples)
        self.setItemDelegate(_ExampleDelegate(self))
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(3 * ROW_HEIGHT)
        self._hint = EmptyHint(self, empty)
        self.clicked.connect(self._on_self_activated)
        self.activated.connect(self._on_self_activated)

    def set_rows(self, rows: Sequence[ExampleRow], low: float = 0.0, high: float = 0.0) -> None:
        """Show these; values are coloured from `low` to `high`, about 0 where that lies between."""
        self.examples.set_rows(rows, low, high)
        self.scrollToTop()

    def set_hint(self, text: str) -> None:
        """What stands in the empty list."""
        self._hint.set_text(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102 - Qt's
        if event.matches(QKeySequence.StandardKey.Copy):
            rows = [self.examples.row(index) for index in self.selectedIndexes()]
            QGuiApplication.clipboard().setText("\n".join("".join(row.tokens) for row in rows if row is not None))
            event.accept()
        else:
            super().keyPressEvent(event)

    @Slot(QModelIndex)
    def _on_self_activated(self, index: QModelIndex) -> None:
        row = self.examples.row(index)
        if row is not None and not row.heading:
            self.chosen.emit(row.row)


class _ExampleDelegate(QStyledItemDelegate):
    """Caption, then as many tokens as there is room for, the marked one always among them."""

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        return QSize(20 * GRID, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        row: ExampleRow = index.data(EXAMPLE_ROLE)
        view = option.widget
        palette = option.palette
        painter.save()
        painter.setClipRect(option.rect)
        if row.heading:
            painter.setFont(bold(option.font))
            painter.setPen(palette.text().color())
            painter.drawText(option.rect.adjusted(GRID, 0, -GRID, 0), Qt.AlignmentFlag.AlignVCenter, row.caption)
            painter.restore()
            return
        state = option.state
        if state & QStyle.StateFlag.State_Selected:
            # Tokens keep their colours: the selected line is told by a bar at its beginning.
            painter.fillRect(
                QRect(option.rect.left(), option.rect.top(), GRID // 2, option.rect.height()), palette.highlight()
            )
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, palette.alternateBase())
        font = fixed_font()
        painter.setFont(font)
        letter = painter.fontMetrics().horizontalAdvance("0")
        caption = QRect(option.rect.left() + GRID, option.rect.top(), _CAPTION * letter, option.rect.height())
        painter.setPen(palette.text().color())
        painter.drawText(caption, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, row.caption)
        room = option.rect.adjusted(caption.right() - option.rect.left() + GRID, 3, -GRID, -3)
        model = index.model()
        assert isinstance(model, ExamplesModel)
        self._paint_tokens(painter, room, row, model.low, model.high, PlotColours.of(view.palette()))
        painter.restore()

    def _paint_tokens(
        self, painter: QPainter, room: QRect, row: ExampleRow, low: float, high: float, colours: PlotColours
    ) -> None:
        metrics = painter.fontMetrics()
        words = [readable_token(token) for token in row.tokens]
        widths = [metrics.horizontalAdvance(word) + GRID for word in words]
        first = row.marked
        before = 0
        while first > 0 and before + widths[first - 1] <= room.width() * _BEFORE:
            first -= 1
            before += widths[first]
        painter.setClipRect(room)
        x = room.left()
        for place in range(first, len(words)):
            if x >= room.right():
                break
            box = QRect(x, room.top(), widths[place] - 2, room.height())
            ground = _colour(row.values, place, low, high, colours)
            if ground is not None:
                painter.fillRect(box, ground)
            painter.setPen(ink_on(ground) if ground is not None else colours.text)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words[place])
            if place == row.marked:
                painter.setPen(QPen(colours.text, 2))
                painter.drawRect(box.adjusted(1, 1, -1, -1))
            x += widths[place]


def _colour(values: np.ndarray | None, place: int, low: float, high: float, colours: PlotColours) -> QColor | None:
    if values is None or place >= len(values) or not high > low:
        return None
    value = float(values[place])
    if not np.isfinite(value):
        return colours.not_finite
    diverging = low < 0 < high
    if diverging:
        reach = max(-low, high)
        low, high = -reach, reach
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    return QColor.fromRgb(int(colours.table(diverging)[round(share * (VALUES - 1))]))
