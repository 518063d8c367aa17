"""Room for a panel that may be lower than it needs: it is scrolled up and down, and as wide as it needs to be."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QSplitter

from mi_crow_gui.panels.look import GRID


class LowArea(QScrollArea):
    """Shows a splitter; while its parts stand side by side, that is scrolled sideways, too."""

    def __init__(self, name: str, content: QSplitter) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self._content = content
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's
        aside = self._content.orientation() == Qt.Orientation.Horizontal
        wide = 24 * GRID if aside else self._content.minimumSizeHint().width()
        return QSize(wide, 12 * GRID)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)
