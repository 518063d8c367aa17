"""Words with their probabilities as bars: what the model expects at one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget

from mi_crow_gui.document.formatting import number, percent
from mi_crow_gui.panels.look import GRID, bold, fixed_font, mix
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QEvent

    from core_hooks.model.tokens import Candidate
    from mi_crow_gui.panels.plots.colours import PlotColours

_WORDS = 14  # characters for which there is room before the bars begin
_CAME = "◀ came"


class CandidateBars(QWidget):
    """One row a word: its place, its text, a bar from 0 to 1, its probability; the one that came is marked."""

    pointed = Signal(str)

    def __init__(self, colours: PlotColours, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self._rows: list[tuple[int, Candidate]] = []
        self._came = -1
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def rows(self) -> list[tuple[int, Candidate]]:
        """What is shown: place among all words, and the word."""
        return list(self._rows)

    def set_candidates(self, candidates: Sequence[Candidate], came: Candidate | None = None, rank: int = -1) -> None:
        """Show the likeliest words; the one that came is added below when it is not among them."""
        self._rows = list(enumerate(candidates))
        self._came = came.token_id if came is not None else -1
        if came is not None and rank >= len(candidates):
            self._rows.append((rank, came))
        words = [f"{candidate.text!r} {percent(candidate.probability)}" for _, candidate in self._rows]
        self.setAccessibleName(f"Likeliest next tokens: {', '.join(words)}" if words else "Likeliest next tokens")
        # A list too long for its place is scrolled, not squeezed.
        self.setMinimumHeight(len(self._rows) * self.fontMetrics().height() + GRID)
        self.update()

    def scrolled(self) -> QScrollArea:
        """The list in a frame in which it can be scrolled."""
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setWidget(self)
        return area

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        self._colours = colours
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(30 * GRID, 20 * GRID)

    def _height(self) -> float:
        line = self.fontMetrics().height()
        return max(line, min(3.0 * GRID, (self.height() - GRID) / max(1, len(self._rows))))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        colours = self._colours
        painter.fillRect(self.rect(), colours.background)
        font = fixed_font()
        painter.setFont(font)
        metrics = painter.fontMetrics()
        letter = metrics.horizontalAdvance("0")
        height, left = self._height(), GRID + letter * 4 + GRID
        words = max(6, min(_WORDS, (self.width() - left) // (3 * letter)))
        start = left + letter * words + GRID
        marked = letter * (len(_CAME) + 3) if self._came >= 0 else 0
        room = self.width() - start - letter * 9 - marked - GRID
        align = Qt.AlignmentFlag.AlignVCenter
        for place, (rank, candidate) in enumerate(self._rows):
            top = GRID / 2 + place * height
            came = candidate.token_id == self._came
            painter.setFont(bold(font) if came else font)
            painter.setPen(colours.quiet)
            painter.drawText(
                QRectF(GRID, top, letter * 4, height), align | Qt.AlignmentFlag.AlignRight, _short_rank(rank)
            )
            painter.setPen(colours.text)
            text = metrics.elidedText(readable_token(candidate.text), Qt.TextElideMode.ElideRight, letter * words)
            painter.drawText(QRectF(left, top, letter * words, height), align, text)
            if room > 3 * GRID:
                bar = QRectF(start, top + height * 0.2, room, height * 0.6)
                painter.fillRect(bar, mix(colours.background, colours.text, 0.06))
                bar.setWidth(max(1.0, room * candidate.probability))
                painter.fillRect(bar, colours.accent)
            after = start + (room + GRID if room > 3 * GRID else 0)
            words_after = percent(candidate.probability) + (f"  {_CAME}" if came else "")
            painter.drawText(QRectF(after, top, self.width() - after, height), align, words_after)
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102 - Qt's
        place = int((event.position().y() - GRID / 2) // self._height())
        if 0 <= place < len(self._rows):
            rank, candidate = self._rows[place]
            self.pointed.emit(
                f"rank {rank} · {readable_token(candidate.text)} (id {candidate.token_id}) · probability "
                f"{candidate.probability!r} · logit {number(candidate.logit)}"
            )
        else:
            self.pointed.emit("")

    def leaveEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().leaveEvent(event)
        self.pointed.emit("")


def _short_rank(rank: int) -> str:
    return str(rank) if rank < 1000 else f"{rank // 1000}k"
