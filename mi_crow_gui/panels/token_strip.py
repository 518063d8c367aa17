"""The tokens of a prompt and of what followed as chips, coloured by a measure; one of them is selected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QSizePolicy, QToolTip, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.panels.token_chip import Chip, chip_colour
from mi_crow_gui.panels.token_layout import ROW_STEP, TokenRow
from mi_crow_gui.panels.token_lines import TokenLines
from mi_crow_gui.panels.token_paragraph import TokenParagraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QColor

_EMPTY = "Run the prompt to see its tokens here."
_INSET = 2  # room for the frame around the selected chip


class TokenStrip(QAbstractScrollArea):
    """Chips of one prompt, which wrap in a few rows, or of a batch, a line each; what does not fit is scrolled to.

    Arrow keys, Home and End move the selection; a generated token has a bar under it, a special one a dashed frame.
    Positions in signals are those in the selected prompt.
    """

    tokenHovered = Signal(int)  # -1 when the mouse leaves
    tokenSelected = Signal(int)
    promptSelected = Signal(int)

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
        self.viewport().setMouseTracking(True)
        self.viewport().setAutoFillBackground(False)
        self._most_rows = 3
        self._expected = 0
        self._rows: tuple[TokenRow, ...] = (TokenRow(()),)
        self._measure_name = self._measure_unit = ""
        self._values: tuple[Sequence[float], ...] = ()
        self._low, self._high = 0.0, 0.0
        self._range: tuple[float, float] | None = None
        self._prompt = 0
        self._selected = self._hovered = self._pointed = -1
        self.setFont(fixed_font())
        self._make_layouts()

    # Setters

    def set_tokens(self, texts: Sequence[str], special: Sequence[bool] = (), prompt_length: int | None = None) -> None:
        """Show the tokens of one prompt; see `set_prompts`."""
        self.set_prompts((TokenRow(tuple(texts), tuple(special), prompt_length),))

    def set_prompts(self, rows: Sequence[TokenRow]) -> None:
        """Show the tokens of one prompt or of a batch.

        What grew at the end keeps its selection and its measure; otherwise both are dropped.
        """
        rows = tuple(rows) or (TokenRow(()),)
        before, self._rows = self._rows, rows
        grew = len(rows) == len(before) and all(
            row.texts[: len(old.texts)] == old.texts for row, old in zip(rows, before, strict=True)
        )
        bar = self.verticalScrollBar()
        follows = grew and not self._batch and bool(before[0].texts) and self._selected < 0
        follows = follows and bar.value() >= bar.maximum()
        if not grew:
            self._values, self._range = (), None
            self._selected = self._hovered = self._pointed = -1
        else:
            self._expected = max(0, self._expected - len(rows[0].texts) + len(before[0].texts))
        self._prompt = min(self._prompt, len(rows) - 1)
        self._arrange(len(before[0].texts) if grew and not self._batch else 0)
        if follows:
            bar.setValue(bar.maximum())
        elif not grew:
            bar.setValue(0)
            self.horizontalScrollBar().setValue(0)
        self._describe()

    def set_measure(self, name: str, values: Sequence[float] | Sequence[Sequence[float]], unit: str = "") -> None:
        """Colour each token by its value, given a sequence for each prompt of a batch; NaN stays uncoloured.

        An empty `name` takes the colours away.
        """
        self._measure_name, self._measure_unit = name, unit
        nested = bool(len(values)) and not isinstance(values[0], (int, float))
        self._values = tuple(values if nested else (values,)) if name else ()  # type: ignore[arg-type]
        finite = [value for row in self._values for value in row if math.isfinite(value)]
        self._range = (min(finite), max(finite)) if finite else None
        self._low, self._high = self._range or (0.0, 0.0)
        self.viewport().update()
        self._describe()

    def set_selected(self, token: int) -> None:
        """Select a token of the selected prompt without emitting; -1 selects none."""
        self._selected = token if 0 <= token < len(self._row.texts) else -1
        self._show_selected()

    def set_pointed(self, token: int) -> None:
        """Frame the token of the selected prompt that is under the mouse somewhere; -1 for none."""
        token = token if 0 <= token < len(self._row.texts) else -1
        if token == self._pointed:
            return
        before, self._pointed = self._pointed, token
        for place in (before, token):
            box = self._layout.shown(self._prompt, place) if place >= 0 else None
            if box is not None:
                self.viewport().update(box.adjusted(-2, -2, 2, 2).translated(self._offset()))

    def set_prompt(self, number: int) -> None:
        """Select a prompt of the batch without emitting; the token at the same position stays selected."""
        self._prompt = max(0, min(number, len(self._rows) - 1))
        self.set_selected(self._selected)

    def set_expected(self, tokens: int) -> None:
        """Keep the height that so many more tokens will need; what is below does not move while they come."""
        if tokens != self._expected:
            self._expected = tokens
            self.updateGeometry()

    def set_most_rows(self, rows: int) -> None:
        """How many rows are shown before the strip scrolls."""
        if rows != self._most_rows:
            self._most_rows = rows
            self.updateGeometry()

    # What is shown

    @property
    def selected(self) -> int:
        """The selected token of the selected prompt, -1 for none."""
        return self._selected

    @property
    def prompt(self) -> int:
        """The selected prompt of the batch."""
        return self._prompt

    @property
    def measure_range(self) -> tuple[float, float] | None:
        """Smallest and largest value of the measure, None without any."""
        return self._range

    def chip_colour(self, share: float) -> QColor:
        """Background of a chip whose value lies at this share (0 to 1) of the measure's range."""
        return chip_colour(self.palette(), share)

    def description(self, token: int, prompt: int | None = None) -> str:
        """A token in words: its place, its text, its value."""
        number = self._prompt if prompt is None else prompt
        row = self._rows[number]
        kind = "special token" if _at(row.special, token) else "token"
        place = f"{'generated ' if self._is_generated(row, token) else ''}{kind} {token} of {len(row.texts)}"
        place = f"prompt {number + 1}, {place}" if self._batch else place
        text = f"{place}: {self._layout.label(number, token)}"
        value = self._value(number, token)
        if value is not None:
            unit = f" {self._measure_unit}" if self._measure_unit else ""
            text += f"\n{self._measure_name} {formatting.number(value)}{unit}"
        return text

    def chip(self, prompt: int, token: int) -> Chip:
        """What is to be seen of a token."""
        row, value = self._rows[prompt], self._value(prompt, token)
        share = math.nan
        if value is not None and math.isfinite(value):
            share = (value - self._low) / (self._high - self._low) if self._high > self._low else 0.0
        selected = (prompt, token) == (self._prompt, self._selected)
        return Chip(
            self._layout.label(prompt, token),
            share,
            _at(row.special, token),
            self._is_generated(row, token),
            selected,
            selected and self.hasFocus(),
            (prompt, token) == (self._prompt, self._pointed),
        )

    # Qt

    def hasHeightForWidth(self) -> bool:  # noqa: D102
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: D102
        rows = max(1, self._layout.rows_within(width - GRID // 2, self._most_rows, self._expected))
        wide = self._layout.width > width - GRID // 2
        return rows * ROW_STEP + GRID // 2 + (self.horizontalScrollBar().sizeHint().height() if wide else 0)

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
            self._make_layouts()
            self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not any(row.texts for row in self._rows):
            painter.setPen(self.palette().placeholderText().color())
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignVCenter, _EMPTY)
            return
        offset = self._offset()
        painter.translate(offset)
        area, left = event.rect().translated(-offset), self.horizontalScrollBar().value()
        self._layout.paint(painter, area, self.palette(), self.chip, self._prompt, left)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        prompt, token = self._at(event.position().toPoint())
        self._hover(token if prompt == self._prompt else -1)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: D102
        self._hover(-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        prompt, token = self._at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton:
            self._select(prompt, token)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier or not any(row.texts for row in self._rows):
            super().keyPressEvent(event)
            return
        wanted = self._layout.after(Qt.Key(event.key()), self._prompt, self._selected)
        if wanted is None:
            super().keyPressEvent(event)
            return
        self._select(*wanted)
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            prompt, token = self._at(event.pos())
            if token >= 0:
                QToolTip.showText(event.globalPos(), self.description(token, prompt), self.viewport())
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

    @property
    def _row(self) -> TokenRow:
        return self._rows[self._prompt]

    @property
    def _batch(self) -> bool:
        return len(self._rows) > 1

    @property
    def _layout(self) -> TokenParagraph | TokenLines:
        return self._lines if self._batch else self._paragraph

    def _make_layouts(self) -> None:
        measure = QFontMetrics(self.font()).horizontalAdvance
        self._paragraph, self._lines = TokenParagraph(measure), TokenLines(measure)

    def _arrange(self, first_new: int = 0) -> None:
        """Lay the chips out; only the rows from that of the first new chip on are painted anew."""
        layout, viewport = self._layout, self.viewport()
        height_before = self.heightForWidth(viewport.width())
        layout.set_rows(self._rows, viewport.width() - GRID // 2)
        page, across = viewport.height(), viewport.width() - GRID // 2
        for bar, length, room, step in (
            (self.verticalScrollBar(), layout.height, page, ROW_STEP),
            (self.horizontalScrollBar(), layout.width, across, 8 * GRID),
        ):
            bar.setRange(0, max(0, length - room))
            bar.setPageStep(room)
            bar.setSingleStep(step)
        as_needed = Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setHorizontalScrollBarPolicy(as_needed if self._batch else Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        if self.heightForWidth(viewport.width()) != height_before:
            # Only then: the layout of the whole window is worked out again.
            self.updateGeometry()
        top = layout.top_of(0, first_new) - self.verticalScrollBar().value() if first_new else 0
        viewport.update(viewport.rect().adjusted(0, max(0, top), 0, 0))

    def _offset(self) -> QPoint:
        return QPoint(_INSET - self.horizontalScrollBar().value(), _INSET - self.verticalScrollBar().value())

    def _value(self, prompt: int, token: int) -> float | None:
        row = self._values[prompt] if prompt < len(self._values) else ()
        return float(row[token]) if 0 <= token < len(row) else None

    def _is_generated(self, row: TokenRow, token: int) -> bool:
        return row.prompt_length is not None and token >= row.prompt_length

    def _at(self, place: QPoint) -> tuple[int, int]:
        return self._layout.at(place - self._offset())

    def _select(self, prompt: int, token: int) -> None:
        if prompt < 0:
            return
        if prompt != self._prompt:
            self._prompt = prompt
            self._selected = min(self._selected, len(self._row.texts) - 1)
            self._show_selected()
            self.promptSelected.emit(prompt)
        if token >= 0 and token != self._selected:
            self._selected = token
            self._show_selected()
            self.tokenSelected.emit(token)

    def _hover(self, token: int) -> None:
        if token != self._hovered:
            self._hovered = token
            self.tokenHovered.emit(token)

    def _show_selected(self) -> None:
        box = self._layout.shown(self._prompt, self._selected)
        if box is not None:
            for bar, start, end in (
                (self.verticalScrollBar(), box.top(), box.bottom() + ROW_STEP - box.height()),
                (self.horizontalScrollBar(), box.left(), box.right() + GRID),
            ):
                bar.setValue(min(max(bar.value(), end - bar.pageStep() + 1), start))
        self._describe()
        self.viewport().update()

    def _describe(self) -> None:
        tokens = sum(len(row.texts) for row in self._rows)
        if not tokens:
            self.setAccessibleDescription(_EMPTY)
        elif self._selected >= 0:
            self.setAccessibleDescription(self.description(self._selected))
        elif self._batch:
            self.setAccessibleDescription(
                f"prompt {self._prompt + 1} of {len(self._rows)}, {formatting.plural(len(self._row.texts), 'token')}"
            )
        else:
            self.setAccessibleDescription(formatting.plural(tokens, "token"))


def _at(flags: Sequence[bool], token: int) -> bool:
    return token < len(flags) and flags[token]
