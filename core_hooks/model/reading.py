"""How far the reading of weights is, and whether it is still wanted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from core_hooks.model.errors import OpeningCancelled
from core_hooks.model.reference import OpenProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


class Reading:
    """The progress and the cancel that all tensors of one opening share; called from the loader's threads."""

    def __init__(
        self, total: int, on_progress: Callable[[OpenProgress], None] | None, cancel: threading.Event | None
    ) -> None:
        self._total = total
        self._done = 0
        self._told = 0
        self._on_progress = on_progress
        self._cancel = cancel
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise OpeningCancelled once the person cancelled."""
        if self._cancel is not None and self._cancel.is_set():
            raise OpeningCancelled

    def add(self, nbytes: int) -> None:
        """Count bytes that were read, and tell of them now and then."""
        if self._on_progress is None:
            return
        with self._lock:
            self._done += nbytes
            # A hundred reports are enough for any bar; one per tensor of a large model would be thousands.
            if self._done - self._told >= self._total // 100 or self._done == self._total:
                self._told = self._done
                self._on_progress(OpenProgress("Reading weights", self._done, self._total, "bytes"))


class MappedTensor:
    """A tensor in a file that transformers reads when it needs it, by ``tensor[...]`` as with its own slices."""

    def __init__(self, tensor: Any, nbytes: int, reading: Reading) -> None:
        self._slice = tensor
        self._nbytes = nbytes
        self._reading = reading

    def __getitem__(self, index: Any) -> torch.Tensor:
        self._reading.check()
        tensor = self._slice[index]
        self._reading.add(self._nbytes)
        return tensor

    def get_shape(self) -> list[int]:
        """Return the shape, as a safetensors slice does."""
        return self._slice.get_shape()

    def get_dtype(self) -> str:
        """Return the dtype, as a safetensors slice does."""
        return self._slice.get_dtype()
