"""Comparing captures from the window: read in blocks, with progress and cancel."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from core_hooks.analysis.capture_comparison import compare_captures
from core_hooks.capture.reader import open_capture
from mi_crow_gui.document.formatting import number, plural
from mi_crow_gui.plotdata.examples import ExampleRow

if TYPE_CHECKING:
    from core_hooks.analysis.capture_comparison import SiteComparison
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
_NAMED = 10  # channels that are named


class CaptureCompareWiring(QObject):
    """Joins the compare tab with the open capture and the disk; a channel that is chosen there is told of."""

    channelChosen = Signal(int)

    def __init__(self, parts: Parts, browse: BrowseWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._browse = parts, browse
        self._job: LongJob | None = None
        self._joined = False
        self._pending: tuple[str, str] | None = None  # a capture that is being opened, and what it is for
        self._shown = ""  # site whose channels and tokens are named
        self.sites: list[SiteComparison] = []
        self._tokens: list[list[ExampleRow]] = []
        browse.opened.connect(self._on_browse_opened)
        parts.window.captures.compareRequested.connect(self._on_captures_compare_requested)
        parts.window.action("compareCaptures").triggered.connect(self._on_compare_captures_triggered)

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

    @Slot()
    def compare(self) -> None:
        """Compare the open capture with the one that the tab names."""
        capture, panel = self._browse.capture, self.panel
        self._give_up()
        if capture is None or not panel.other:
            return
        folder = Path(panel.other)

        def work(desk: Desk) -> tuple[str, list[SiteComparison], list[list[ExampleRow]]]:
            with open_capture(folder) as other:
                found = compare_captures(capture, other, on_progress=desk.progress, cancel=desk.cancel)
                words = f"A is {_about(capture)}; B is {_about(other)}."
            return words, found, [_token_rows(capture, site) for site in found]

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
            panel.channelChosen.connect(self._on_panel_channel_chosen)
            panel.rowChosen.connect(self._browse.show_row)
            panel.progress.cancelRequested.connect(self._on_progress_cancel_requested)
        self._give_up()
        self.sites, self._tokens = [], []
        panel.set_table((), (), "")
        if capture is not None:
            self.offer_captures()
        pending, self._pending = self._pending, None
        if capture is not None and pending is not None and str(capture.folder) == pending[0]:
            panel.choose_capture(Path(pending[1]).name, pending[1])
            self._browse.browser.show_tab(panel)
            self.compare()

    @Slot(str, str)
    def _on_captures_compare_requested(self, one: str, other: str) -> None:
        self._pending = (one, other)
        self._parts.window.captures.openRequested.emit(one)

    @Slot()
    def _on_compare_captures_triggered(self) -> None:
        """Go to where it is said what is compared; with no capture open, compare the two that are selected."""
        window = self._parts.window
        selected = window.captures.selected_paths()
        if self._browse.capture is not None:
            window.action("showCaptures").trigger()
            self._browse.browser.show_tab(self.panel)
            self.panel.focus_choice()
        elif len(selected) == 2:
            self._on_captures_compare_requested(*selected)
        else:
            window.action("showCaptures").trigger()
            window.status.set_message("Open a capture, or select two in the list, to compare what they hold.")

    @Slot()
    def _on_panel_folder_requested(self) -> None:
        self._parts.window.ask_for_folder(
            "Compare with a capture", lambda path: self.panel.choose_capture(Path(path).name, path)
        )

    @Slot(object)
    def _on_captures_compared(self, answer: tuple[str, list[SiteComparison], list[list[ExampleRow]]]) -> None:
        words, self.sites, self._tokens = answer
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
        note = f"{words} Select a site to see the channels and tokens that changed most."
        if lost:
            note = f"{plural(lost, 'token')} with NaN or infinity left out. {note}"
        self.panel.set_table(_SITE_HEADERS, rows, note, _SITE_TIPS)

    @Slot(int)
    def _on_panel_site_selected(self, place: int) -> None:
        if not 0 <= place < len(self.sites):
            return
        site = self.sites[place]
        self._shown = site.site_a
        if not len(site.channels):
            self.panel.set_details("The sites have different widths: only CKA compares them.", (), self._tokens[place])
            return
        pairs = zip(site.channels.tolist(), site.channel_changes.tolist(), strict=True)
        named = [(channel, number(change)) for channel, change in pairs][:_NAMED]
        words = "Channels that changed most (root mean square of B − A):"
        self.panel.set_details(words, named, self._tokens[place])

    @Slot(int)
    def _on_panel_channel_chosen(self, channel: int) -> None:
        self._browse.choose_site(self._shown)
        self.channelChosen.emit(channel)

    @Slot(object)
    def _on_job_failed(self, failure: Failure) -> None:
        self._job = None
        self.panel.progress.end()
        self.panel.set_table((), (), failure.message)
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})

    @Slot()
    def _on_progress_cancel_requested(self) -> None:
        self._give_up()
        self.panel.set_table((), (), "The comparison was given up.")

    def _give_up(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self.panel.progress.end()


def _about(capture: Capture) -> str:
    """Which capture it is, of which model, and what acted on that."""
    index = capture.index
    model = str(index.model.get("name") or "")
    acting = index.settings.get("controllers")
    said = [f"of {model}"] if model else []
    said += [f"with {plural(len(acting), 'controller')}"] if isinstance(acting, list) and acting else []
    return " ".join([f"“{capture.folder.name}”", *said])


def _token_rows(capture: Capture, site: SiteComparison) -> list[ExampleRow]:
    rows = []
    for row, change in zip(site.rows.tolist(), site.row_changes.tolist(), strict=True):
        text, position = capture.row_at(row)
        around = capture.rows_of(text)
        start, stop = max(around.start, row - 8), min(around.stop, row + 9)
        tokens = tuple(capture.token_texts(start, stop))
        rows.append(ExampleRow(number(change), tokens, None, row - start, row, text, position))
    return rows
