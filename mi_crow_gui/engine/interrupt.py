"""Ending user code that never returns: an exception raised from outside, only while that code runs."""

from __future__ import annotations

import ctypes
import threading


class ControllerInterrupted(BaseException):
    """Raised inside a controller that went on after Stop; a BaseException, so that no `except Exception` eats it."""


class UserCodeGuard:
    """Knows whether the model thread is inside user code, and can raise there.

    The check and the raise happen under one lock with leaving, so the exception can't land after user code ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        # Until the lock is taken the interrupt may still land; it then replaces whatever was on its way.
        with self._lock:
            self._thread = None

    def interrupt(self) -> bool:
        """Raise `ControllerInterrupted` in the guarded thread if it is inside user code; True if it was."""
        with self._lock:
            if self._thread is None:
                return False
            raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(ControllerInterrupted)
            )
            return bool(raised == 1)
