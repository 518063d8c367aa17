"""Memory in which the rows of a shard are kept until it is sealed, used again shard after shard."""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass

import numpy as np

_STEP = 1 << 22  # bytes by which rooms differ, for shards are about as long as each other, not exactly


@dataclass(frozen=True, slots=True, eq=False)
class RowRoom:
    """Memory for the rows of one shard.

    Attributes
    ----------
    memory
        uint8 [bytes].
    descriptor
        Of the nameless file that the memory is, for another process to map; None for memory of this one alone.
    """

    memory: np.ndarray
    descriptor: int | None


class RowRooms:
    """Gives out memory and takes it back, for fresh memory for each shard would cost more than its values.

    Parameters
    ----------
    shared
        Whether another process is to see it. It has no name, so nothing of it stays behind, however a process ends.
    """

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._free: list[RowRoom] = []
        self._descriptors: list[int] = []

    def take(self, nbytes: int) -> RowRoom:
        """Room for so many bytes; OSError when there is none."""
        while self._free:
            room = self._free.pop()
            if len(room.memory) >= nbytes:
                return room
            if room.descriptor is not None:
                self._descriptors.remove(room.descriptor)
                os.close(room.descriptor)
        nbytes = -(-max(1, nbytes) // _STEP) * _STEP
        if not self._shared:
            return RowRoom(np.empty(nbytes, np.uint8), None)
        descriptor = os.memfd_create("capture-rows")
        self._descriptors.append(descriptor)
        os.posix_fallocate(descriptor, 0, nbytes)  # now, or a process that writes where there is no memory left dies
        return RowRoom(mapped_room(descriptor, nbytes), descriptor)

    def give_back(self, room: RowRoom) -> None:
        """Take back what nobody looks at any more."""
        self._free.append(room)

    def close(self) -> None:
        """Let go of everything; calling it again does nothing."""
        self._free.clear()
        while self._descriptors:
            with contextlib.suppress(OSError):
                os.close(self._descriptors.pop())


def can_share() -> bool:
    """Whether this system has memory without a name that two processes can see."""
    return hasattr(os, "memfd_create")


def mapped_room(descriptor: int, nbytes: int) -> np.ndarray:
    """The bytes of a nameless file, shared with whoever else maps it; they stay while the array does."""
    # All pages at once: found one by one while the model runs, they would cost it more.
    flags = getattr(mmap, "MAP_SHARED", 0) | getattr(mmap, "MAP_POPULATE", 0)
    return np.frombuffer(mmap.mmap(descriptor, nbytes, flags), np.uint8)
