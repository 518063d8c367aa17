"""An embedding computed by a process of its own, so that the window keeps its beat and Cancel ends it at once."""

from __future__ import annotations

import logging
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QProcess, Signal, Slot

if TYPE_CHECKING:
    from mi_crow_gui.engine.jobs import Jobs
    from mi_crow_gui.engine.messages import Failure

log = logging.getLogger(__name__)

_PATIENCE_MS = 2000


class Embedding(QObject):
    """One computation; `ended` carries the points and "", or None and why there are none. Nothing after `cancel`."""

    progressed = Signal(int, int)
    ended = Signal(object, str)

    def __init__(self, jobs: Jobs, values: np.ndarray, method: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._method = jobs, method
        self._folder = tempfile.TemporaryDirectory(prefix="mi-crow-", ignore_cleanup_errors=True)
        self._source, self._target = (Path(self._folder.name) / name for name in ("values.npy", "points.npy"))
        self._cancelled = False
        self._problem = ""
        self._process = QProcess(self)
        self._process.readyReadStandardOutput.connect(self._on_process_ready_read_standard_output)
        self._process.finished.connect(self._on_process_finished)
        self._process.errorOccurred.connect(self._on_process_error_occurred)
        jobs.run("embedding", partial(np.save, self._source, values, allow_pickle=False), self._start, self._fail)

    def cancel(self) -> None:
        """End it now."""
        self._cancelled = True
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._process.kill()
            self._process.waitForFinished(_PATIENCE_MS)
        self._folder.cleanup()

    def _start(self, written: object) -> None:
        if not self._cancelled:
            arguments = ["-m", "core_hooks.analysis.embedding", self._method, str(self._source), str(self._target)]
            self._process.start(sys.executable, arguments)

    @Slot()
    def _on_process_ready_read_standard_output(self) -> None:
        while self._process.canReadLine():
            line = bytes(self._process.readLine().data()).decode("utf-8", "replace").strip()
            kind, _, rest = line.partition(" ")
            if kind == "failed":
                self._problem = rest
            elif kind == "progress":
                done, total = map(int, rest.split())
                self.progressed.emit(done, total)

    @Slot(int, QProcess.ExitStatus)
    def _on_process_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._cancelled:
            return
        if code == 0 and status == QProcess.ExitStatus.NormalExit:
            self._jobs.run("embedding", partial(np.load, self._target, allow_pickle=False), self._finish, self._fail)
            return
        details = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
        log.warning("The embedding failed.", extra={"details": details})
        last = details.strip().splitlines()[-1:] or ["its process ended by itself"]
        self._end(None, self._problem or last[0])

    @Slot(QProcess.ProcessError)
    def _on_process_error_occurred(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(None, f"its process could not be started: {self._process.errorString()}")

    def _finish(self, points: np.ndarray) -> None:
        self._end(points, "")

    def _fail(self, failure: Failure) -> None:
        self._end(None, failure.message)

    def _end(self, points: np.ndarray | None, problem: str) -> None:
        self._folder.cleanup()
        if not self._cancelled:
            self._cancelled = True
            self.ended.emit(points, problem)
