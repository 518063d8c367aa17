"""The line under a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QSizePolicy

from mi_crow_gui.panels.look import GRID, fixed_font

if TYPE_CHECKING:
    from PySide6.QtCore import QRect
    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QBoxLayout, QWidget


class FootLine(QLabel):
    """One line: what is under the cursor, else a warning, else a note. Its height never changes.

    Floating over a plot that is too low for it, it is seen only while something is under the cursor.
    """

    def __init__(self) -> None:
        super().__init__()
        self._floating = False
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._texts = {"readout": "", "warning": "", "note": ""}
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setFont(fixed_font())
        self.setContentsMargins(GRID, 0, GRID, 0)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(self.fontMetrics().height() + GRID // 2)

    def set_floating(self, floating: bool, column: QBoxLayout, picture: QWidget) -> None:
        """Whether it lies over the plot, rather than in its column below the picture."""
        self._floating = floating
        if floating:
            column.removeWidget(self)
            self.raise_()
        elif column.indexOf(self) < 0:
            column.insertWidget(column.indexOf(picture) + 1, self)
        self.setAutoFillBackground(floating)
        self.setVisible(not floating or bool(self._texts["readout"]))

    def lie_in(self, plot: QRect) -> None:
        """Take the lowest line of a plot, if it floats over it."""
        if self._floating:
            self.setGeometry(plot.left(), plot.bottom() + 1 - self.height(), plot.width(), self.height())

    def set_readout(self, text: str) -> None:
        """What is under the cursor."""
        self._set("readout", text)
        if self._floating:
            self.setVisible(bool(text))

    def set_warning(self, text: str) -> None:
        """Why what is shown is not the newest."""
        self._set("warning", text)

    def set_note(self, text: str) -> None:
        """What is said while nothing else is."""
        self._set("note", text)

    def _set(self, which: str, text: str) -> None:
        self._texts[which] = text
        shown = next((text for text in self._texts.values() if text), "")
        if shown != self.text():
            self.setText(shown)
            self.setToolTip(shown)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        room = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        self.style().drawItemText(
            painter, room, int(Qt.AlignmentFlag.AlignVCenter), self.palette(), True, text, self.foregroundRole()
        )
        painter.end()
