"""Files dropped onto a window, whatever widget lies under the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_MOVES = (QEvent.Type.DragEnter, QEvent.Type.DragMove)


class FileDrop(QObject):
    """Takes files before any widget of the window sees them; text that is dragged goes to the text boxes as ever.

    It listens to the native window rather than to widgets: a text box would paste the name of a dropped file, and a
    plot would swallow it.
    """

    dropped = Signal(list)

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._handle: QObject | None = None
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102 - Qt's
        kind = event.type()
        if watched is self._widget:
            if kind in (QEvent.Type.Show, QEvent.Type.WinIdChange):
                self._listen()
            return False
        if kind in _MOVES and isinstance(event, (QDragEnterEvent, QDragMoveEvent)) and local_files(event):
            event.acceptProposedAction()
            return True
        if kind == QEvent.Type.Drop and isinstance(event, QDropEvent):
            paths = local_files(event)
            if paths:
                event.acceptProposedAction()
                self.dropped.emit(paths)
                return True
        return False

    def _listen(self) -> None:
        handle = self._widget.windowHandle()
        if handle is not None and handle is not self._handle:
            self._handle = handle
            handle.installEventFilter(self)


def local_files(event: QDropEvent) -> list[str]:
    """The files and folders of this machine that are being dragged."""
    return [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
