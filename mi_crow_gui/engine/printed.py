"""What controllers print: lines of the log, for the terminal is not where their author looks."""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import Any

log = logging.getLogger("mi_crow_gui.controller")

_MOST_LINES = 200  # of one run
_LONGEST = 2000  # characters of a line


class Printed:
    """Takes the place of standard output and error while user code runs, but for the main thread.

    Not more lines of a run are told than can be read.
    """

    def __init__(self) -> None:
        self._lines = 0
        self._kept: tuple[Any, Any] | None = None

    def new_run(self) -> None:
        """Lines are counted anew."""
        self._lines = 0

    def begin(self) -> None:
        """From now on what is printed is logged."""
        self._kept = (sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = (_Lines(self._tell, stream) for stream in self._kept)

    def end(self) -> None:
        """Printing goes where it went before; a line that was begun is told as it is."""
        if self._kept is None:
            return
        begun = (sys.stdout, sys.stderr)
        (sys.stdout, sys.stderr), self._kept = self._kept, None
        for stream in begun:
            # The text may have put something else there.
            if isinstance(stream, _Lines):
                stream.finish()

    def _tell(self, line: str) -> None:
        self._lines += 1
        if self._lines <= _MOST_LINES:
            log.info("Controller: %s", line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")
        elif self._lines == _MOST_LINES + 1:
            log.info("Controller: more than %d lines were printed in this run; the others are left out.", _MOST_LINES)


class _Lines(io.TextIOBase):
    """Lines of every thread but the main one, whose own go where they went before."""

    def __init__(self, tell: Any, before: Any) -> None:
        super().__init__()
        self._tell, self._before = tell, before
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if threading.current_thread() is threading.main_thread():
            if self._before is not None:
                self._before.write(text)
            return len(text)
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                self._tell(line)
        if len(self._begun) > 2 * _LONGEST:
            self.finish()
        return len(text)

    def flush(self) -> None:
        if self._before is not None:
            self._before.flush()

    def finish(self) -> None:
        begun, self._begun = self._begun, ""
        if begun.strip():
            self._tell(begun)
