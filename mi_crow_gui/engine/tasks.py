"""What can be asked of the model thread besides opening and running: frozen data that says what, and does it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.engine.archive import RunArchive
    from mi_crow_gui.engine.attachments import Attachments
    from mi_crow_gui.engine.interrupt import UserCodeGuard


class ModelTask:
    """Something to be done with the open model; subclasses are frozen dataclasses without Qt or tensors in them.

    Asked for with ``ModelService.ask``, answered by its signal ``taskEnded``. One task or run goes on at a time.

    Attributes
    ----------
    yields_to_runs
        True for what is only computed to be looked at: a run that is started meanwhile stops it and goes first.
    """

    __slots__ = ()
    yields_to_runs: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """What the status bar says while it goes on."""
        raise NotImplementedError

    def work(self, opened: OpenedModel, desk: TaskDesk) -> Any:
        """Do it, on the model thread; what it gives is `TaskResult.content`.

        Raises
        ------
        ModelError
            With one sentence for people, when this model or these inputs can't give it.
        RunCancelled
            When it saw that `desk.cancel` is set.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TaskDesk:
    """What a task finds on the model thread beside the model.

    Attributes
    ----------
    cancel
        Set when the task is to stop; whoever sees it raises `RunCancelled`.
    progress
        ``progress(done, total, words="")``: how far it has come; `total` 0 where nobody knows.
    attachments
        The user's hooks as they are on the model: `Attachments.aside` lets controllers act and detectors look away,
        `suspend` and `resume` take all of them off and put them back.
    guard
        To be entered around code that the user wrote, so that Stop can end it.
    runs
        The runs that are kept, the pinned ones among them.
    """

    cancel: threading.Event
    progress: Callable[..., None]
    attachments: Attachments
    guard: UserCodeGuard
    runs: RunArchive


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task has come: `done` of `total` (0: nobody knows), and what it is at, in words."""

    task: ModelTask
    done: int
    total: int
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TaskResult:
    """What came of a task: its content, or None and a sentence why there is none.

    `cancelled`: it was stopped, which is no property of the model. `details`: the traceback of what nobody expected.
    """

    task: ModelTask
    content: Any = None
    problem: str = ""
    cancelled: bool = False
    details: str = ""
