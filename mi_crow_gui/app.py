"""Composition root: command line, environment, log, window, and what comes after its first paint."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QApplication

    from mi_crow_gui.arguments import Arguments
    from mi_crow_gui.window.main_window import MainWindow


_LAST_WAIT = 1.0  # seconds for each thread that is left


def create(argv: Sequence[str]) -> tuple[QApplication, MainWindow]:
    """Build the application and its window without showing it or entering the event loop.

    `argv` is what follows the program's name. The window's `service` is the model service; the wiring that joins
    window, document and service belongs to the window and ends with it.
    """
    from mi_crow_gui.arguments import parse

    return _create(parse(argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the inspector; the exit code is 0 only if everything asked for on the command line worked."""
    from mi_crow_gui.arguments import parse

    arguments = parse(sys.argv[1:] if argv is None else argv)
    if arguments.info:
        from mi_crow_gui.about import describe

        print(describe())
        return 0
    # Qt does not raise for most of them, it aborts.
    problem = _missing_libraries()
    if problem:
        print(f"mi-crow-gui: {problem}", file=sys.stderr)
        return 1
    before = set(threading.enumerate())
    application, window = _create(arguments)
    _log_qt_messages()
    window.show()
    return _end(application.exec(), window, before)


def _end(code: int, window: MainWindow, before: set[threading.Thread]) -> int:
    """Give the exit code, or end at once: neither a controller's thread nor a call without end keeps the process."""
    left = [
        thread
        for thread in set(threading.enumerate()) - before
        if not (thread.daemon or isinstance(thread, threading._DummyThread))
    ]
    for thread in left:
        thread.join(_LAST_WAIT)
    if window.left_behind or any(thread.is_alive() for thread in left):
        logging.shutdown()
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os._exit(code)
    return code


def _create(arguments: Arguments) -> tuple[QApplication, MainWindow]:
    # Before torch is imported anywhere: its idle threads must sleep, or they starve the window.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    from PySide6.QtWidgets import QApplication

    from mi_crow_gui.window.theme import apply_theme
    from mi_crow_gui.wiring.composition import compose

    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(["mi-crow-gui"])
    application.setApplicationName("mi-crow-gui")
    application.setApplicationDisplayName("Mi-Crow inspector")
    application.setDesktopFileName("mi-crow-gui")
    apply_theme(application, "system")
    return application, compose(application, arguments)


def _log_qt_messages() -> None:
    """Qt's own warnings belong in the log, not between the lines that a script reads."""
    import logging

    from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    log = logging.getLogger("mi_crow_gui.qt")
    levels = {QtMsgType.QtCriticalMsg: logging.ERROR, QtMsgType.QtFatalMsg: logging.CRITICAL}

    def handle(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
        # Below what the log panel shows: nobody can act on them there.
        log.log(levels.get(kind, logging.DEBUG), "%s", message)

    qInstallMessageHandler(handle)


def _missing_libraries() -> str:
    """What of the system Qt would miss, with the command that installs it; "" when nothing is missing."""
    if not sys.platform.startswith("linux"):
        return ""
    from mi_crow_gui.system_libraries import install_command, missing

    offscreen = os.environ.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal")
    libraries = missing(display=not offscreen)
    if not libraries:
        return ""
    names = ", ".join(library.name for library in libraries)
    return f"the window can't be opened because the system lacks {names}; install with: {install_command(libraries)}"


if __name__ == "__main__":
    sys.exit(main())
