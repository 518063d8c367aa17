"""The chips of one prompt, wrapped like the words of a paragraph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from mi_crow_gui.panels.token_chip import paint_chip
from mi_crow_gui.panels.token_layout import ROW_STEP, TokenLayout, along

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import QPoint, QRect
    from PySide6.QtGui import QPainter, QPalette

    from mi_crow_gui.panels.token_chip import Chip
    from mi_crow_gui.panels.token_layout import TokenRow


class TokenParagraph(TokenLayout):
    """What a strip asks of where its chips are, for a single prompt: its number is always 0."""

    @property
    def width(self) -> int:
        """Nothing is ever beside the viewport."""
        return 0

    def set_rows(self, rows: Sequence[TokenRow], width: int) -> None:
        """Lay the prompt out."""
        self.set_tokens(rows[0].texts, width)

    def label(self, prompt: int, token: int) -> str:
        """What stands on a chip."""
        return self.labels[token]

    def top_of(self, prompt: int, token: int) -> int:
        """Where the row of a token begins."""
        return self.row(token) * ROW_STEP if token < len(self) else self.height

    def at(self, place: QPoint) -> tuple[int, int]:
        """Prompt and token at a place; the token is -1 for none."""
        return 0, self.token_at(place.x(), place.y())

    def shown(self, prompt: int, token: int) -> QRect | None:
        """What has to be seen when this token is selected; None where nothing is."""
        return self.box(token) if 0 <= token < len(self) else None

    def after(self, key: Qt.Key, prompt: int, token: int) -> tuple[int, int] | None:
        """Prompt and token that a key leads to; None for a key without a meaning."""
        beside = along(key, token, len(self) - 1)
        if beside is not None:
            return 0, beside
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and token >= 0:
            row = self.row(token) + (1 if key == Qt.Key.Key_Down else -1)
            near = self.nearest(self.box(token).center().x(), row)
            return 0, near if near >= 0 else token
        return None

    def paint(
        self,
        painter: QPainter,
        area: QRect,
        palette: QPalette,
        chip: Callable[[int, int], Chip],
        prompt: int,
        left: int,
    ) -> None:
        """Draw what lies in an area."""
        for token in self.row_tokens(area.top() // ROW_STEP, area.bottom() // ROW_STEP):
            paint_chip(painter, palette, self.box(token), chip(0, token))
