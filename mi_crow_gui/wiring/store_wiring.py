"""Captures made from the stores that programs write with `LocalStore`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QInputDialog

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.wiring.capture_wiring import CaptureWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class StoreWiring(QObject):
    """Asks for a store and, where it holds several, for a run; the capture is written beside the store and opened."""

    def __init__(self, parts: Parts, captures: CaptureWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._captures = parts, captures
        parts.window.action("captureFromStore").triggered.connect(self._on_capture_from_store_triggered)

    @Slot()
    def _on_capture_from_store_triggered(self) -> None:
        self._parts.window.ask_for_folder("Folder of the store", self.take)

    def take(self, path: str) -> None:
        """Make a capture from the store in a folder."""
        folder = Path(path)

        def look() -> list[str]:
            from core_hooks.capture.store_conversion import store_runs

            return store_runs(folder)

        self._parts.jobs.run("store", look, lambda runs: self._choose(folder, runs), self._failed)

    def _choose(self, folder: Path, runs: list[str]) -> None:
        if len(runs) == 1:
            self._convert(folder, runs[0])
            return
        dialog = QInputDialog(self._parts.window)
        dialog.setObjectName("storeRuns")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Capture from a store")
        dialog.setLabelText("Run to make a capture of")
        dialog.setComboBoxItems(runs)
        dialog.textValueSelected.connect(lambda run: self._convert(folder, run))
        dialog.show()

    def _convert(self, folder: Path, run: str) -> None:
        self._parts.window.status.set_progress(f"Making a capture of run {run}")

        def convert() -> Path:
            from core_hooks.capture.store_conversion import convert_run
            from core_hooks.capture.survey import new_folder

            out = new_folder(folder.absolute().parent, folder.absolute().name, Path(run))
            convert_run(folder, run, out)
            return out

        self._parts.jobs.run("store", convert, self._converted, self._failed)

    def _converted(self, out: Path) -> None:
        self._parts.window.status.clear_progress()
        self._captures.open_folder(str(out))

    def _failed(self, failure: Failure) -> None:
        self._parts.window.status.clear_progress()
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})
