"""What controllers print: lines of the log, for the terminal is not where their author looks."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

log = logging.getLogger("mi_crow_gui.controller")

_MOST_LINES = 200  # of one run
_LONGEST = 2000  # characters of a line


class Printed:
    """Takes the place of standard output and error while user code runs; not more lines of a run than can be read."""

    def __init__(self) -> None:
        self._lines = 0
        self._stream = _Lines(self._tell)
        self._kept: tuple[Any, Any] | None = None

    def new_run(self) -> None:
        """Lines are counted anew."""
        self._lines = 0

    def begin(self) -> None:
        """From now on what is printed is logged."""
        self._kept = (sys.stdout, sys.stderr)
        sys.stdout = sys.stderr = self._stream

    def end(self) -> None:
        """Printing goes where it went before; a line that was begun is told as it is."""
        self._stream.finish()
        if self._kept is not None:
            sys.stdout, sys.stderr = self._kept
            self._kept = None

    def _tell(self, line: str) -> None:
        self._lines += 1
        if self._lines <= _MOST_LINES:
            log.info("Controller: %s", line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")
        elif self._lines == _MOST_LINES + 1:
            log.info("Controller: more than %d lines were printed in this run; the others are left out.", _MOST_LINES)


class _Lines(io.TextIOBase):
    def __init__(self, tell: Any) -> None:
        super().__init__()
        self._tell = tell
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                self._tell(line)
        if len(self._begun) > 2 * _LONGEST:
            self.finish()
        return len(text)

    def finish(self) -> None:
        begun, self._begun = self._begun, ""
        if begun.strip():
            self._tell(begun)
