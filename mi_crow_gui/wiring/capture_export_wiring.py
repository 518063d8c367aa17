"""Writing an open capture, or a part of it, to one file for other programs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from core_hooks.capture.export import export_capture
from mi_crow_gui.document.formatting import byte_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.wiring.browse_wiring import BrowseWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class CaptureExportWiring(QObject):
    """Asks what and where to, then writes piece by piece; what is given up leaves nothing behind."""

    def __init__(self, parts: Parts, browse: BrowseWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._browse = parts, browse
        self._job: LongJob | None = None
        self._joined = False
        browse.opened.connect(self._on_browse_opened)
        parts.window.action("exportCapture").triggered.connect(self.ask)
        parts.window.action("exportCapture").setEnabled(False)

    @Slot()
    def ask(self) -> None:
        """Ask what is to be exported."""
        from mi_crow_gui.window.export_capture_dialog import ExportCaptureDialog

        capture, text = self._browse.capture, self._browse.text
        if capture is None:
            return
        shown = None
        if text is not None:
            first = text.row + text.first
            shown = (first, first + len(text.tokens))
        sites = list(dict.fromkeys(site.site for site in capture.sites))
        dialog = ExportCaptureDialog(
            capture.folder.name, sites, self._browse.site, capture.rows, shown, self._parts.window
        )
        dialog.chosen.connect(self._on_dialog_chosen)
        dialog.open()

    def export(self, path: Path, format: str, sites: Sequence[str], rows: tuple[int, int]) -> None:
        """Write to a file; one that is there is replaced once the new one is whole."""
        capture = self._browse.capture
        if capture is None:
            return
        self._give_up()
        file = path.expanduser()
        if file.suffix.lower() != f".{format}":
            file = file.with_name(f"{file.name}.{format}")

        def work(desk: Desk) -> Path:
            # Whether a file that is there may be replaced was asked when its name was given.
            return export_capture(
                capture, file, format, sites=sites, rows=rows, replace=True, on_progress=desk.progress
            )

        progress = self._browse.browser.progress
        progress.begin(f"Exporting to {file.name}")
        self._job = self._parts.long_jobs.start(
            "export", work, self._on_exported, self._on_failed, progress.set_progress
        )

    @Slot(object)
    def _on_browse_opened(self, capture: Capture | None) -> None:
        if not self._joined:
            self._joined = True
            self._browse.browser.exportRequested.connect(self.ask)
            self._browse.browser.progress.cancelRequested.connect(self._give_up)
        self._give_up()
        self._parts.window.action("exportCapture").setEnabled(capture is not None and bool(capture.sites))

    @Slot(str, object, object, object)
    def _on_dialog_chosen(self, format: str, sites: list[str], start: int, stop: int) -> None:
        capture = self._browse.capture
        if capture is None:
            return
        name = f"{capture.folder.name}.{format}"
        self._parts.window.ask_for_new_file(
            "Export capture", name, f"{format} (*.{format})",
            lambda path: self.export(Path(path), format, sites, (start, stop)),
        )  # fmt: skip

    @Slot(object)
    def _on_exported(self, path: Path) -> None:
        self._job = None
        self._browse.browser.progress.end()
        self._parts.jobs.run("export", lambda: (path, path.stat().st_size), self._on_measured, self._on_failed)

    def _on_measured(self, answer: tuple[Path, int]) -> None:
        path, size = answer
        self._parts.window.status.set_message(f"Exported {byte_size(size)} to {path}.")

    @Slot(object)
    def _on_failed(self, failure: Failure) -> None:
        self._job = None
        self._browse.browser.progress.end()
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})

    @Slot()
    def _give_up(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self._parts.window.status.set_message("The export was given up; nothing of it is left.")
        self._browse.browser.progress.end()
