"""What stands in an empty list: what goes there, and how."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QAbstractItemView, QLabel

from mi_crow_gui.panels.look import GRID


class EmptyHint(QLabel):
    """A text over a view that is shown while the view's model has no rows."""

    def __init__(self, view: QAbstractItemView, text: str) -> None:
        super().__init__(text, view.viewport())
        self._view = view
        self._scrolling = view.horizontalScrollBarPolicy()
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setMargin(2 * GRID)
        self.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        # Clicks and wheels belong to the view underneath.
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        model = view.model()
        model.rowsInserted.connect(self._follow)
        model.rowsRemoved.connect(self._follow)
        model.modelReset.connect(self._follow)
        view.viewport().installEventFilter(self)
        self._follow()

    def set_text(self, text: str) -> None:
        """Say something else."""
        self.setText(text)
        self._follow()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self.setGeometry(self._view.viewport().rect())
        return False

    def _follow(self) -> None:
        empty = self._view.model().rowCount() == 0
        # There is nothing to scroll to beside columns without rows.
        self._view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff if empty else self._scrolling)
        self.setGeometry(self._view.viewport().rect())
        self.setVisible(empty)
        # A screen reader reads the view, not what lies over it.
        self._view.setAccessibleDescription(self.text() if empty else "")
