"""The colour bar beside a heatmap, with its range in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolButton, QWidget

from mi_crow_gui.document.formatting import count, number
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.canvas import TOP
from mi_crow_gui.panels.plots.colours import VALUES
from mi_crow_gui.plotdata.analysis import WHOLE
from mi_crow_gui.plotdata.scale import LOCKED, MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QResizeEvent

    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.scale import Scale

_BAR = 12


# What the ranges of `mi_crow_gui.plotdata` are called on a button, and in a sentence.
_MODES = {
    PERCENTILE: ("1–99 %", "the 1st to the 99th percentile"),
    MIN_MAX: ("min–max", "the smallest to the largest value"),
    WHOLE: ("0–1", "0 to 1"),
    LOCKED: ("locked", "the locked range"),
}


class ColourBar(QWidget):
    """Shows what the colours mean; as tall as the picture beside it. `points`: of points on the background.

    Under it one click goes on to the next range (`modeChosen`), another keeps the present one (`lockToggled`).
    """

    modeChosen = Signal(str)
    lockToggled = Signal(bool)

    def __init__(self, colours: PlotColours, parent: QWidget | None = None, *, points: bool = False) -> None:
        super().__init__(parent)
        self._points = points
        self._colours = colours
        self._scale: Scale | None = None
        self._not_finite = self._blank = False
        self._below = 0
        self._next = ""
        self._offered = self._lockable = False
        self._mode = self._button("scaleMode")
        self._mode.clicked.connect(lambda: self.modeChosen.emit(self._next))
        self._lock = self._button("scaleLock")
        self._lock.setText("Lock")
        self._lock.setCheckable(True)
        self._lock.setAccessibleName("Lock the range of the colours")
        self._lock.setToolTip("Keep this range whatever values come")
        self._lock.clicked.connect(self.lockToggled)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)

    def _button(self, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(name)
        button.setAutoRaise(True)
        button.hide()
        return button

    def set_modes(self, modes: Sequence[str], mode: str, *, lockable: bool = False) -> None:
        """Offer these ranges, of which `mode` is shown; `lockable`: the present one can be kept. None: no buttons."""
        if not modes:
            self._offered = self._lockable = False
            self._place()
            return
        self._next = modes[(modes.index(mode) + 1) % len(modes)] if mode in modes else modes[0]
        self._mode.setText(_MODES[mode][0])
        self._mode.setToolTip(f"Colours span {_MODES[mode][1]}; click for {_MODES[self._next][1]}")
        self._mode.setAccessibleName(f"Range of the colours: {_MODES[mode][1]}")
        self._lock.setChecked(mode == LOCKED)
        self._offered, self._lockable = True, lockable
        self._place()

    def _place(self) -> None:
        left, line = 0, self.fontMetrics().height()
        # In a plot that is low they would cover the numbers; the menu has the same.
        room = self.height() >= TOP + 2 * line + self._mode.sizeHint().height()
        self._mode.setVisible(self._offered and room)
        self._lock.setVisible(self._lockable and room)
        for button in (self._mode, self._lock):
            button.resize(button.sizeHint())
            button.move(left, self.height() - button.height())
            left += button.width()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._place()

    def set_scale(self, scale: Scale, not_finite: bool, below: int, *, blank: bool = False) -> None:
        """Show this range; `not_finite` adds the colour of NaN and infinities, under the bar in `below` pixels.

        `blank` adds that of tokens without a partner in another run instead.
        """
        if (scale, not_finite, below, blank) != (self._scale, self._not_finite, self._below, self._blank):
            self._scale, self._not_finite, self._below, self._blank = scale, not_finite, below, blank
            low, high = self._text(scale.low), self._text(scale.high)
            self.setToolTip(f"{low} to {high}: {scale.note}")
            self.setAccessibleName(f"Colours show {low} to {high}, {scale.note}")
            self.updateGeometry()
            self.update()

    def recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""
        self._colours = colours
        self.update()

    def _text(self, value: float) -> str:
        return count(round(value)) if self._scale is not None and self._scale.whole else number(value)

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        # Room for the longest number, so that the picture does not move when the range does.
        numbers = _BAR + GRID // 2 + self.fontMetrics().horizontalAdvance("-1.234e-05") + GRID // 2
        buttons = self._lock.sizeHint().width() if self._lockable else 0
        if self._offered:
            buttons += max(self.fontMetrics().horizontalAdvance(words) for words, _ in _MODES.values()) + 2 * GRID
        return QSize(max(numbers, buttons), 8 * GRID)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        if self._scale is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._colours.background)
        metrics = self.fontMetrics()
        line = metrics.height()
        # From the picture's upper edge to its lower one.
        bar = QRect(0, TOP, _BAR, max(1, self.height() - self._below - TOP))
        table = self._colours.points_table() if self._points else self._colours.table(self._scale.diverging)
        upwards = np.ascontiguousarray(table[VALUES - 1 :: -1])
        painter.drawImage(bar, QImage(upwards.data, 1, VALUES, 4, QImage.Format.Format_RGB32))
        painter.setPen(self._colours.grid)
        painter.drawRect(bar.adjusted(0, 0, -1, -1))
        painter.setPen(self._colours.text)
        left = _BAR + GRID // 2
        upper = bar.top() + metrics.ascent()
        # Beside a bar that is lower than two lines the range goes on below it: the numbers never cover each other.
        numbers = [(self._scale.high, upper), (self._scale.low, max(bar.bottom(), upper + line))]
        if self._scale.diverging and bar.height() > 4 * line:
            numbers.append((0.0, bar.center().y() + metrics.ascent() // 2))
        for value, baseline in numbers:
            painter.drawText(left, baseline, self._text(value))
        if self._not_finite or self._blank:
            # Under the lower number, which may stand below a bar that is low.
            swatch = QRect(0, max(bar.bottom(), numbers[1][1]) + GRID // 2, _BAR, _BAR)
            painter.fillRect(swatch, self._colours.not_finite if self._not_finite else self._colours.grid)
            words = "NaN, ∞" if self._not_finite else "no partner"
            painter.drawText(QRect(left, swatch.top(), self.width(), _BAR), Qt.AlignmentFlag.AlignVCenter, words)
