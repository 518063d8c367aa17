"""Brings what the model thread leaves in the mailbox to the GUI, once a screen refresh at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal

if TYPE_CHECKING:
    from core_hooks.capture.mailbox import Mailbox

BEAT_MS = 16


class Feed(QObject):
    """Swaps the mailbox every 16 ms while something runs and emits one signal for all that came."""

    arrived = Signal(object)

    def __init__(self, mailbox: Mailbox[str, object], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mailbox = mailbox
        self._timer = QTimer(self)
        self._timer.setInterval(BEAT_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.drain)

    def start(self) -> None:
        """Begin to beat."""
        self._timer.start()

    def stop(self) -> None:
        """Stop beating, after what is left has been delivered."""
        self._timer.stop()
        self.drain()

    def drain(self) -> None:
        """Deliver what is waiting now."""
        if self._mailbox:
            self.arrived.emit(self._mailbox.take_all())
