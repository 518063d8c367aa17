"""Brings what the model thread leaves in the mailbox to the GUI: in rounds while it runs, everything at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from mi_crow_gui.engine.messages import LIVE, STATES, STEPS

if TYPE_CHECKING:
    from core_hooks.capture.mailbox import Mailbox
    from mi_crow_gui.engine.live_share import LiveShare

BEAT_MS = 16

# A round has so many beats at least: the eye follows no more than ten a second. And so many at most, whatever it costs.
_ROUND, _LONGEST = 6, 24
# At which beat of a round a key is delivered. What is shown for each costs the GUI thread several milliseconds; at
# different beats they never add up to one that is felt.
_TURNS = {STEPS: 0, STATES: 4}
_FRAMES_TURN = 2


class Feed(QObject):
    """Swaps the mailbox every 16 ms while something runs, and emits one signal for what is due at that beat.

    Each round shows the newest there is; how soon the next begins is up to what showing may cost the run.
    """

    arrived = Signal(object)

    def __init__(self, mailbox: Mailbox[str, object], share: LiveShare, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mailbox, self._share = mailbox, share
        self._waiting: dict[str, object] = {}
        self._beat = 0
        self._timer = QTimer(self)
        self._timer.setInterval(BEAT_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_timer_timeout)

    def start(self) -> None:
        """Begin to beat."""
        self._beat = _ROUND
        self._share.begin()
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
        allowed = self._share.allows()
        if self._waiting and self._beat >= (_ROUND if allowed else _LONGEST):
            self._beat = 0
            self._share.wanted = True
        due = {key: value for key, value in self._waiting.items() if self._is_due(key)}
        if due:
            self._waiting = {key: value for key, value in self._waiting.items() if key not in due}
            self.arrived.emit(due)

    def _is_due(self, key: str) -> bool:
        # What analyses show is made for the round that asked for it: it comes when it is there.
        return key == LIVE or self._beat == _TURNS.get(key, _FRAMES_TURN)
