"""One tab of the plot board: up to four plots side by side and one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QSplitter, QWidget

from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QResizeEvent

FULL = 4
_ACROSS = 2
_LEAST_COLUMN = 26 * GRID
_WHOLE_ROW = 20 * GRID  # what is scrolled to is seen as a whole
_EASY_ROW = 25 * GRID  # a picture with its title, axis and foot line that is easily read


class PlotPage(QScrollArea):
    """Two rows of two, whose borders can be dragged; one below the other in a narrow page.

    In a low page they are as low as they can be read if then none is scrolled away, else as high as the page where
    that is enough, or as is easily read.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: list[QWidget] = []
        self._rows = [QSplitter(Qt.Orientation.Horizontal) for _ in range(FULL // _ACROSS)]
        self._whole = QSplitter(Qt.Orientation.Vertical)
        for row in self._rows:
            row.setChildrenCollapsible(False)
            row.setHandleWidth(GRID // 2)
            self._whole.addWidget(row)
        self._whole.setChildrenCollapsible(False)
        self._whole.setHandleWidth(GRID // 2)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(self._whole)
        # The keyboard goes to the plots.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    @property
    def full(self) -> bool:
        """True when no plot fits any more."""
        return len(self._shown) >= FULL

    def set_widgets(self, widgets: Sequence[QWidget]) -> None:
        """Show these, in reading order; sizes stay as they were while the same ones stay."""
        if list(widgets) == self._shown:
            return
        self._shown = list(widgets)
        for place, widget in enumerate(widgets):
            row = self._rows[place // _ACROSS]
            row.insertWidget(place % _ACROSS, widget)
            widget.setVisible(True)
        for row in self._rows:
            row.setVisible(row.count() > 0)
            row.setSizes([GRID * 100] * row.count())
        self._whole.setSizes([GRID * 100 if row.count() else 0 for row in self._rows])
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        narrow = self.width() < _ACROSS * _LEAST_COLUMN
        for row in self._rows:
            row.setOrientation(Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal)
        across = 1 if narrow else _ACROSS
        rows = [self._shown[first : first + across] for first in range(0, len(self._shown), across)]
        least = [max(widget.minimumSizeHint().height() for widget in row) for row in rows]
        between = self._whole.handleWidth() * (len(rows) - 1)
        height = sum(least) + between
        if height > self.height():
            easy = self.height() if _WHOLE_ROW <= self.height() < _EASY_ROW else _EASY_ROW
            height = sum(max(easy, low) for low in least) + between
        # One row takes what there is: nothing is gained by scrolling it.
        self._whole.setMinimumHeight(height if len(rows) > 1 else 0)
