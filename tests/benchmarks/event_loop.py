"""Waits as a program does that runs its event loop: one of our own around it would take time from the model."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_MS = 20


def wait(until: Callable[[], object], seconds: float = 300) -> None:
    """Let the window live until this is so; ends the program where it takes too long."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop, timer = QEventLoop(), QTimer()
    end = time.perf_counter() + seconds

    def look() -> None:
        if until() or time.perf_counter() > end:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(LOOK_MS)
    loop.exec()
    timer.stop()
    if not until():
        sys.exit("the inspector did not get there in time")
