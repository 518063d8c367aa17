"""How often a generation is shown follows from what showing costs it."""

from __future__ import annotations

import pytest

from mi_crow_gui.engine.live_share import LiveShare

BEAT = 0.016


class Clocks:
    """A thread that draws, and a model's thread that waits for it, as a test tells them to."""

    def __init__(self) -> None:
        self.now = self.spent = self.waiting = 0.0
        self.share = LiveShare(lambda: self.spent, lambda: self.now)
        self.share.begin()

    def rounds(self, seconds: float, cost: float, waiting: float) -> int:
        """Let time pass; every time that something may be shown it costs so much, of which the model waits a part."""
        shown = 0
        for _ in range(int(seconds / BEAT)):
            self.now += BEAT
            if self.share.allows():
                shown += 1
                self.spent += cost
                self.waiting += waiting
                self.share.waited(self.waiting)
        return shown


def test_what_keeps_the_model_waiting_takes_a_small_share_of_its_time() -> None:
    clocks = Clocks()
    clocks.rounds(2, 0.03, 0.03)
    shown = clocks.rounds(20, 0.03, 0.03)
    assert 0.04 < shown * 0.03 / 20 < 0.08


def test_where_what_is_followed_costs_the_model_itself_showing_has_half_the_share() -> None:
    clocks = Clocks()
    clocks.share.burdened = True
    clocks.rounds(2, 0.03, 0.03)
    shown = clocks.rounds(20, 0.03, 0.03)
    assert 0.02 < shown * 0.03 / 20 < 0.05
    clocks.share.begin()
    assert not clocks.share.burdened


def test_what_costs_the_model_nothing_is_shown_at_every_beat() -> None:
    clocks = Clocks()
    assert clocks.rounds(4, 0.012, 0.0) == int(4 / BEAT)


def test_a_model_that_waits_for_something_else_is_no_reason_to_show_less() -> None:
    clocks = Clocks()
    assert clocks.rounds(4, 0.0005, 0.016) == int(4 / BEAT)


def test_what_the_drawing_thread_takes_counts_too() -> None:
    clocks = Clocks()
    clocks.now = 1.0
    assert clocks.share.allows()
    clocks.share.drew(0.5)
    clocks.share.waited(0.5)
    assert not clocks.share.allows()


def test_an_expense_of_long_ago_is_forgotten_and_a_new_run_begins_without_one() -> None:
    clocks = Clocks()
    clocks.now, clocks.spent = 1.0, 0.9
    clocks.share.waited(0.9)
    assert not clocks.share.allows()
    clocks.now = 9.0
    assert clocks.share.allows()
    clocks.spent = 9.0
    clocks.share.waited(9.0)
    assert not clocks.share.allows()
    clocks.share.begin()
    assert clocks.share.allows()
    assert clocks.share.wanted


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_two_beats_at_once_are_no_matter(seconds: float) -> None:
    clocks = Clocks()
    clocks.now += seconds
    assert clocks.share.allows()
