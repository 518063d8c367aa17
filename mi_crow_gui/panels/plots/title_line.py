"""The line above a plot: its site with colour and name, which run it shows, the options menu, the button to close."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.menu_button import MenuButton
from mi_crow_gui.panels.site_label import SiteLabel

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPaintEvent

_OPTIONS, _OPTIONS_SHORT = "Options", "⋯"


class Swatch(QWidget):
    """The colour of a site as a small square."""

    def __init__(self) -> None:
        super().__init__()
        self._colour: QColor | None = None
        self.setFixedSize(GRID + 2, GRID + 2)

    def set_colour(self, colour: QColor | None) -> None:
        """Show a colour, or nothing."""
        self._colour = colour
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        if self._colour is not None:
            painter = QPainter(self)
            painter.fillRect(self.rect(), self._colour)


class TitleLine(QHBoxLayout):
    """Lays out the line in `owner`, which listens to `menu` and `close` and fills the menu when it opens."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__()
        self._swatch = Swatch()
        self._name = SiteLabel()
        self._name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.when = QLabel()
        self.when.setTextFormat(Qt.TextFormat.PlainText)
        self.menu = QMenu(owner)
        self._options = MenuButton(_OPTIONS)
        self._options.setAccessibleName("Plot options")
        self._options.setObjectName("plotOptions")
        self._options.setToolTip("Scale, what is shown, export")
        self._options.setMenu(self.menu)
        self.close = QToolButton()
        self.close.setText("×")
        self.close.setObjectName("plotClose")
        self.close.setAccessibleName("Close this plot")
        self.close.setToolTip("Close this plot")
        self.close.setAutoRaise(True)
        self.set_margin(0)
        self.setSpacing(GRID)
        for widget, stretch in ((self._swatch, 0), (self._name, 1), (self.when, 0)):
            self.addWidget(widget, stretch)
        buttons = QHBoxLayout()
        buttons.setSpacing(0)
        buttons.addWidget(self._options)
        buttons.addWidget(self.close)
        self.addLayout(buttons)

    def set_site(self, site: str | None, colour: QColor | None) -> None:
        """Name the site that the plot is about, with its colour."""
        self._name.set_site(site, instead="No site selected")
        self._swatch.set_colour(colour)

    def set_words(self, words: str) -> None:
        """Name what the plot is about when that is no site."""
        self._swatch.setVisible(False)
        self._name.set_site(None, instead=words)

    def set_narrow(self, narrow: bool) -> None:
        """In a narrow plot the site needs the room more than the word on the menu does."""
        self._options.setText(_OPTIONS_SHORT if narrow else _OPTIONS)

    def set_margin(self, right: int) -> None:
        """How far the line ends from the edge of the plot."""
        self.setContentsMargins(GRID, 0, right, 0)
