"""Typed work that outlives a crash: one file for each running instance, offered again once that instance is gone.

A running instance holds a lock that the system releases however the process ends. So an orphan is known without
trusting process numbers, which are used again, and mean nothing on a home folder shared by several machines.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from mi_crow_gui.document.folders import state_folder
from mi_crow_gui.document.session_file import SUFFIX, LoadedSession, SessionError, load, save

if TYPE_CHECKING:
    from pathlib import Path

    from mi_crow_gui.document.workspace import Workspace

_LOCK_SUFFIX = ".lock"
_SWEPT_AFTER = 24 * 3600.0  # seconds; nobody writes one file for that long


def recovery_folder() -> Path:
    """Where recovery files lie."""
    return state_folder() / "recovery"


@dataclass(frozen=True, slots=True)
class Orphan:
    """Work that an instance left behind which is gone; `written` is in seconds since 1970."""

    path: Path
    written: float

    def read(self) -> LoadedSession:
        """The work; `SessionError` if the file can't be read."""
        return load(self.path)

    def discard(self) -> None:
        """Remove it for good."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(_LOCK_SUFFIX).unlink(missing_ok=True)


def find_orphans(folder: Path | None = None) -> tuple[Orphan, ...]:
    """The work of all instances that did not end as they should, the newest first."""
    folder = folder or recovery_folder()
    _sweep(folder)
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            if path.name.startswith(".") or _is_locked(path.with_suffix(_LOCK_SUFFIX)):
                continue
            found.append(Orphan(path, path.stat().st_mtime))
        except FileNotFoundError:  # its instance ended just now
            continue
    return tuple(sorted(found, key=lambda orphan: orphan.written, reverse=True))


class RecoveryFile:
    """This instance's own file; nothing is on disk before the first write. Any thread may call its methods."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or recovery_folder()
        self.path = folder / f"{os.getpid()}-{time.time_ns() // 1_000_000}{SUFFIX}"
        self._lock_path = self.path.with_suffix(_LOCK_SUFFIX)
        self._lock: IO[bytes] | None = None
        self._closed = False
        self._one_at_a_time = threading.Lock()

    def write(self, workspace: Workspace, origin: str = "") -> None:
        """Keep the workspace as it is now, readable by the user alone; `SessionError` if the disk refuses."""
        with self._one_at_a_time:
            if self._closed:
                return
            if self._lock is None:
                try:
                    self._lock = _take(self._lock_path)
                except OSError as error:
                    raise SessionError(f"Can't write {self.path}: {error.strerror or error}.") from error
            save(self.path, workspace, origin, private=True)

    def clear(self) -> None:
        """Everything is saved: there is nothing to offer."""
        with self._one_at_a_time:
            self.path.unlink(missing_ok=True)

    def close(self, *, keep: bool = False) -> None:
        """End well: remove the file, or leave it to be offered at the next start; later writes do nothing."""
        with self._one_at_a_time:
            self._closed = True
            if not keep:
                self.path.unlink(missing_ok=True)
            if self._lock is not None:
                self._lock.close()
                self._lock = None
                self._lock_path.unlink(missing_ok=True)


def _take(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = open(path, "ab")  # noqa: SIM115 (held until the instance ends)
    # Where files can't be locked the work is kept all the same, and may be offered while this instance runs
    with contextlib.suppress(OSError):
        _lock(file)
    return file


def _is_locked(path: Path) -> bool:
    try:
        with open(path, "r+b") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        # Not lockf: its locks would not keep this process from taking its own file for an orphan
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sweep(folder: Path) -> None:
    """Remove what killed instances left that holds no work: old locks and half-written files."""
    for path in (*folder.glob(f"*{_LOCK_SUFFIX}"), *folder.glob(".*.tmp")):
        with contextlib.suppress(OSError):
            holds_work = path.with_suffix(SUFFIX).exists()
            is_old = time.time() - path.stat().st_mtime > _SWEPT_AFTER
            if is_old and not holds_work and not _is_locked(path):
                path.unlink()
