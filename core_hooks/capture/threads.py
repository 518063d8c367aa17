"""The threads beside a capture job: one reads and tokenises ahead, others write behind; the model goes first."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
_END = object()
_NICE = 5


def give_way() -> None:
    """Let other threads go before the one that calls this, where the system can tell them apart."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class Beside:
    """Calls a function in a thread of its own while a block runs; what it raised comes out at the end of the block."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="capture-beside")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: object, *exc: object) -> None:
        self._thread.join()
        if kind is None and self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._failure = error


class ReadAhead(Generic[T]):
    """Iterates over `source` in a thread of its own, a few items ahead; a context manager.

    What the source raises comes out where its next item was expected.
    """

    def __init__(self, source: Iterable[T], ahead: int = 1) -> None:
        self._source = source
        self._items: queue.Queue[Any] = queue.Queue(ahead)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="capture-read", daemon=True)

    def __enter__(self) -> ReadAhead[T]:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed.set()
        while self._thread.is_alive():
            # The reader may be waiting for room for one more item.
            try:
                self._items.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            item, error = self._items.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    def _read(self) -> None:
        give_way()
        try:
            for item in self._source:
                self._items.put((item, None))
                if self._closed.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._items.put((None, error))
        else:
            self._items.put((_END, None))
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()  # what a generator holds goes with this thread, not some time later


class AtOnce:
    """Calls functions where they are put: a `WriteBehind` for what takes no longer than handing it over."""

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def put(self, call: Callable[[], None]) -> None:
        """Call it."""
        call()

    def flush(self) -> None:
        """There is nothing to wait for."""


class WriteBehind:
    """Calls functions one after the other in a thread of its own; a context manager.

    `put` waits while `behind` calls are waiting, which bounds the memory they hold. What a call raises comes out
    of the next `put` or `flush`, and the calls behind it are dropped.
    """

    def __init__(self, behind: int = 4) -> None:
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue(behind)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="capture-write", daemon=True)

    def __enter__(self) -> WriteBehind:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is not None and self._failure is None:
            self._failure = RuntimeError("The job was given up.")  # what still waits is dropped
        self._calls.put(None)
        self._thread.join()

    def put(self, call: Callable[[], None]) -> None:
        """Have `call` called; raises what an earlier one did."""
        self._check()
        self._calls.put(call)

    def flush(self) -> None:
        """Wait for everything that was put; raises what a call did."""
        self._calls.join()
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        give_way()
        while True:
            call = self._calls.get()
            try:
                if call is None:
                    return
                if self._failure is None:
                    call()
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that puts
                self._failure = error
            finally:
                del call  # its arrays are not held until the next one comes
                self._calls.task_done()
