"""Errors nobody caught, and the log: both end up in the log file and in the log panel, never in a dialog."""

from __future__ import annotations

import logging
import logging.handlers
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

log = logging.getLogger("mi_crow_gui")


class Incidents(QObject):
    """Carries errors and log records from any thread to the GUI thread.

    `reported` gives (level name, one sentence, details), `uncaught` an error that nobody caught. They are emitted in
    whatever thread the incident happened; connect them only to bound methods of QObjects of the GUI thread.
    """

    reported = Signal(str, str, str)
    uncaught = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._handler = _PanelHandler(self)
        self._file: logging.Handler | None = None
        self._previous_hook = sys.excepthook
        self._previous_thread_hook = threading.excepthook

    def install(self, log_file: Path | None, *, debug: bool) -> None:
        """Take over the excepthooks and listen to the project's loggers; the file rotates at 2 MB."""
        for name in ("mi_crow_gui", "core_hooks"):
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG if debug else logging.INFO)
            logger.addHandler(self._handler)
        if log_file is not None:
            self._open_file(log_file)
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def uninstall(self) -> None:
        """Give everything back as it was."""
        for name in ("mi_crow_gui", "core_hooks"):
            logger = logging.getLogger(name)
            logger.removeHandler(self._handler)
            if self._file is not None:
                logger.removeHandler(self._file)
        if self._file is not None:
            self._file.close()
            self._file = None
        # Compared by ==: every access makes a new bound method.
        if sys.excepthook == self._on_exception:
            sys.excepthook = self._previous_hook
        if threading.excepthook == self._on_thread_exception:
            threading.excepthook = self._previous_thread_hook

    def _open_file(self, log_file: Path) -> None:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            handler = logging.handlers.RotatingFileHandler(
                log_file, maxBytes=2_000_000, backupCount=3, encoding="utf-8", delay=True
            )
        except OSError as error:
            log.warning("No log file: '%s' can't be written (%s).", log_file, error.strerror)
            return
        handler.setFormatter(_WithDetails("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
        for name in ("mi_crow_gui", "core_hooks"):
            logging.getLogger(name).addHandler(handler)
        self._file = handler

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._previous_hook(kind, error, trace)
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        log.error("Something went wrong inside the inspector: %s: %s", kind.__name__, error, extra={"details": details})
        self._previous_hook(kind, error, trace)
        self.uncaught.emit(f"{kind.__name__}: {error}")

    def _on_thread_exception(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self._on_exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


class _WithDetails(logging.Formatter):
    """Writes a record's `details` below its message."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        details = getattr(record, "details", "")
        return f"{text}\n{details.rstrip()}" if details else text


class _PanelHandler(logging.Handler):
    """Hands log records to `Incidents.reported`; a record's `details` attribute holds its traceback."""

    def __init__(self, incidents: Incidents) -> None:
        super().__init__(logging.INFO)
        self._incidents = incidents

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        head, _, rest = message.partition("\n")
        details = getattr(record, "details", "") or rest
        if record.exc_info and not details:
            details = "".join(traceback.format_exception(*record.exc_info))
        self._incidents.reported.emit(record.levelname.lower(), head, details)
