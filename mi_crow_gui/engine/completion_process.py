"""Names for the editor from a process of its own: reading torch's stubs neither slows the window nor outlives it."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QProcess, Signal, Slot

if TYPE_CHECKING:
    from mi_crow_gui.engine.completion import CompletionRequest

log = logging.getLogger(__name__)

_MODULE = "mi_crow_gui.engine.completion_server"
_MOST_STARTS = 3


class CompletionProcess(QObject):
    """Lives in the GUI thread and never waits; one question is on its way at a time, and the newest one waits.

    `completed` gives the request and the names. A process that ends by itself is started again at the next question,
    a few times.
    """

    completed = Signal(object, object)
    ready = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._asked: CompletionRequest | None = None
        self._next: CompletionRequest | None = None
        self._warm = False
        self._starts = 0
        self._number = 0
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def warm_up(self) -> None:
        """Start the process, so that the first question is answered sooner."""
        if self._process is not None or self._closed or self._starts >= _MOST_STARTS:
            return
        self._starts += 1
        self._warm = False
        process = self._process = QProcess(self)
        process.setStandardErrorFile(QProcess.nullDevice())
        process.readyReadStandardOutput.connect(self._on_process_read)
        process.finished.connect(self._on_process_finished)
        process.errorOccurred.connect(self._on_process_error)
        # -P: a module of that name in the folder where the program was started is not meant.
        process.start(sys.executable, ["-P", "-m", _MODULE])

    def ask(self, request: CompletionRequest) -> None:
        """Ask for names; a question that waits is overtaken."""
        self._next = request
        self.warm_up()
        self._go_on()

    def close(self) -> None:
        """End the process at once."""
        self._closed = True
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(1000)
            process.deleteLater()

    def _go_on(self) -> None:
        if self._process is None or not self._warm or self._asked is not None or self._next is None:
            return
        request = self._asked = self._next
        self._next = None
        self._number += 1
        asked = {"number": self._number, "text": request.text, "line": request.line, "column": request.column}
        self._process.write((json.dumps(asked) + "\n").encode())

    @Slot()
    def _on_process_read(self) -> None:
        while self._process is not None and self._process.canReadLine():
            answer = json.loads(bytes(self._process.readLine().data()))
            if answer.get("ready"):
                self._warm = True
                self.ready.emit()
            elif answer["number"] == self._number and self._asked is not None:
                request, self._asked = self._asked, None
                if "problem" in answer:
                    # Nobody waits for names: the text can be written without.
                    log.debug("No completion: %s", answer["problem"])
                if self._next is None:
                    self.completed.emit(request, tuple(answer["names"]))
            self._go_on()

    @Slot(int, QProcess.ExitStatus)
    def _on_process_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        log.debug("The completion process ended with code %d.", code)
        self._forget()

    @Slot(QProcess.ProcessError)
    def _on_process_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            log.warning("No completion: a Python process could not be started.")
            self._forget()

    def _forget(self) -> None:
        process, self._process = self._process, None
        self._asked = None
        if process is not None:
            process.deleteLater()
