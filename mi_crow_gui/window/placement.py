"""The window's place on the screens: as large as planned, remembered, and always where it can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QPoint, QRect, QSize
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QStyle

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

PLANNED = QSize(1440, 900)
# As much of the title bar as one needs to drag a window by.
_HANDLE = QSize(120, 24)


def place(window: QWidget) -> None:
    """Give the window its planned size, or what the screen has of it, in the middle of the first screen."""
    screen = QGuiApplication.primaryScreen().availableGeometry()
    # The frame around it is not known before the window is shown; without room for it the status bar is off screen.
    title = QSize(0, window.style().pixelMetric(QStyle.PixelMetric.PM_TitleBarHeight))
    size = PLANNED.boundedTo(screen.size() - title)
    window.resize(size)
    window.move(screen.center() - QRect(QPoint(0, 0), size + title).center())


def restore(window: QWidget, geometry: bytes) -> bool:
    """Put the window where it was; in the middle of the first screen if that place is gone."""
    if not window.restoreGeometry(QByteArray(geometry)):
        return False
    if not is_reachable(window.frameGeometry(), [screen.availableGeometry() for screen in QGuiApplication.screens()]):
        place(window)
    return True


def is_reachable(frame: QRect, screens: list[QRect]) -> bool:
    """Whether enough of the top edge lies on some screen to see the window and drag it."""
    top = QRect(frame.topLeft(), QSize(frame.width(), _HANDLE.height()))
    for screen in screens:
        seen = top & screen
        if seen.width() >= min(_HANDLE.width(), frame.width()) and seen.height() >= _HANDLE.height() // 2:
            return True
    return False
