"""The check of a model's files of weights, as the model thread does it: with progress, and a stop that works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.engine.tasks import ModelTask

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.reference import OpenProgress
    from core_hooks.model.weight_check import WeightCheck
    from mi_crow_gui.engine.tasks import TaskDesk


@dataclass(frozen=True, slots=True)
class WeightVerification(ModelTask):
    """Check the files that `source` was opened from; gives a tuple of `WeightCheck`."""

    source: str

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Verifying the weights"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> tuple[WeightCheck, ...]:
        """Read every file whole."""
        from core_hooks.hooks.errors import RunCancelled
        from core_hooks.model.errors import OpeningCancelled
        from core_hooks.model.weight_check import verify_weights

        def progress(at: OpenProgress) -> None:
            # Bytes of a large model are more than a signal's numbers hold.
            desk.progress(at.done >> 20, max(1, at.total >> 20), "MiB")

        try:
            return verify_weights(self.source, progress, desk.cancel)
        except OpeningCancelled as cancelled:
            raise RunCancelled from cancelled
