"""How long code that the user wrote may go on after Stop: it is interrupted again and again until it ends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

if TYPE_CHECKING:
    from PySide6.QtCore import QThread

    from mi_crow_gui.engine.interrupt import UserCodeGuard

log = logging.getLogger(__name__)

# How long a controller may go on after Stop before it is interrupted, and then from try to try; the promise is two
# seconds, also on a machine that has other things to do.
PATIENCE_MS = 250
_AGAIN_MS = 50
_TOLD_AFTER = 40  # tries
_LAST_TRIES = 60
_NEVER = (
    "The controller is in a call that can't be ended from outside; the model is busy until it comes back. Closing the "
    "window ends it."
)

# Threads that were left to a call that never comes back, with what must outlive them.
_LEFT: list[object] = []


class Patience(QObject):
    """Runs from Stop to the end of what was stopped, and interrupts user code that goes on.

    `lost` says, in a sentence, that trying does not help.
    """

    lost = Signal(str)

    def __init__(self, guard: UserCodeGuard, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._guard = guard
        self._tries = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timer_timeout)

    def start(self) -> None:
        """Something was stopped; user code has a moment to end by itself."""
        self._tries = 0
        self._timer.start(PATIENCE_MS)

    def stop(self) -> None:
        """It has ended."""
        self._timer.stop()

    def outlast(self, thread: QThread, owned: QObject) -> bool:
        """Wait for a thread to end, interrupting user code in it; False when it is left to a call that never returns.

        `owned` lives in that thread, and is kept as long as it.
        """
        self.stop()
        tries = 0
        while not thread.wait(_AGAIN_MS):
            tries += self._guard.interrupt()
            if tries > _LAST_TRIES:
                log.error("%s", _NEVER)
                # A thread that runs must not be destroyed.
                thread.setParent(None)
                _LEFT.append((thread, owned))
                return False
        return True

    @Slot()
    def _on_timer_timeout(self) -> None:
        self._tries += self._guard.interrupt()
        if self._tries == _TOLD_AFTER:
            log.warning("%s", _NEVER)
            self.lost.emit(_NEVER)
        self._timer.start(_AGAIN_MS)
