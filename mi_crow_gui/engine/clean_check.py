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
class CheckedClean:
    """What a check found, and how many hooks were taken off for it, were still there meanwhile, and were put back."""

    report: CleanReport
    taken_off: int
    left_meanwhile: int
    put_back: int

    @property
    def clean(self) -> bool:
        """Nothing of ours was left in the modules or in the numbers, and all that was taken off is back."""
        return self.report.clean and not self.left_meanwhile and self.taken_off == self.put_back


@dataclass(frozen=True, slots=True)
class CleanCheck(ModelTask):
    """Run `prompt` on the model and on a copy that was never hooked, and compare; gives a `CheckedClean`."""

    prompt: str

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Checking that hooks leave no trace"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> CheckedClean:
        """Take every hook off, compare, and put the hooks back."""
        from core_hooks.model.clean_check import check_clean
        from core_hooks.model.prompt import encode

        before = desk.attachments.census()
        desk.attachments.suspend()
        try:
            meanwhile = desk.attachments.census()
            report = check_clean(opened, encode(opened, self.prompt))
        finally:
            desk.attachments.resume()
        return CheckedClean(report, before - meanwhile, meanwhile, desk.attachments.census() - meanwhile)
