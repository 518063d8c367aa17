"""Parts of the open model named by hand, as the model thread takes them: checked on the model itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mi_crow_gui.engine.tasks import ModelTask

if TYPE_CHECKING:
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.reference import ModelReference
    from mi_crow_gui.engine.tasks import TaskDesk


@dataclass(frozen=True, slots=True)
class NamedParts:
    """The anatomy that follows from the names in `reference`, with reasons for what one forward did not confirm."""

    reference: ModelReference
    anatomy: Anatomy


@dataclass(frozen=True, slots=True)
class PartNaming(ModelTask):
    """Take `parts`, (part, path) pairs, for the open model; gives `NamedParts`, or changes nothing."""

    parts: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Checking the parts"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> NamedParts:
        """Find the parts with these names, and check them in a forward with every hook taken off."""
        from core_hooks.model.anatomy import discover
        from core_hooks.model.readout import verify
        from mi_crow_gui.engine.analyses import forget_anatomy

        before = opened.summary
        reference = replace(before.reference, parts=self.parts)
        opened.summary = replace(before, reference=reference)
        desk.attachments.suspend()
        try:
            anatomy = verify(opened, discover(opened))
        except Exception:
            opened.summary = before
            raise
        finally:
            desk.attachments.resume()
        forget_anatomy(opened)
        return NamedParts(reference, anatomy)
