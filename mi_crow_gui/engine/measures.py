"""Numbers about the newest token's values of a site, cheap enough for every capture: norm, zeros, change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.engine.messages import SiteMeasures

if TYPE_CHECKING:
    from core_hooks.capture.record import CaptureRecord


@dataclass(slots=True)
class _Seen:
    """The newest token's values of one hook: where its newest run began, and now."""

    run: int
    first: np.ndarray
    newest: np.ndarray


class Measures:
    """Measures captures; keeps one row of each hook, to know how far the next one is from it."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def forget(self) -> None:
        """Another model is open: nothing is comparable with what came before."""
        self._seen.clear()

    def measure(self, record: CaptureRecord) -> SiteMeasures:
        """Measure a capture; it changed from the step before, or at the beginning of a run from that of the last."""
        row = _newest(record.values)
        norm = float(np.linalg.norm(row))
        zeros = float(np.count_nonzero(row == 0)) / row.size if row.size else float("nan")
        seen = self._seen.get(record.hook_id)
        if seen is not None and seen.run == record.run:
            before: np.ndarray | None = seen.newest
            seen.newest = row
        else:
            before = seen.first if seen is not None else None
            self._seen[record.hook_id] = _Seen(record.run, row, row)
        change = float("nan")
        if before is not None and before.shape == row.shape:
            length = float(np.linalg.norm(before))
            difference = float(np.linalg.norm(row - before))
            # From nothing to something has no ratio; from nothing to nothing is no change.
            change = difference / length if length else (0.0 if not difference else float("nan"))
        return SiteMeasures(norm, zeros, change)


def _newest(values: np.ndarray) -> np.ndarray:
    """The values of the newest token, in full precision, in memory of its own."""
    if not values.size:
        return np.zeros(0)
    last = values.reshape(-1, values.shape[-1])[-1] if values.ndim else values.reshape(1)
    return np.array(last, np.float64)
