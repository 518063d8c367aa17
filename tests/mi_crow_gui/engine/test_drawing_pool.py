"""Drawings are prepared elsewhere, and only the newest wish of a plot counts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mi_crow_gui.engine.drawing_pool import DrawingPool, DrawingWish
from mi_crow_gui.plotdata.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


def frame(step: int) -> Frame:
    return Frame(1, step, "h.0", "a", "before", np.zeros((1, 2, 3), np.float32), (1, 2, 3), "float32")


@pytest.fixture
def pool(qapp: object) -> Iterator[DrawingPool]:
    pool = DrawingPool()
    yield pool
    pool.shutdown()


def test_a_slow_plot_draws_only_the_newest_frame_that_came_meanwhile(qtbot: QtBot, pool: DrawingPool) -> None:
    began, go_on = threading.Event(), threading.Event()
    drawn: list[Any] = []
    pool.drawn.connect(lambda plot, step: drawn.append((plot, step)))

    def prepare(given: Frame, settings: object) -> int:
        began.set()
        go_on.wait(40)
        return given.step

    pool.ask(DrawingWish("p", frame(0), None, prepare))
    assert began.wait(40)
    for step in range(1, 6):
        pool.ask(DrawingWish("p", frame(step), None, prepare))
    go_on.set()
    qtbot.waitUntil(lambda: not pool.busy)
    # The first may be overtaken too, while it waits for its beat.
    assert drawn in ([("p", 0), ("p", 5)], [("p", 5)])


def test_a_plot_that_fails_says_so_and_the_others_go_on(qtbot: QtBot, pool: DrawingPool) -> None:
    drawn: list[Any] = []
    failed: list[Any] = []
    pool.drawn.connect(lambda plot, step: drawn.append(plot))
    pool.failed.connect(lambda plot, failure: failed.append((plot, failure.message)))

    def broken(given: Frame, settings: object) -> int:
        raise ValueError("it has one axis")

    pool.ask(DrawingWish("bad", frame(0), None, broken))
    pool.ask(DrawingWish("good", frame(0), None, lambda given, settings: 1))
    qtbot.waitUntil(lambda: bool(drawn and failed))
    assert drawn == ["good"]
    assert failed == [("bad", "This plot can't show 'h.0': it has one axis")]
