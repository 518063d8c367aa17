"""Saving what the newest run captured, and opening captures without their model."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

if TYPE_CHECKING:
    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.messages import Failure, RunInfo, RunOutcome
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class CaptureWiring(QObject):
    """Joins the capture actions with the service's frames and the pool that reads and writes files.

    `captureOpened` brings a capture whose index was read and believed; `listChanged` that there is one more to list.
    """

    captureOpened = Signal(object)
    openFailed = Signal()
    listChanged = Signal()

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._window, self._service, self._jobs = parts.window, parts.service, parts.jobs
        self._info: RunInfo | None = None
        self._outcome: RunOutcome | None = None
        self._open = ""  # folder of the capture that is shown
        self.last_saved: Path | None = None
        self.last_problem = ""
        parts.window.action("saveCapture").triggered.connect(self._on_save_capture_triggered)
        parts.window.action("openCapture").triggered.connect(self._on_open_capture_triggered)
        parts.window.captures.openRequested.connect(self.open_folder)
        parts.service.runFinished.connect(self._on_service_run_finished)
        parts.store.changed.connect(self._on_store_changed)
        parts.window.action("saveCapture").setEnabled(False)

    # ---- what people ask for -----------------------------------------------------------------------------------

    def save_to(self, folder: Path) -> None:
        """Write every captured site of the newest run to a new folder."""
        # numpy comes with it, and the first paint does not wait for numpy.
        from core_hooks.capture.folder import CapturedPrompt, CapturedSite, write_capture

        model, outcome = self._service.model, self._outcome
        if model is None or outcome is None:
            self._complain("There is nothing to save: attach a detector and run the model first.")
            return
        frames = [update.frame for update in self._service.frames().values()]
        sites = [
            CapturedSite(
                frame.site, frame.values, frame.dtype, frame.stage or "before", frame.first_token, frame.dropped
            )
            for frame in frames
        ]
        info = outcome.info
        settings = {
            "run": info.number,
            "kind": info.kind,
            "generation": asdict(info.settings),
            "hooks": [asdict(hook) for hook in self._parts.store.workspace.hooks],
        }
        summary = asdict(model.summary)
        prompts = [
            CapturedPrompt(
                one.info.prompt,
                (*one.info.tokens.texts, *(step.text for step in one.generated)),
                (*one.info.tokens.ids, *(step.token_id for step in one.generated)),
                info.spans[number].start if info.spans else 0,
            )
            for number, one in enumerate(outcome.prompts)
        ]

        def write() -> Path:
            return write_capture(
                folder,
                sites,
                model=summary,
                prompt=info.prompt,
                tokens=prompts[0].tokens,
                token_ids=prompts[0].token_ids,
                settings=settings,
                batch=prompts if info.rows else (),
            )

        self._jobs.run("capture", write, self._saved, self._failed)

    @Slot(str)
    def open_folder(self, path: str) -> None:
        """Open a capture; no model is needed. One that can't be opened leaves everything as it is."""
        folder = Path(path).expanduser()
        from core_hooks.capture.reader import open_capture

        self._jobs.run("capture", lambda: open_capture(folder), self._opened, self._open_failed)

    @Slot(str)
    def list_folder(self, path: str) -> None:
        """Put a capture into the list."""
        self._remember(Path(path))

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot()
    def _on_save_capture_triggered(self) -> None:
        start = f"capture-{datetime.now():%Y%m%d-%H%M%S}"
        self._window.ask_for_new_file("Save capture", start, "", lambda path: self.save_to(Path(path)))

    @Slot()
    def _on_open_capture_triggered(self) -> None:
        self._window.ask_for_folder("Open capture", self.open_folder)

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        self._outcome = outcome
        self._window.action("saveCapture").setEnabled(bool(self._service.frames()))

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        folder = self._parts.store.workspace.capture
        if topic != "capture" or folder == self._open:
            return
        self._open = folder
        if folder:
            self.open_folder(folder)  # a session that was opened names it

    def _saved(self, folder: Path) -> None:
        self.last_saved = folder
        self._remember(folder)
        self._window.status.set_message(f"Saved to {folder}.")

    def _opened(self, capture: Capture) -> None:
        self.last_problem = ""
        self._remember(capture.folder)
        self._open = str(capture.folder.absolute())
        self._parts.store.show_capture(self._open)
        self.captureOpened.emit(capture)

    def _remember(self, folder: Path) -> None:
        self._parts.settings.add_recent("captures", str(folder.absolute()))
        self._parts.settings.add_capture(str(folder.absolute()))
        self.listChanged.emit()

    def _open_failed(self, failure: Failure) -> None:
        self._failed(failure)
        self.openFailed.emit()

    def _failed(self, failure: Failure) -> None:
        self._complain(failure.message, failure.details)

    def _complain(self, message: str, details: str = "") -> None:
        self.last_problem = message
        self._window.status.set_message(message)
        log.error("%s", message, extra={"details": details})
