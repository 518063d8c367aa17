"""Brings what the model thread leaves in the mailbox to the GUI: a little at every beat, everything at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from mi_crow_gui.engine.messages import LIVE, STATES, STEPS

if TYPE_CHECKING:
    from core_hooks.capture.mailbox import Mailbox

BEAT_MS = 16

# Every how many beats a key is delivered, and at which of them. What is shown for each costs the GUI thread several
# milliseconds; at different beats they never add up to one that is felt.
_TURNS = {STEPS: (6, 0), STATES: (12, 4), LIVE: (6, 2)}
_FRAMES_TURN = (2, 1)


class Feed(QObject):
    """Swaps the mailbox every 16 ms while something runs, and emits one signal for what is due at that beat."""

    arrived = Signal(object)

    def __init__(self, mailbox: Mailbox[str, object], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mailbox = mailbox
        self._waiting: dict[str, object] = {}
        self._beat = 0
        self._timer = QTimer(self)
        self._timer.setInterval(BEAT_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_timer_timeout)

    def start(self) -> None:
        """Begin to beat."""
        self._beat = 0
        self._timer.start()

    def stop(self) -> None:
        """Stop beating, after what is left has been delivered."""
        self._timer.stop()
        self.drain()

    def drain(self) -> None:
        """Deliver what is waiting now."""
        self._waiting.update(self._mailbox.take_all())
        if self._waiting:
            values, self._waiting = self._waiting, {}
            self.arrived.emit(values)

    @Slot()
    def _on_timer_timeout(self) -> None:
        self._beat += 1
        self._waiting.update(self._mailbox.take_all())
        due = {key: value for key, value in self._waiting.items() if self._is_due(key)}
        if due:
            self._waiting = {key: value for key, value in self._waiting.items() if key not in due}
            self.arrived.emit(due)

    def _is_due(self, key: str) -> bool:
        period, turn = _TURNS.get(key, _FRAMES_TURN)
        return self._beat % period == turn
