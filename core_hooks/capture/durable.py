"""Files that are whole or absent: written under another name, synced, renamed; and their checksums."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
import zlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPORARY = ".tmp"
_PIECE = 1 << 22
_POLYNOMIAL = 0xEDB88320  # of CRC-32, the lowest power in the highest bit
_ONE = 1 << 31


@contextlib.contextmanager
def replacing_file(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` if the block ends well, and goes if not.

    At any instant, power loss included, `path` is the old file or the new one, whole. `mode` is what a new file may be
    by the user's umask.

    Raises
    ------
    OSError
        When the disk refuses; the old file is then as it was.
    """
    temporary = temporary_beside(path)
    try:
        # A new file by all means: never through a link that somebody left under this name.
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    # Who may write to a folder may still not be allowed to read it, and only what is read can be synced.
    with contextlib.suppress(PermissionError):
        sync_folder(path.parent)


def temporary_beside(path: Path) -> Path:
    """An unused name in the folder of `path`, on the same file system."""
    return path.with_name(f".{uuid.uuid4().hex}{TEMPORARY}")


def write_durably(path: Path, data: bytes) -> None:
    """Put `data` under `path` as `replacing_file` does."""
    with replacing_file(path) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive power loss, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that sync no folders
            raise
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


def joined_crc(first: int, second: int, length: int) -> int:
    """CRC-32 of two pieces one behind the other, by those of each; `length` is the bytes of the second.

    The first is multiplied by x^(8 length), as zlib's own crc32_combine does, which Python's zlib does not give.
    """
    factor, power, bits = _ONE, _ONE >> 1, 8 * length
    while bits:
        if bits & 1:
            factor = _product(power, factor)
        power, bits = _product(power, power), bits >> 1
    return _product(factor, first) ^ second


def _product(one: int, other: int) -> int:
    """Of two polynomials over two elements, modulo that of CRC-32."""
    found = 0
    for at in range(31, -1, -1):
        if one >> at & 1:
            found ^= other
        other = other >> 1 ^ _POLYNOMIAL if other & 1 else other >> 1
    return found
