"""Two prompts laid over each other by token, before anything is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mi_crow_gui.engine.tasks import ModelTask

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.engine.tasks import TaskDesk
    from mi_crow_gui.plotdata.patching import PromptPair


@dataclass(frozen=True, slots=True)
class AlignmentTask(ModelTask):
    """Read two prompts with the model's tokenizer; gives a `PromptPair`."""

    a: str
    b: str
    yields_to_runs: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Aligning the prompts"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> PromptPair:
        """Read both."""
        from core_hooks.model.prompt import encode
        from mi_crow_gui.engine.patching_tasks import prompt_pair  # numpy comes with it, and the window is shown first

        return prompt_pair(encode(opened, self.a), encode(opened, self.b))
