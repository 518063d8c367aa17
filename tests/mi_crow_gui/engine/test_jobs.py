"""Work away from the GUI thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from mi_crow_gui.engine.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


@pytest.fixture
def jobs(qapp: object) -> Iterator[Jobs]:
    pool = Jobs()
    yield pool
    pool.shutdown()


def test_the_work_runs_elsewhere_and_the_answer_arrives_here(qtbot: QtBot, jobs: Jobs) -> None:
    answers: list[Any] = []
    jobs.run("count", threading.get_ident, lambda ident: answers.append((ident, threading.get_ident())), answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    worked, answered = answers[0]
    assert worked != threading.get_ident()
    assert answered == threading.get_ident()
    assert not jobs.busy


def test_an_exception_becomes_one_sentence_with_its_traceback_behind(qtbot: QtBot, jobs: Jobs) -> None:
    failures: list[Any] = []

    def fail() -> None:
        raise OSError("the disk\nis full")

    jobs.run("save", fail, failures.append, failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert failures[0].task == "save"
    assert failures[0].message == "the disk is full"
    assert "Traceback" in failures[0].details
