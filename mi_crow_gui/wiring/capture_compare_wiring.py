"""Comparing captures and weights from the window: read in blocks, with progress and cancel."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from core_hooks.analysis.capture_comparison import compare_captures
from core_hooks.analysis.weights_comparison import compare_weights
from core_hooks.capture.reader import open_capture
from mi_crow_gui.document.formatting import count, number, plural, shape
from mi_crow_gui.panels.compare_panel import WEIGHTS
from mi_crow_gui.plotdata.examples import ExampleRow

if TYPE_CHECKING:
    from core_hooks.analysis.capture_comparison import SiteComparison
    from core_hooks.analysis.weights_comparison import TensorComparison
    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.compare_panel import ComparePanel
    from mi_crow_gui.wiring.browse_wiring import BrowseWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_SITE_HEADERS = ("Site", "CKA", "Cosine", "Difference", "Tokens")
_SITE_TIPS = (
    "Site of this capture, and of the other where its name is another",
    "Linear centred kernel alignment: 1 when the vectors are the same up to rotation and scale",
    "Mean cosine between the two vectors of a token",
    "Norm of the difference, relative to this capture's",
    "Tokens that were compared",
)
_WEIGHT_HEADERS = ("Tensor", "Relative", "Cosine", "Difference", "Shape, or why not")
_WEIGHT_TIPS = (
    "Name of the tensor",
    "Norm of B less A, relative to that of A",
    "Cosine between the two tensors",
    "Norm of B less A",
    "Shape of A's tensor, or why the two can't be compared",
)


class CaptureCompareWiring(QObject):
    """Joins the compare tab with the open capture and the disk."""

    def __init__(self, parts: Parts, browse: BrowseWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._browse = parts, browse
        self._job: LongJob | None = None
        self._joined = False
        self._pending = ""
        self.sites: list[SiteComparison] = []
        self.tensors: list[TensorComparison] = []
        self._tokens: list[list[ExampleRow]] = []
        browse.opened.connect(self._on_browse_opened)
        parts.window.captures.compareRequested.connect(self._on_captures_compare_requested)

    @property
    def panel(self) -> ComparePanel:
        """The tab."""
        return self._browse.browser.compare

    def offer_captures(self) -> None:
        """Offer the captures of the list, but for the one that is open."""
        capture = self._browse.capture
        own = str(capture.folder.absolute()) if capture is not None else ""
        rows = self._parts.window.captures.rows()
        self.panel.set_captures([(row.name, row.path) for row in rows if row.path != own and not row.problem])

    @Slot(str)
    def compare(self, what: str) -> None:
        """Compare as the tab says."""
        capture, panel = self._browse.capture, self.panel
        self._give_up()
        if what == WEIGHTS:
            a, b = Path(panel.folder("a")), Path(panel.folder("b"))
            panel.progress.begin("Comparing the weights")
            self._job = self._parts.long_jobs.start(
                "compare",
                lambda desk: compare_weights(a, b, on_progress=desk.progress, cancel=desk.cancel),
                self._on_weights_compared, self._on_job_failed, panel.progress.set_progress,
            )  # fmt: skip
            return
        if capture is None or not panel.other:
            return
        folder = Path(panel.other)

        def work(desk: Desk) -> tuple[list[SiteComparison], list[list[ExampleRow]]]:
            with open_capture(folder) as other:
                found = compare_captures(capture, other, on_progress=desk.progress, cancel=desk.cancel)
            return found, [_token_rows(capture, site) for site in found]

        panel.progress.begin(f"Comparing with {folder.name}")
        self._job = self._parts.long_jobs.start(
            "compare", work, self._on_captures_compared, self._on_job_failed, panel.progress.set_progress
        )

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_browse_opened(self, capture: Capture | None) -> None:
        panel = self.panel
        if not self._joined:
            self._joined = True
            panel.compareRequested.connect(self.compare)
            panel.folderRequested.connect(self._on_panel_folder_requested)
            panel.siteSelected.connect(self._on_panel_site_selected)
            panel.rowChosen.connect(self._browse.show_row)
            panel.progress.cancelRequested.connect(self._give_up)
        self._give_up()
        self.sites, self._tokens = [], []
        panel.set_table((), (), "")
        if capture is not None:
            self.offer_captures()
        if capture is not None and self._pending:
            pending, self._pending = self._pending, ""
            panel.choose_capture(Path(pending).name, pending)
            self._browse.browser.show_tab(panel)
            self.compare(panel.what)

    @Slot(str, str)
    def _on_captures_compare_requested(self, one: str, other: str) -> None:
        self._pending = other
        self._parts.window.captures.openRequested.emit(one)

    @Slot(str)
    def _on_panel_folder_requested(self, which: str) -> None:
        if which == "capture":
            self._parts.window.ask_for_folder(
                "Compare with a capture", lambda path: self.panel.choose_capture(Path(path).name, path)
            )
        else:
            title = f"Folder of model {which.upper()}"
            self._parts.window.ask_for_folder(title, lambda path: self.panel.set_folder(which, path))

    @Slot(object)
    def _on_captures_compared(self, answer: tuple[list[SiteComparison], list[list[ExampleRow]]]) -> None:
        self.sites, self._tokens = answer
        self.tensors = []
        self._job = None
        self.panel.progress.end()
        rows = [
            (
                site.site_a if site.site_a == site.site_b else f"{site.site_a} / {site.site_b}",
                site.cka, site.cosine, site.difference, site.tokens,
            )
            for site in self.sites
        ]  # fmt: skip
        lost = sum(site.left_out for site in self.sites)
        note = "Select a site to see the channels and tokens that changed most."
        if lost:
            note = f"{plural(lost, 'token')} with NaN or infinity left out. {note}"
        self.panel.set_table(_SITE_HEADERS, rows, note, _SITE_TIPS)

    @Slot(object)
    def _on_weights_compared(self, tensors: list[TensorComparison]) -> None:
        self.tensors, self.sites, self._job = tensors, [], None
        self.panel.progress.end()
        rows = [
            (item.name, item.relative, item.cosine, item.difference, item.problem or shape(item.shape))
            for item in tensors
        ]
        changed = sum(item.difference > 0 for item in tensors)
        apart = sum(bool(item.problem) for item in tensors)
        note = f"{count(changed)} of {plural(len(tensors), 'tensor')} differ"
        note += f"; {count(apart)} can't be compared." if apart else "."
        self.panel.set_table(_WEIGHT_HEADERS, rows, note, _WEIGHT_TIPS)

    @Slot(int)
    def _on_panel_site_selected(self, place: int) -> None:
        if not 0 <= place < len(self.sites):
            return
        site = self.sites[place]
        if not len(site.channels):
            words = "The sites have different widths: only CKA compares them."
        else:
            pairs = zip(site.channels.tolist(), site.channel_changes.tolist(), strict=True)
            top = ", ".join(f"{channel} ({number(change)})" for channel, change in list(pairs)[:10])
            words = f"Channels that changed most (root mean square): {top}"
        self.panel.set_details(words, self._tokens[place])

    @Slot(object)
    def _on_job_failed(self, failure: Failure) -> None:
        self._job = None
        self.panel.progress.end()
        self.panel.set_table((), (), failure.message)
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})

    @Slot()
    def _give_up(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self.panel.progress.end()


def _token_rows(capture: Capture, site: SiteComparison) -> list[ExampleRow]:
    rows = []
    for row, change in zip(site.rows.tolist(), site.row_changes.tolist(), strict=True):
        text, position = capture.row_at(row)
        around = capture.rows_of(text)
        start, stop = max(around.start, row - 8), min(around.stop, row + 9)
        tokens = tuple(capture.token_texts(start, stop))
        rows.append(ExampleRow(number(change), tokens, None, row - start, row, text, position))
    return rows
