"""A run as it is written: its name, its metadata, and what its detectors caught in each batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core_hooks.language_model import detector_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core_hooks.capture.store import Store
    from core_hooks.hooks import Detector


@dataclass(slots=True, eq=False)
class RunRecord:
    """Writes one run: metadata that says "not finished", the batches, metadata that says "finished".

    Attributes
    ----------
    meta
        What the metadata says besides ``run_name``, ``num_batches`` and ``finished``.
    detectors
        Gives the detectors to save.
    label
        What the layer of a detector is called in the store.
    in_batches
        Write a batch each; otherwise append each to the run as a whole.
    clear
        Drop from the detectors what was written.
    """

    store: Store
    name: str
    meta: dict[str, Any]
    detectors: Callable[[], Sequence[Detector]]
    label: Callable[[Detector], str]
    in_batches: bool = True
    clear: bool = True

    def write(self, index: int) -> None:
        """Write what the detectors hold as batch `index`."""
        if index == 0:
            self._put_meta(0, finished=False)
        detectors = self.detectors()
        detector_data.save(detectors, self.label, self.store, self.name, index if self.in_batches else None)
        if self.clear:
            detector_data.clear(detectors)

    def finish(self, count: int) -> None:
        """Note that all `count` batches are written."""
        self._put_meta(count, finished=True)

    def _put_meta(self, count: int, finished: bool) -> None:
        meta = {"run_name": self.name, **self.meta, "num_batches": count, "finished": finished}
        self.store.put_run_metadata(self.name, meta)


def choose_name(store: Store, wanted: str | None) -> str:
    """Return the name of a new run: the wanted one, else ``run_YYYYmmdd_HHMMSS``, numbered if that is taken.

    Raises
    ------
    ValueError
        The wanted run holds data already, which the new one would mix with.
    """
    if wanted is not None:
        if _holds_data(store, wanted):
            raise ValueError(
                f"Run '{wanted}' holds data already; give another run_name, or delete it with store.delete_run"
            )
        return wanted
    # Local time: the name is for the person at this machine.
    base = name = datetime.now().strftime("run_%Y%m%d_%H%M%S")
    number = 1
    while _holds_data(store, name) or store.get_run_metadata(name):
        number += 1
        name = f"{base}_{number}"
    return name


def _holds_data(store: Store, name: str) -> bool:
    if store.list_run_batches(name):
        return True
    try:
        return next(store.iter_run_detector_metadata(name), None) is not None
    except NotImplementedError:
        return False
