"""A limit for what user code may allocate: beyond what is free, the system would end the whole program."""

from __future__ import annotations

import sys
from typing import Any

_MARGIN = 256 * 1024 * 1024  # bytes that stay for everything else


class MemoryFence:
    """While it is up, an allocation that the machine has no memory for fails with an error instead of being granted.

    Linux grants memory that it does not have and ends the program when it is used. The fence limits the address space
    of the process to what it has plus what was free when `measure` was called. Elsewhere, and where a GPU driver has
    reserved addresses of its own, there is none.
    """

    def __init__(self) -> None:
        self._resource: Any = None
        self._limits: tuple[int, int] | None = None
        self._before: tuple[int, int] | None = None

    def measure(self) -> None:
        """Find out what is free now; called before a run, for it is too slow for every call."""
        self._limits = None
        torch = sys.modules.get("torch")
        if not sys.platform.startswith("linux") or torch is None or torch.cuda.is_initialized():
            return
        import resource

        from core_hooks.model.estimate import free_memory

        try:
            with open("/proc/self/statm", "rb") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            self._resource, self._before = resource, resource.getrlimit(resource.RLIMIT_AS)
        except (OSError, ValueError):
            return
        wanted = used + max(_MARGIN, free_memory("cpu") - _MARGIN)
        soft, hard = self._before
        if (soft == resource.RLIM_INFINITY or wanted < soft) and (hard == resource.RLIM_INFINITY or wanted < hard):
            self._limits = (wanted, hard)

    def put_up(self) -> None:
        """Limit the process."""
        if self._limits is not None:
            self._set(self._limits)

    def take_down(self) -> None:
        """Give the process its own limit back."""
        if self._limits is not None and self._before is not None:
            self._set(self._before)

    def _set(self, limits: tuple[int, int]) -> None:
        try:
            self._resource.setrlimit(self._resource.RLIMIT_AS, limits)
        except (OSError, ValueError):
            self._limits = None
