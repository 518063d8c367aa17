"""Statistics of the channels of a captured site: those kept while capturing, else worked out from the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.channel_statistics import ChannelAccumulator, ChannelStatistics
from core_hooks.capture.index import CaptureError
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.capture.reader import Capture, StoredSite


def site_statistics(
    capture: Capture,
    site: StoredSite | str,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> ChannelStatistics:
    """Return the statistics of every channel of a site.

    Those that were kept cost nothing; where they are missing or damaged, and in the capture of a run, every row is
    read, in pieces.

    Parameters
    ----------
    on_progress
        Called with the rows done and their number.
    cancel
        Checked between pieces.

    Raises
    ------
    CaptureError
        There is no such site, or its rows can't be read.
    RunCancelled
        `cancel` was set.
    """
    found = capture.site(site) if isinstance(site, str) else site
    if capture.index.kind == "corpus":
        try:
            kept = capture.statistics(found)
            if kept.mean.shape == (found.channels,):
                return kept
        except CaptureError:
            pass  # what was kept is gone or damaged; the rows tell the same
    accumulator = ChannelAccumulator(found.channels)
    for start, values in capture.pieces(found):
        if cancel is not None and cancel.is_set():
            raise RunCancelled("The statistics were cancelled.")
        if on_progress is not None:
            on_progress(start - found.first_row, found.rows)
        accumulator.add(values.astype(np.float32), np.arange(start, start + len(values)))
    return accumulator.result()
