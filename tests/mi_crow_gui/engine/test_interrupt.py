"""User code that never returns."""

from __future__ import annotations

import threading

import pytest

from mi_crow_gui.engine.interrupt import ControllerInterrupted, UserCodeGuard


def test_code_that_loops_forever_is_interrupted() -> None:
    guard = UserCodeGuard()
    entered = threading.Event()
    ended: list[str] = []

    def loop() -> None:
        try:
            with guard:
                entered.set()
                while True:
                    pass
        except ControllerInterrupted:
            ended.append("interrupted")

    thread = threading.Thread(target=loop)
    thread.start()
    assert entered.wait(40)
    assert guard.interrupt()
    thread.join(40)
    assert ended == ["interrupted"]


def test_a_bare_except_in_user_code_does_not_save_it_from_the_second_interrupt() -> None:
    guard = UserCodeGuard()
    entered, caught = threading.Event(), threading.Event()
    ended: list[str] = []

    def loop() -> None:
        try:
            with guard:
                entered.set()
                try:
                    while True:
                        pass
                except:  # noqa: E722
                    caught.set()
                while True:
                    pass
        except ControllerInterrupted:
            ended.append("interrupted")

    thread = threading.Thread(target=loop)
    thread.start()
    assert entered.wait(40)
    assert guard.interrupt()
    assert caught.wait(40)
    assert guard.interrupt()
    thread.join(40)
    assert ended == ["interrupted"]


def test_a_thread_that_is_starting_another_is_left_alone_until_it_has() -> None:
    guard = UserCodeGuard()
    starting, may_go_on = threading.Event(), threading.Event()
    ended: list[str] = []

    class Slow(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            starting.set()
            return may_go_on.wait(10) and super().wait(timeout)

    def code() -> None:
        try:
            with guard:
                child = threading.Thread(target=ended.append, args=("the other ran",))
                child._started = Slow()  # type: ignore[attr-defined]
                child.start()
                child.join()
                while True:
                    pass
        except ControllerInterrupted:
            ended.append("interrupted")

    thread = threading.Thread(target=code)
    thread.start()
    assert starting.wait(5)
    for _ in range(3):
        assert guard.interrupt()
    may_go_on.set()
    while thread.is_alive():
        guard.interrupt()
        thread.join(0.05)
    assert ended == ["the other ran", "interrupted"]


def test_nothing_is_raised_outside_user_code() -> None:
    guard = UserCodeGuard()
    assert not guard.interrupt()
    with guard:
        pass
    assert not guard.interrupt()


def test_an_error_of_user_code_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), UserCodeGuard():
        _ = 1 / 0
