"""The tokens of a prompt and of what followed as chips, coloured by a measure; one of them is selected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QSizePolicy, QToolTip, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.panels.look import GRID, fixed_font, ink_on, mix, muted
from mi_crow_gui.panels.token_layout import ROW_STEP, TokenLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QColor

_EMPTY = "Run the prompt to see its tokens here."
_MOVES = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class TokenStrip(QAbstractScrollArea):
    """Chips that wrap in up to three rows, then scroll.

    Arrow keys, Home and End move the selection; a generated token has a bar under it, a special one a dashed frame.
    """

    tokenHovered = Signal(int)  # -1 when the mouse leaves
    tokenSelected = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tokenStrip")
        self.setAccessibleName("Tokens")
        self.setAccessibleDescription(_EMPTY)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._most_rows = 3
        self.viewport().setMouseTracking(True)
        self.viewport().setAutoFillBackground(False)
        self._texts: tuple[str, ...] = ()
        self._special: tuple[bool, ...] = ()
        self._prompt_length = 0
        self._measure_name = ""
        self._measure_unit = ""
        self._values: tuple[float, ...] = ()
        self._low, self._high = 0.0, 0.0
        self._selected = -1
        self._hovered = -1
        self._layout = TokenLayout(QFontMetrics(fixed_font()).horizontalAdvance)
        self.setFont(fixed_font())

    # Setters

    def set_tokens(self, texts: Sequence[str], special: Sequence[bool] = (), prompt_length: int | None = None) -> None:
        """Show these tokens; those from `prompt_length` on were generated. A measure that no longer fits is dropped."""
        grew = tuple(texts[: len(self._texts)]) == self._texts
        bar = self.verticalScrollBar()
        follows = grew and bool(self._texts) and self._selected < 0 and bar.value() >= bar.maximum()
        known = len(self._texts)
        self._texts, self._special = tuple(texts), tuple(special)
        self._prompt_length = len(self._texts) if prompt_length is None else prompt_length
        if not grew:
            self._values = ()
            self._selected = self._hovered = -1
        self._arrange(known if grew else 0)
        if follows:
            bar.setValue(bar.maximum())
        elif not grew:
            bar.setValue(0)
        self._describe()

    def set_measure(self, name: str, values: Sequence[float], unit: str = "") -> None:
        """Colour each token by its value; NaN stays uncoloured. An empty `name` takes the colours away."""
        self._measure_name, self._measure_unit = name, unit
        self._values = tuple(float(value) for value in values) if name else ()
        finite = [value for value in self._values if math.isfinite(value)]
        self._low, self._high = (min(finite), max(finite)) if finite else (0.0, 0.0)
        self.viewport().update()
        self._describe()

    def set_selected(self, token: int) -> None:
        """Select a token without emitting; -1 selects none."""
        self._selected = token if 0 <= token < len(self._texts) else -1
        self._show_selected()

    def set_most_rows(self, rows: int) -> None:
        """How many rows are shown before the strip scrolls."""
        if rows != self._most_rows:
            self._most_rows = rows
            self.updateGeometry()

    # What is shown

    @property
    def selected(self) -> int:
        """The selected token, -1 for none."""
        return self._selected

    @property
    def measure_range(self) -> tuple[float, float] | None:
        """Smallest and largest value of the measure, None without one."""
        return (self._low, self._high) if self._values else None

    def chip_colour(self, share: float) -> QColor:
        """Background of a chip whose value lies at this share (0 to 1) of the measure's range."""
        palette = self.palette()
        return mix(palette.base().color(), palette.highlight().color(), 0.08 + 0.77 * share)

    def description(self, token: int) -> str:
        """A token in words: its place, its text, its value."""
        kind = "special token" if self._is_special(token) else "token"
        place = f"{'generated ' if token >= self._prompt_length else ''}{kind} {token} of {len(self._texts)}"
        text = f"{place}: {self._layout.labels[token]}"
        if token < len(self._values):
            unit = f" {self._measure_unit}" if self._measure_unit else ""
            text += f"\n{self._measure_name} {formatting.number(self._values[token])}{unit}"
        return text

    # Qt

    def hasHeightForWidth(self) -> bool:  # noqa: D102
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: D102
        rows = max(1, self._layout.rows_within(width - GRID // 2, self._most_rows))
        return rows * ROW_STEP + GRID // 2

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(40 * GRID, self.heightForWidth(max(self.width(), 20 * GRID)))

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return QSize(20 * GRID, ROW_STEP + GRID // 2)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._layout = TokenLayout(QFontMetrics(self.font()).horizontalAdvance)
            self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._texts:
            painter.setPen(self.palette().placeholderText().color())
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignVCenter, _EMPTY)
            return
        offset = self.verticalScrollBar().value()
        area = event.rect().translated(0, offset)
        painter.translate(2, 2 - offset)
        for token in self._layout.row_tokens(area.top() // ROW_STEP, area.bottom() // ROW_STEP):
            self._paint_chip(painter, token)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self._hover(self._token_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:  # noqa: D102
        self._hover(-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        token = self._token_at(event.position().toPoint())
        if token >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self._select(token)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        token = self._token_after(event)
        if token is None or not self._texts or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
            return
        self._select(min(max(token, 0), len(self._texts) - 1))
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            token = self._token_at(event.pos())
            if token >= 0:
                QToolTip.showText(event.globalPos(), self.description(token), self.viewport())
            else:
                QToolTip.hideText()
            return True
        return super().viewportEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: D102
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: D102
        super().focusOutEvent(event)
        self.viewport().update()

    # Inside

    def _arrange(self, first_new: int = 0) -> None:
        """Lay the chips out; only the rows from that of the first new chip on are painted anew."""
        rows_before = min(self._layout.rows, self._most_rows)
        self._layout.set_tokens(self._texts, self.viewport().width() - GRID // 2)
        page = self.viewport().height()
        self.verticalScrollBar().setRange(0, max(0, self._layout.height - page))
        self.verticalScrollBar().setPageStep(page)
        self.verticalScrollBar().setSingleStep(ROW_STEP)
        if min(self._layout.rows, self._most_rows) != rows_before:
            # Only then: the layout of the whole window is worked out again.
            self.updateGeometry()
        if 0 < first_new < len(self._layout):
            top = self._layout.row(first_new) * ROW_STEP - self.verticalScrollBar().value()
            self.viewport().update(self.viewport().rect().adjusted(0, max(0, top), 0, 0))
        else:
            self.viewport().update()

    def _paint_chip(self, painter: QPainter, token: int) -> None:
        palette = self.palette()
        box = self._layout.box(token)
        value = self._values[token] if token < len(self._values) else math.nan
        background = palette.base().color()
        if math.isfinite(value):
            spread = self._high - self._low
            background = self.chip_colour((value - self._low) / spread if spread > 0 else 0.0)
        frame = palette.text().color() if token == self._selected else mix(palette.base().color(), muted(palette), 0.6)
        pen = QPen(frame, 2 if token == self._selected else 1)
        if self._is_special(token):
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(background)
        painter.drawRoundedRect(box.adjusted(0, 0, -1, -1), 4, 4)
        ink = ink_on(background)
        painter.setPen(ink)
        room = box.adjusted(GRID, 0, -GRID, 0)
        label = painter.fontMetrics().elidedText(
            self._layout.labels[token], Qt.TextElideMode.ElideRight, room.width() + 1
        )
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, label)
        if token >= self._prompt_length:
            painter.fillRect(QRect(box.left() + GRID // 2, box.bottom() - 3, box.width() - GRID, 2), ink)
        if token == self._selected and self.hasFocus():
            painter.setPen(QPen(palette.highlight().color(), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(-2, -2, 1, 1), 5, 5)

    def _is_special(self, token: int) -> bool:
        return token < len(self._special) and self._special[token]

    def _token_at(self, at: QPoint) -> int:
        return self._layout.token_at(at.x() - 2, at.y() - 2 + self.verticalScrollBar().value())

    def _token_after(self, event: QKeyEvent) -> int | None:
        key = Qt.Key(event.key())
        if key in _MOVES:
            return self._selected + _MOVES[key]
        if key == Qt.Key.Key_Home:
            return 0
        if key == Qt.Key.Key_End:
            return len(self._texts) - 1
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self._selected >= 0:
            row = self._layout.row(self._selected) + (1 if key == Qt.Key.Key_Down else -1)
            near = self._layout.nearest(self._layout.box(self._selected).center().x(), row)
            return near if near >= 0 else self._selected
        return None

    def _select(self, token: int) -> None:
        if token == self._selected:
            return
        self._selected = token
        self._show_selected()
        self.tokenSelected.emit(token)

    def _hover(self, token: int) -> None:
        if token != self._hovered:
            self._hovered = token
            self.tokenHovered.emit(token)

    def _show_selected(self) -> None:
        if self._selected >= 0:
            top = self._layout.row(self._selected) * ROW_STEP
            bar = self.verticalScrollBar()
            bar.setValue(min(max(bar.value(), top + ROW_STEP - bar.pageStep()), top))
        self._describe()
        self.viewport().update()

    def _describe(self) -> None:
        if not self._texts:
            self.setAccessibleDescription(_EMPTY)
        elif self._selected >= 0:
            self.setAccessibleDescription(self.description(self._selected))
        else:
            self.setAccessibleDescription(formatting.plural(len(self._texts), "token"))
