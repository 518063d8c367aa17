"""What is asked of the model thread beside runs: answered once, whatever happens, and never in the way of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from core_hooks.hooks.errors import RunCancelled
from core_hooks.model.errors import ModelError
from mi_crow_gui.document.hook_spec import HookSpec
from mi_crow_gui.engine.tasks import ModelTask, TaskDesk, TaskProgress, TaskResult
from tests.mi_crow_gui.engine.test_service import PROMPT, SITE, run

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.engine.service import ModelService


@dataclass(frozen=True, slots=True)
class Count(ModelTask):
    """Counts the parameters, telling how far it has come."""

    parts: int = 3

    @property
    def title(self) -> str:
        return "Counting"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> int:
        for part in range(self.parts):
            desk.progress(part + 1, self.parts, "parameters")
        return sum(parameter.numel() for parameter in opened.model.parameters())


@dataclass(frozen=True, slots=True)
class Raise(ModelTask):
    """Fails in one of three ways."""

    how: str

    @property
    def title(self) -> str:
        return "Failing"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> Any:
        if self.how == "model":
            raise ModelError("This model has no such thing.")
        if self.how == "stopped":
            raise RunCancelled("Stopped.")
        raise ZeroDivisionError("nobody expected this")


@dataclass(frozen=True, slots=True)
class Wait(ModelTask):
    """Goes on until it is told to stop."""

    yields_to_runs: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return "Waiting"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> Any:
        desk.progress(0, 0)
        desk.cancel.wait(20)
        raise RunCancelled("Stopped.")


@dataclass(frozen=True, slots=True)
class Stay(Wait):
    """The same, and a run does not end it."""

    yields_to_runs: ClassVar[bool] = False


def ended(qtbot: QtBot, service: ModelService, task: ModelTask) -> TaskResult:
    with qtbot.waitSignal(service.taskEnded, timeout=20_000) as blocker:
        assert service.ask(task)
    return blocker.args[0]


def test_a_task_gives_its_content_and_tells_how_far_it_has_come(qtbot: QtBot, service: ModelService) -> None:
    told: list[TaskProgress] = []
    service.taskProgressed.connect(told.append)
    result = ended(qtbot, service, Count())
    assert result.content > 0
    assert not result.problem
    assert [(progress.done, progress.total, progress.words) for progress in told] == [
        (1, 3, "parameters"),
        (2, 3, "parameters"),
        (3, 3, "parameters"),
    ]
    assert service.state == "ready"


@pytest.mark.parametrize(
    ("how", "problem", "cancelled", "has_details"),
    [
        ("model", "This model has no such thing.", False, False),
        ("stopped", "This was stopped before its end.", True, False),
        ("bug", "This could not be computed: ZeroDivisionError: nobody expected this", False, True),
    ],
)
def test_a_task_that_fails_is_answered_with_one_sentence_and_the_model_is_free_again(
    qtbot: QtBot, service: ModelService, how: str, problem: str, cancelled: bool, has_details: bool
) -> None:
    failures: list[object] = []
    service.failed.connect(failures.append)
    result = ended(qtbot, service, Raise(how))
    assert result.content is None
    assert (result.problem, result.cancelled, bool(result.details)) == (problem, cancelled, has_details)
    assert len(failures) == has_details
    assert run(qtbot, service).stopped == "done"


def test_one_thing_at_a_time(qtbot: QtBot, service: ModelService) -> None:
    with qtbot.waitSignal(service.taskProgressed, timeout=20_000):
        assert service.ask(Stay())
    assert not service.ask(Count())
    assert service.start("run", PROMPT, _settings()) == 0
    with qtbot.waitSignal(service.taskEnded, timeout=20_000) as blocker:
        service.stop()
    assert blocker.args[0].cancelled


def test_what_is_only_looked_at_gives_way_to_a_run(qtbot: QtBot, service: ModelService) -> None:
    with qtbot.waitSignal(service.taskProgressed, timeout=20_000):
        assert service.ask(Wait())
    with qtbot.waitSignals([service.taskEnded, service.runFinished], timeout=20_000):
        assert service.start("run", PROMPT, _settings()) == 1


def test_hooks_that_change_during_a_task_are_on_the_model_after_it(qtbot: QtBot, service: ModelService) -> None:
    with qtbot.waitSignal(service.taskProgressed, timeout=20_000):
        assert service.ask(Stay())
    service.set_hooks([HookSpec(SITE)])
    with qtbot.waitSignal(service.hookStates, timeout=20_000) as blocker:
        service.stop()
    assert [state.attached for state in blocker.args[0]] == [True]


def _settings() -> Any:
    from core_hooks.model.tokens import GenerationSettings

    return GenerationSettings(max_new_tokens=2)
