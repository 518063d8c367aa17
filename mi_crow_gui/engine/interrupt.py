"""Ending user code that never returns: an exception raised from outside, only while that code runs."""

from __future__ import annotations

import ctypes
import dis
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mi_crow_gui.engine.memory_fence import MemoryFence
from mi_crow_gui.engine.printed import Printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_OWN_TEXT = "<controller "  # how the file names of controllers begin
_AGAIN = 0.05  # seconds between two tries to end code that took too long
# While a thread starts another, Python knows both by one number: the new one would be hit, and the old one would wait
# for ever for it to begin.
_STARTS, _NEAR = threading.Thread.start.__code__, 8
_ROOM, _ROOMS = 64, 20  # frames, and how often that many more
# Where Python begins and ends to handle an exception it can't stand another: the stack is not what its tables say.
_BETWEEN = frozenset(dis.opmap[name] for name in ("PUSH_EXC_INFO", "POP_EXCEPT") if name in dis.opmap)


class ControllerInterrupted(BaseException):
    """Raised inside a controller that went on after Stop; a BaseException, so that no `except Exception` eats it."""


class _Insistent(ControllerInterrupted):
    """A bare `except:` eats the plain one: this is made an instance at that moment, inside the code that is to end.

    From then on every line of a controller raises again.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        frame: FrameType | None = sys._getframe(1)
        if frame is None or not _in_controller(frame):
            return
        sys.setprofile(_rearm)
        sys.settrace(_raise_again)
        while frame is not None:
            if _is_controllers(frame):
                frame.f_trace = _raise_again
            frame = frame.f_back


class _Again(ControllerInterrupted):
    """What those lines raise. Python lets go of a trace function that raised; where this one is caught, it is back."""

    def __del__(self) -> None:
        if sys.getprofile() is _rearm:
            _rearm(sys._getframe(1), "return", None)


class UserCodeGuard:
    """Surrounds code that the user wrote: knows whether the model thread is inside, and can raise there.

    The check and the raise happen under one lock with leaving, so the exception can't land after user code ended.
    What that code prints goes to the log meanwhile, and it can't take more memory than there is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._depth = 0
        self._interrupted = 0
        self._recursion = sys.getrecursionlimit()
        self.fence = MemoryFence()
        self.printed = Printed()

    @property
    def inside(self) -> bool:
        """Whether user code runs now."""
        return self._thread is not None

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        self.printed.begin()
        self.fence.put_up()
        self._recursion = sys.getrecursionlimit()
        with self._lock:
            self._thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        # Until the lock is taken the interrupt may still land; it then replaces whatever was on its way.
        try:
            with self._lock:
                self._thread = None
        finally:
            self._thread = None
            if self._interrupted:
                self._interrupted = 0
                sys.setprofile(None)
                sys.settrace(None)
                sys.setrecursionlimit(self._recursion)
            self.fence.take_down()
            self.printed.end()

    def interrupt(self) -> bool:
        """Raise `ControllerInterrupted` in the guarded thread if it is inside user code; True if it was.

        Not while it starts a thread, which takes a moment: who tries again comes through.
        """
        with self._lock:
            if self._thread is None:
                return False
            if _starts_a_thread(sys._current_frames().get(self._thread)):
                return True
            self._interrupted += 1
            kind = ControllerInterrupted if self._interrupted % 2 else _Insistent
            if self._interrupted <= _ROOMS:
                # What recurses as deep as it can leaves no room to be ended in.
                sys.setrecursionlimit(sys.getrecursionlimit() + _ROOM)
            raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(kind))
            return bool(raised == 1)

    @contextmanager
    def limited(self, seconds: float, on_limit: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Surround code that has to end within a time, after which it is interrupted."""
        ended = threading.Event()

        def watch() -> None:
            if not ended.wait(seconds):
                on_limit()
                while self.interrupt() and not ended.wait(_AGAIN):
                    pass

        watcher = threading.Thread(target=watch, name="controller time limit", daemon=True)
        watcher.start()
        try:
            with self:
                yield
        finally:
            ended.set()
            watcher.join()


def _raise_again(frame: FrameType, event: str, argument: object) -> Any:
    if not _is_controllers(frame):
        return None
    if event not in ("call", "line", "opcode"):
        return _raise_again
    if frame.f_code.co_code[frame.f_lasti] in _BETWEEN:
        frame.f_trace_opcodes = True
        return _raise_again
    caught = sys.exc_info()[1]
    if caught is not None:
        # What was caught on the way out would make a chain as long as that way. Its traceback stays: Python lends it
        # to the `__exit__` of a `with` without holding it.
        caught.__context__ = None
    raise _Again


def _rearm(frame: FrameType | None, event: str, argument: object) -> None:
    """Let the next line raise, here or where this was called from; Python tells of every call and return."""
    sys.settrace(_raise_again)
    for near in (frame, frame.f_back if frame is not None else None):
        if near is not None and _is_controllers(near):
            near.f_trace = _raise_again


def _starts_a_thread(frame: FrameType | None) -> bool:
    for _ in range(_NEAR):
        if frame is None:
            return False
        if frame.f_code is _STARTS:
            return True
        frame = frame.f_back
    return False


def _is_controllers(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_OWN_TEXT)


def _in_controller(frame: FrameType | None) -> bool:
    while frame is not None:
        if _is_controllers(frame):
            return True
        frame = frame.f_back
    return False
