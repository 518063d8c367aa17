"""Files that are whole or absent: written under another name, synced, renamed; and their checksums."""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TEMPORARY = ".tmp"
_PIECE = 1 << 22


def write_durably(path: Path, data: bytes) -> None:
    """Put `data` under `path` so that at any instant the file there is the old one or the new one, whole.

    Raises
    ------
    OSError
        When the disk refuses; the old file is then as it was.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    temporary.unlink(missing_ok=True)
    try:
        # A new file by all means: never through a link that somebody left under this name.
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive power loss, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, so that they survive power loss with what is put in them.

    Raises
    ------
    OSError
        When the system refuses.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in reversed(missing):
        # Who may write to a folder may still not be allowed to read it, and only what is read can be synced.
        with contextlib.suppress(PermissionError):
            sync_folder(place.parent)


def checksum(path: Path) -> str:
    """CRC-32 of a file as eight hexadecimal digits, the one that gzip and zip use; it finds every flipped bit.

    Raises
    ------
    OSError
        When the file can't be read.
    """
    crc, buffer = 0, bytearray(_PIECE)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            crc = zlib.crc32(view[:count], crc)
    return f"{crc:08x}"
