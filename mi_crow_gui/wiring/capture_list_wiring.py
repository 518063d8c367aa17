"""The list of captures: where they lie, what was written about them, whether they are whole, and away with them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.document.formatting import plural
from mi_crow_gui.wiring.capture_reading import describe_captures, move_to_bin, verify_all

if TYPE_CHECKING:
    from mi_crow_gui.engine.long_jobs import LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.itemmodels.captures_model import CaptureRow
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class CaptureListWiring(QObject):
    """Joins the table with the settings that remember it and the pools that look at the disk."""

    listed = Signal()

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._panel = parts.window.captures
        self._states: dict[str, tuple[str, str]] = {}
        self._verifying: LongJob | None = None
        self.last_problem = ""
        self._panel.addFolderRequested.connect(self._on_panel_add_folder_requested)
        self._panel.verifyRequested.connect(self.verify)
        self._panel.removeRequested.connect(self._on_panel_remove_requested)
        self._panel.trashRequested.connect(self.move_to_bin)
        self._panel.annotated.connect(self._on_panel_annotated)
        self._panel.progress.cancelRequested.connect(self._on_progress_cancel_requested)

    @Slot()
    def refresh(self) -> None:
        """Look again at the captures that are known, and at what lies in the folders that are."""
        settings = self._parts.settings
        known, folders = settings.captures, settings.capture_folders
        self._parts.jobs.run("captures", lambda: describe_captures(known, folders), self._on_described, self._on_failed)

    def add_folder(self, folder: str) -> None:
        """List the captures in a folder, now and whenever the list is made."""
        settings = self._parts.settings
        settings.capture_folders = [*settings.capture_folders, str(Path(folder).expanduser().absolute())]
        self.refresh()

    @Slot(object)
    def verify(self, paths: list[str]) -> None:
        """Check every byte of some captures."""
        if not paths:
            return
        if self._verifying is not None:
            self._verifying.cancel()
        self._panel.progress.begin(f"Checking {plural(len(paths), 'capture')}")
        self._verifying = self._parts.long_jobs.start(
            "verify", lambda desk: verify_all(paths, desk), self._on_verified, self._on_verify_failed,
            self._panel.progress.set_progress,
        )  # fmt: skip

    @Slot(object)
    def move_to_bin(self, paths: list[str]) -> None:
        """Move captures to the system's bin, from which they can be taken back."""
        if paths:
            self._parts.jobs.run("captures", lambda: move_to_bin(paths), self._on_moved, self._on_failed)

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot()
    def _on_panel_add_folder_requested(self) -> None:
        self._parts.window.ask_for_folder("Add a folder of captures", self.add_folder)

    @Slot(object)
    def _on_panel_remove_requested(self, paths: list[str]) -> None:
        settings = self._parts.settings
        for path in paths:
            settings.remove_capture(path)
            # What lies in a folder that is listed would come back with it.
            settings.capture_folders = [f for f in settings.capture_folders if str(Path(path).parent) != f]
        self.refresh()

    @Slot(str, object, str)
    def _on_panel_annotated(self, path: str, tags: tuple[str, ...], notes: str) -> None:
        from core_hooks.capture.annotations import Annotations, write_annotations

        self._parts.jobs.run(
            "captures", lambda: write_annotations(Path(path), Annotations(tags, notes)), self._on_annotated,
            self._on_failed,
        )  # fmt: skip

    def _on_annotated(self, nothing: object) -> None:
        self.refresh()

    def _on_described(self, rows: list[CaptureRow]) -> None:
        checked = [
            replace(row, state=self._states[row.path][0], problem=row.problem or self._states[row.path][1])
            if row.path in self._states and not row.problem
            else row
            for row in rows
        ]
        self._panel.set_rows(checked)
        self.listed.emit()

    @Slot(object)
    def _on_verified(self, found: list[tuple[str, str, str]]) -> None:
        self._panel.progress.end()
        self._verifying = None
        for path, state, problem in found:
            self._states[path] = (state, problem)
        bad = [problem for _, _, problem in found if problem]
        for problem in bad:
            log.error("%s", problem)
        words = bad[0] if bad else f"Every byte of {plural(len(found), 'capture')} is as it was written."
        self._parts.window.status.set_message(words)
        self.refresh()

    @Slot(object)
    def _on_verify_failed(self, failure: Failure) -> None:
        self._panel.progress.end()
        self._on_failed(failure)

    @Slot()
    def _on_progress_cancel_requested(self) -> None:
        self._panel.progress.end()
        if self._verifying is not None:
            self._verifying.cancel()
            self._verifying = None
            self._parts.window.status.set_message("The check was given up; nothing is known of what it did not reach.")

    def _on_moved(self, answer: tuple[list[str], list[str]]) -> None:
        gone, refused = answer
        for path in gone:
            self._parts.settings.remove_capture(path)
        self.last_problem = refused[0] if refused else ""
        for problem in refused:
            log.error("%s", problem)
        words = self.last_problem or f"{plural(len(gone), 'capture')} moved to the bin."
        self._parts.window.status.set_message(words)
        self.refresh()

    def _on_failed(self, failure: Failure) -> None:
        self.last_problem = failure.message
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})
