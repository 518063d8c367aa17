"""A site on one line: its middle left out where room is short, whole in the tooltip, copied whole."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QMenu, QWidget

from mi_crow_gui.document.formatting import elide_site
from mi_crow_gui.panels.look import GRID, fixed_font


class SiteLabel(QLabel):
    """Shows a dotted name in the fixed-width font."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._site: str | None = None
        self.setFont(fixed_font())
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu_requested)

    @property
    def site(self) -> str | None:
        """The site shown, None for none."""
        return self._site

    def set_site(self, site: str | None, instead: str = "") -> None:
        """Show a site ("" is the model itself); `instead` stands there when it is None."""
        self._site = site
        self.setText(instead if site is None else site or "(model)")
        self.setToolTip("" if site is None else self.text())

    def copy(self) -> None:
        """Put the whole name on the clipboard."""
        if self._site is not None:
            QGuiApplication.clipboard().setText(self._site)

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(8 * GRID, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102 - Qt's
        painter = QPainter(self)
        room = self.contentsRect()
        metrics = self.fontMetrics()
        text = elide_site(self.text(), lambda text: metrics.horizontalAdvance(text) <= room.width())
        text = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room.width())
        self.style().drawItemText(
            painter, room, int(self.alignment()), self.palette(), self.isEnabled(), text, self.foregroundRole()
        )
        painter.end()

    def _on_menu_requested(self, at: QPoint) -> None:
        if self._site is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy dotted path", self.copy)
        menu.popup(self.mapToGlobal(at))
