"""The check that hooks leave no trace, as the model thread does it: with every hook of the user taken off meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.engine.tasks import ModelTask

if TYPE_CHECKING:
    from core_hooks.model.clean_check import CleanReport
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.engine.tasks import TaskDesk


@dataclass(frozen=True, slots=True)
class CleanCheck(ModelTask):
    """Run `prompt` on the model and on a copy that was never hooked, and compare; gives a `CleanReport`."""

    prompt: str

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Checking that hooks leave no trace"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> CleanReport:
        """Take every hook off, compare, and put the hooks back."""
        from core_hooks.model.clean_check import check_clean
        from core_hooks.model.prompt import encode

        desk.attachments.suspend()
        try:
            return check_clean(opened, encode(opened, self.prompt))
        finally:
            desk.attachments.resume()
