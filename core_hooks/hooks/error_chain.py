"""Errors of somebody's code, short enough to be kept and written down: recursion leaves thousands of frames."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_ERRORS = 8  # of those that one was raised from, or while handling
_ENTRIES = 24  # at either end of a traceback


def shorten(error: BaseException) -> None:
    """Cut what led to an error after the eight nearest others, and long tracebacks in the middle.

    What caught itself calling itself leaves a thousand errors of a thousand frames each, which takes seconds to write
    down, and the memory that their variables hold.
    """
    kept = _nearest(error)
    for one in kept:
        shown = one.__suppress_context__
        if not _among(one.__cause__, kept):
            one.__cause__ = None
        if not _among(one.__context__, kept):
            one.__context__ = None
        one.__suppress_context__ = shown
        one.__traceback__ = _shortened(one.__traceback__)


def forget_values(error: BaseException) -> None:
    """Let go of the variables in the frames that an error, and what led to it, passed through: tensors among them."""
    for one in _nearest(error):
        trace = one.__traceback__
        traceback.clear_frames(trace)
        # Frames that were cut from the traceback are still held by those that they called.
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        _clear(trace.tb_frame if trace is not None else None)


def _nearest(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) <= _ERRORS:
        one = waiting.pop(0)
        if one is not None and not _among(one, found):
            found.append(one)
            waiting += (one.__cause__, one.__context__)
    return found


def _among(error: BaseException | None, errors: list[BaseException]) -> bool:
    # By identity: their classes are somebody's own, and may compare as they like.
    return error is None or any(error is one for one in errors)


def _shortened(trace: TracebackType | None) -> TracebackType | None:
    entries: list[TracebackType] = []
    at = trace
    while at is not None:
        entries.append(at)
        at = at.tb_next
    if len(entries) > 2 * _ENTRIES:
        entries[_ENTRIES - 1].tb_next = entries[-_ENTRIES]
    return trace


def _clear(frame: FrameType | None) -> None:
    while frame is not None:
        try:
            frame.clear()
        except RuntimeError:  # it still runs, and so do those that called it
            return
        frame = frame.f_back
