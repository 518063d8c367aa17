"""The chips of a batch: one line a prompt with its number, padding in its place."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt

from mi_crow_gui.document.formatting import count
from mi_crow_gui.panels.look import GRID, bold, mix, muted
from mi_crow_gui.panels.token_chip import paint_chip, paint_padding
from mi_crow_gui.panels.token_layout import CHIP_HEIGHT, ROW_STEP, along, chip_width, readable_token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QPainter, QPalette

    from mi_crow_gui.panels.token_chip import Chip
    from mi_crow_gui.panels.token_layout import TokenRow

_GAP = GRID // 2
_PAGE = 5
_MOVES = {
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageUp: -_PAGE,
    Qt.Key.Key_PageDown: _PAGE,
}


class TokenLines:
    """What a strip asks of where its chips are, for several prompts."""

    def __init__(self, measure: Callable[[str], int]) -> None:
        self._measure = measure
        self._known: dict[str, tuple[str, int]] = {}
        self._labels: list[list[str]] = []
        self._lefts: list[list[int]] = []
        self._ends: list[int] = []
        self._padding: list[list[tuple[int, int, str]]] = []
        self._gutter = 0
        self.width = 0

    @property
    def rows(self) -> int:
        """Number of lines."""
        return len(self._lefts)

    @property
    def height(self) -> int:
        """Height of all lines in pixels."""
        return self.rows * ROW_STEP

    def set_rows(self, rows: Sequence[TokenRow], width: int) -> None:
        """Lay these prompts out; a line is as long as it needs to be."""
        self._gutter = self._measure(count(len(rows))) + 3 * GRID
        self._labels, self._lefts, self._ends, self._padding, self.width = [], [], [], [], 0
        for row in rows:
            padding: list[tuple[int, int, str]] = []
            x = self._pad(row.before, self._gutter, padding)
            labels, lefts = [], []
            for text in row.texts:
                label, length = self._labelled(text)
                labels.append(label)
                lefts.append(x)
                x += length + _GAP
            self._ends.append(x - _GAP)
            self.width = max(self.width, self._pad(row.after, x, padding))
            self._labels.append(labels)
            self._lefts.append(lefts)
            self._padding.append(padding)

    def rows_within(self, width: int, limit: int, more: int = 0) -> int:
        """How many lines are shown, at most `limit`; they depend neither on the width nor on what comes."""
        return min(self.rows, limit)

    def label(self, prompt: int, token: int) -> str:
        """What stands on a chip."""
        return self._labels[prompt][token]

    def top_of(self, prompt: int, token: int) -> int:
        """Where the line of a prompt begins."""
        return prompt * ROW_STEP

    def box(self, prompt: int, token: int) -> QRect:
        """Where a token's chip lies."""
        lefts = self._lefts[prompt]
        end = lefts[token + 1] - _GAP if token + 1 < len(lefts) else self._ends[prompt]
        return QRect(lefts[token], prompt * ROW_STEP, end - lefts[token], CHIP_HEIGHT)

    def at(self, place: QPoint) -> tuple[int, int]:
        """Prompt and token at a place; each -1 for none."""
        row = place.y() // ROW_STEP
        if not (place.y() >= 0 and row < self.rows):
            return -1, -1
        token = bisect_right(self._lefts[row], place.x()) - 1
        return row, token if token >= 0 and self.box(row, token).contains(place) else -1

    def shown(self, prompt: int, token: int) -> QRect | None:
        """What has to be seen when this token is selected: its chip beside the number of the line."""
        if not prompt < self.rows:
            return None
        if not 0 <= token < len(self._lefts[prompt]):
            return QRect(0, prompt * ROW_STEP, 1, CHIP_HEIGHT)
        return self.box(prompt, token).adjusted(-self._gutter, 0, 0, 0)

    def after(self, key: Qt.Key, prompt: int, token: int) -> tuple[int, int] | None:
        """Prompt and token that a key leads to; None for a key without a meaning."""
        if key in _MOVES:
            to = max(0, min(self.rows - 1, prompt + _MOVES[key]))
            return to, min(token, len(self._lefts[to]) - 1)
        beside = along(key, token, len(self._lefts[prompt]) - 1)
        return None if beside is None else (prompt, beside)

    def paint(
        self,
        painter: QPainter,
        area: QRect,
        palette: QPalette,
        chip: Callable[[int, int], Chip],
        prompt: int,
        left: int,
    ) -> None:
        """Draw what lies in an area; the numbers of the lines stay at `left`."""
        window, plain = palette.window().color(), painter.font()
        tint = mix(window, palette.highlight().color(), 0.16)
        for row in range(max(0, area.top() // ROW_STEP), min(self.rows, area.bottom() // ROW_STEP + 1)):
            top, chosen = row * ROW_STEP, row == prompt
            if chosen:
                painter.fillRect(QRect(area.left(), top - 2, area.width(), ROW_STEP), tint)
            for x, length, words in self._padding[row]:
                paint_padding(painter, palette, QRect(x, top, length, CHIP_HEIGHT), words)
            lefts = self._lefts[row]
            first = max(0, bisect_right(lefts, area.left()) - 1)
            for token in range(first, bisect_right(lefts, area.right())):
                paint_chip(painter, palette, self.box(row, token), chip(row, token))
            number = QRect(left - 2, top - 2, self._gutter - GRID // 2, ROW_STEP)
            painter.fillRect(number, tint if chosen else window)
            painter.setFont(bold(plain) if chosen else plain)
            painter.setPen(palette.windowText().color() if chosen else muted(palette))
            words = f"▸{count(row + 1)}" if chosen else count(row + 1)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(number.adjusted(0, 0, -GRID, 0), right, words)
            painter.setFont(plain)

    def _labelled(self, text: str) -> tuple[str, int]:
        known = self._known.get(text)
        if known is None:
            label = readable_token(text)
            known = self._known[text] = (label, chip_width(label, self._measure))
        return known

    def _pad(self, tokens: int, x: int, padding: list[tuple[int, int, str]]) -> int:
        if not tokens:
            return x
        words = f"padding ×{count(tokens)}"
        length = chip_width(words, self._measure)
        padding.append((x, length, words))
        return x + length + _GAP
