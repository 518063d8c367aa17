"""Where the chips of a token strip lie, beside and below each other."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt

from mi_crow_gui.document.readable import readable_token as readable_token
from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHIP_HEIGHT = 3 * GRID
ROW_STEP = CHIP_HEIGHT + GRID // 2


@dataclass(frozen=True, slots=True)
class TokenRow:
    """The tokens of one prompt; those from `prompt_length` on were generated (None: none was).

    `before` and `after` count the padding on either side.
    """

    texts: tuple[str, ...]
    special: tuple[bool, ...] = ()
    prompt_length: int | None = None
    before: int = 0
    after: int = 0


def along(key: Qt.Key, token: int, last: int) -> int | None:
    """The token of 0 to `last` that a key for moving within a text leads to; None for any other key."""
    if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
        return max(0, min(last, token + (1 if key == Qt.Key.Key_Right else -1)))
    if key in (Qt.Key.Key_Home, Qt.Key.Key_End):
        return 0 if key == Qt.Key.Key_Home else last
    return None


def chip_width(label: str, measure: Callable[[str], int]) -> int:
    """Width of a chip with these words."""
    return measure(label) + 2 * GRID


class TokenLayout:
    """Chips from left to right in rows, as wide as their text; nothing is measured twice."""

    def __init__(self, measure: Callable[[str], int]) -> None:
        self._measure = measure
        self._width = 1
        self._boxes: list[tuple[int, int, int]] = []  # left, row, width
        self._row_starts: list[int] = []
        self._texts: list[str] = []
        self._lengths: list[int] = []
        self.labels: list[str] = []
        self._known: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._boxes)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._row_starts)

    @property
    def height(self) -> int:
        """Height of all rows in pixels."""
        return self.rows * ROW_STEP

    def set_tokens(self, texts: Sequence[str], width: int) -> None:
        """Lay out these tokens in rows of `width` pixels; what merely grew at the end is only appended."""
        texts = list(texts)
        known = len(self._texts)
        if texts[:known] != self._texts:
            self.labels, self._lengths, known = [], [], 0
        self._texts = texts
        for text in texts[known:]:
            self.labels.append(readable_token(text))
            length = self._known.get(text)
            if length is None:
                length = self._known[text] = chip_width(self.labels[-1], self._measure)
            self._lengths.append(length)
        if max(1, width) != self._width or known == 0:
            self._boxes, self._row_starts, self._width, known = [], [], max(1, width), 0
        for length in self._lengths[known:]:
            self._append(length)

    def rows_within(self, width: int, limit: int, more: int = 0) -> int:
        """How many rows the tokens, and `more` like them, would take at a width, counted no further than `limit`."""
        rows, left = (1 if self._boxes else 0), 0
        usual = sum(self._lengths) // len(self._lengths) if self._lengths else 0
        for length in chain(self._lengths, repeat(usual, more)):
            own = min(length, width)
            if left and left + own > width:
                rows, left = rows + 1, 0
                if rows >= limit:
                    return limit
            left += own + GRID // 2
        return rows

    def row_tokens(self, first_row: int, last_row: int) -> range:
        """The tokens that lie in these rows, both included."""
        if not self._row_starts or first_row >= self.rows:
            return range(0)
        first = self._row_starts[max(0, first_row)]
        end = self._row_starts[last_row + 1] if last_row + 1 < self.rows else len(self._boxes)
        return range(first, end)

    def box(self, token: int) -> QRect:
        """Where a token's chip lies."""
        left, row, width = self._boxes[token]
        return QRect(left, row * ROW_STEP, width, CHIP_HEIGHT)

    def row(self, token: int) -> int:
        """The row of a token."""
        return self._boxes[token][1]

    def token_at(self, x: int, y: int) -> int:
        """The token under a point, -1 for none."""
        row = y // ROW_STEP
        tokens = self.row_tokens(row, row) if y >= 0 else range(0)
        at = bisect_right(tokens, x, key=lambda token: self._boxes[token][0]) - 1
        return tokens[at] if at >= 0 and self.box(tokens[at]).contains(x, y) else -1

    def nearest(self, x: int, row: int) -> int:
        """The token of a row that is closest to `x`, -1 if there is no such row."""
        tokens = self.row_tokens(row, row) if 0 <= row < self.rows else range(0)
        return min(tokens, key=lambda token: abs(self.box(token).center().x() - x), default=-1)

    def _append(self, width: int) -> None:
        width = min(width, self._width)
        left, row = 0, 0
        if self._boxes:
            before_left, row, before_width = self._boxes[-1]
            left = before_left + before_width + GRID // 2
        if not self._boxes or left + width > self._width:
            left, row = 0, self.rows
            self._row_starts.append(len(self._boxes))
        self._boxes.append((left, row, width))
