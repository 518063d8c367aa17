"""One writer at a time in a capture's folder."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from core_hooks.capture.index import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

LOCK = ".lock"
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)


class FolderLock:
    """Holds a folder for this process; a context manager.

    The system lets go of the lock when the process ends, however it ends, so that nothing stale is left.

    Raises
    ------
    CaptureError
        On entering, when another job holds the folder or it can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LOCK
        self._descriptor: int | None = None

    def __enter__(self) -> FolderLock:
        try:
            while self._descriptor is None:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
                try:
                    _lock(descriptor)
                    # Whoever held it before may have removed the file between our opening and our locking.
                    if self._is_still_there(descriptor):
                        self._descriptor = descriptor
                finally:
                    if self._descriptor is None:
                        os.close(descriptor)
        except OSError as error:
            if error.errno in _HELD:
                raise CaptureError(
                    f"Another job is writing to '{self._folder}'; wait for it or choose another folder."
                ) from error
            raise CaptureError(
                f"'{self._folder}' can't be written ({error.strerror or error}); choose another folder."
            ) from error
        return self

    def __exit__(self, *exc: object) -> None:
        if self._descriptor is None:
            return
        if os.name != "nt":  # Windows can't remove what is open; an unlocked file there does no harm
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def _is_still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:  # how Windows says that somebody else holds it
            raise OSError(errno.EAGAIN, "held by another process") from error
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
