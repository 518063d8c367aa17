"""The latest-value mailbox between the model thread and whoever looks: the newest value of each key, nothing older."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Mailbox(Generic[K, V]):
    """Keeps the newest value for each key until someone takes them all.

    Writers never wait for readers: `put` replaces under a lock that is held for one dictionary operation.
    A slow reader therefore sees fewer values, never old ones, and the memory held is one value a key.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[K, V] = {}
        self._replaced = 0

    def put(self, key: K, value: V) -> None:
        """Leave `value` as the newest of `key`."""
        with self._lock:
            if key in self._values:
                self._replaced += 1
            self._values[key] = value

    def take_all(self) -> dict[K, V]:
        """Everything put since the last call, newest value of each key; the mailbox is empty afterwards."""
        with self._lock:
            values, self._values = self._values, {}
        return values

    def clear(self) -> None:
        """Forget what is waiting."""
        with self._lock:
            self._values = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def replaced(self) -> int:
        """How many values were overtaken by a newer one before anybody took them."""
        return self._replaced
