"""The newest value of every capture hook in the newest run, as the GUI thread knows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mi_crow_gui.engine.messages import CaptureUpdate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np


class NewestFrames:
    """Takes what arrives of the run that goes on; what is of an older one is dropped."""

    def __init__(self) -> None:
        self._updates: dict[str, CaptureUpdate] = {}

    def clear(self) -> None:
        """Another run begins, or another model is there."""
        self._updates = {}

    def take(self, values: Mapping[str, object], run: int) -> dict[str, CaptureUpdate]:
        """Keep the updates among `values` that are of `run`, and give them back by hook id."""
        new = {
            key: value for key, value in values.items() if isinstance(value, CaptureUpdate) and value.frame.run == run
        }
        self._updates.update(new)
        return new

    def settle(self) -> dict[str, CaptureUpdate]:
        """The run has ended: nothing is live any more."""
        self._updates = {
            key: replace(update, frame=replace(update.frame, live=False)) for key, update in self._updates.items()
        }
        return self.all()

    def all(self) -> dict[str, CaptureUpdate]:
        """Newest update of every capture hook, by hook id."""
        return dict(self._updates)

    def value(self, site: str) -> np.ndarray | None:
        """Newest captured value of a site; after the controllers if both sides are captured."""
        updates = [update for update in self._updates.values() if update.frame.site == site]
        if not updates:
            return None
        from mi_crow_gui.plotdata.frame import side

        return max(updates, key=lambda update: side(update.frame.stage)).record.values
