"""What a run leaves in the mailbox is told once the window knows of the run, and never after the end of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QObject, QTimer

from core_hooks.capture.mailbox import Mailbox
from mi_crow_gui.engine.arrivals import Arrivals
from mi_crow_gui.engine.live_share import LiveShare
from mi_crow_gui.engine.messages import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


class Window(QObject):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox: Mailbox[str, Any] = Mailbox()
        self.arrivals = Arrivals(self.mailbox, LiveShare(), self)
        self.told: list[Any] = []
        self.arrivals.promptStepsArrived.connect(self.told.append)


@pytest.fixture
def window() -> Iterator[Window]:
    made = Window()
    yield made
    made.arrivals.stop()


def test_steps_that_overtake_the_news_of_their_run_wait_for_it(qtbot: QtBot, window: Window) -> None:
    window.arrivals.begin(5)
    window.mailbox.put(STEPS, (5, (("first",),)))
    assert window.arrivals.latest("site") is None
    assert not any(timer.isActive() for timer in window.findChildren(QTimer))
    assert window.told == []
    window.arrivals.started()
    qtbot.waitUntil(lambda: window.told == [(("first",),)])


def test_at_the_end_all_that_is_left_is_told_and_what_is_of_another_run_is_not(window: Window) -> None:
    window.arrivals.begin(6)
    window.arrivals.started()
    window.mailbox.put(STEPS, (6, (("last",),)))
    window.arrivals.end()
    assert window.told == [(("last",),)]
    window.arrivals.begin(7)
    window.arrivals.started()
    window.mailbox.put(STEPS, (6, (("late",),)))
    window.arrivals.end()
    assert window.told == [(("last",),)]


def test_news_that_come_after_the_end_of_all_start_nothing(window: Window) -> None:
    window.arrivals.begin(8)
    window.arrivals.stop()
    window.arrivals.started()
    assert not any(timer.isActive() for timer in window.findChildren(QTimer))
