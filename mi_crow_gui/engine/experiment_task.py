"""An experiment that a plot asks for, as the model thread takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mi_crow_gui.engine.tasks import ModelTask

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.document.experiment_settings import ExperimentSettings
    from mi_crow_gui.engine.tasks import TaskDesk


@dataclass(frozen=True, slots=True)
class ExperimentTask(ModelTask):
    """Make an experiment for the plot `plot_id`; gives its content of `mi_crow_gui.plotdata`.

    The user's hooks look away meanwhile: variants run as rows of a batch, and a controller that was written for one
    prompt would change the wrong ones.
    """

    plot_id: str
    settings: ExperimentSettings

    @property
    def title(self) -> str:
        """What the status bar says while it goes on."""
        return self.settings.title

    def work(self, opened: OpenedModel, desk: TaskDesk) -> Any:
        """Make it."""
        from mi_crow_gui.engine.experiments import EXPERIMENTS

        return EXPERIMENTS[type(self.settings)](opened, self.settings, desk)
