"""An open capture: its texts in the table, the chosen one in the plots; no model is needed for any of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.document.formatting import byte_size, count, plural, shape
from mi_crow_gui.wiring.text_reading import read_rows, read_text

if TYPE_CHECKING:
    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.capture_browser import CaptureBrowser
    from mi_crow_gui.panels.capture_text_panel import CaptureTextPanel
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring
    from mi_crow_gui.wiring.text_reading import ShownText

log = logging.getLogger(__name__)


class BrowseWiring(QObject):
    """Holds the capture that is open, and joins its browser, the strip with its tokens, and the plots.

    `opened` says that another capture is there (None: none any more), `shown` that the plots show another text of
    it (None: something else again), `siteChanged` which of its sites is chosen, `positionChanged` which token of the
    text (-1: none).
    """

    opened = Signal(object)
    shown = Signal(object)
    siteChanged = Signal(str)
    positionChanged = Signal(int)

    def __init__(self, parts: Parts, plots: PlotsWiring, board: PlotBoard) -> None:
        super().__init__(parts.window)
        self._parts, self._plots, self._board = parts, plots, board
        self._window, self._store = parts.window, parts.store
        self._capture: Capture | None = None
        self._text: ShownText | None = None
        self._browser: CaptureBrowser | None = None
        self._strip: CaptureTextPanel | None = None
        self._search: LongJob | None = None
        self._serial = 0
        self._position = -1
        self._site = ""
        self.last_problem = ""
        parts.store.changed.connect(self._on_store_changed)
        parts.service.runStarted.connect(self._on_model_took_over)
        parts.service.modelOpened.connect(self._on_model_took_over)
        board.tokenSelected.connect(self._on_board_token_selected)

    # ---- what others ask for -----------------------------------------------------------------------------------

    @property
    def capture(self) -> Capture | None:
        """The open capture."""
        return self._capture

    @property
    def text(self) -> ShownText | None:
        """The text that the plots show, None while they show something else."""
        return self._text

    @property
    def site(self) -> str:
        """The chosen site of the capture, "" without any."""
        return self._site

    @property
    def browser(self) -> CaptureBrowser:
        """The browser; made when the first capture opens."""
        if self._browser is None:
            browser = self._browser = self._window.captures.make_browser()
            browser.siteChosen.connect(self.choose_site)
            browser.closeRequested.connect(self.close)
            browser.texts.textChosen.connect(self._on_texts_text_chosen)
            browser.texts.searched.connect(self._on_texts_searched)
            browser.texts.progress.cancelRequested.connect(self._on_texts_cancel_requested)
            browser.texts.model.pageWanted.connect(self._on_model_page_wanted)
        return self._browser

    def open(self, capture: Capture) -> None:
        """Browse a capture, its first text in the plots."""
        self._give_search_up()
        self._capture, self._text = capture, None
        # Before the browser is there: under the plots it would need more height than a small screen has.
        self._window.show_workbench()
        self._window.apply_preset("analyse")
        browser = self.browser
        sites = list(dict.fromkeys(site.site for site in capture.sites))
        index = capture.index
        browser.set_capture(capture.folder.name, facts_line(capture), sites, "\n".join(index.notes))
        browser.texts.set_capture(capture.texts, labels=bool(index.source.get("label")))
        browser.show()
        selected = self._store.workspace.selected_site
        self._site = selected if selected in sites else (sites[0] if sites else "")
        browser.set_site(self._site)
        self._describe_site()
        self.opened.emit(capture)
        if capture.texts and capture.rows:
            browser.texts.select(0)  # or the table would choose it, and have it read again, once it has the focus
            self.show_text(0)
        browser.texts.focus_table()
        self._window.status.set_message(f"{facts_line(capture)}. No model needed.")

    @Slot()
    def close(self) -> None:
        """Put the capture away."""
        self._give_search_up()
        self._capture = None
        if self._browser is not None:
            self._browser.hide()
        self._describe_site()
        self._leave_text()
        self._plots.show_capture([])
        self._store.show_capture("")
        self.opened.emit(None)

    def show_text(self, number: int, position: int = -1, first: int = 0, tokens: int = 0) -> None:
        """Show a text in the plots, the token at `position` selected; from `first` on where only a part fits."""
        capture = self._capture
        if capture is None:
            return
        self._serial += 1
        serial = self._serial

        def read() -> tuple[int, int, ShownText]:
            text = read_text(capture, number, first, tokens, serial)
            if position >= 0 and not text.first <= position < text.first + len(text.tokens):
                text = read_text(capture, number, max(0, position - text.most // 2), tokens, serial)
            return serial, position, text

        self._parts.jobs.run("capture", read, self._on_text_read, self._on_failed)

    def show_row(self, row: int) -> None:
        """Show the text that a row of the capture is of, with that token selected."""
        capture = self._capture
        if capture is not None:
            self._parts.jobs.run("capture", lambda: capture.row_at(row), self._on_row_found, self._on_failed)

    @Slot(str)
    def choose_site(self, site: str) -> None:
        """Let plots, channels and search be about another site of the capture."""
        self._store.select_site(site)

    def colour_tokens(self, name: str, values: Any) -> None:
        """Colour the tokens of the shown text, such as by a channel; "" takes the colours away."""
        if self._strip is not None:
            self._strip.set_measure(name, values)

    def select_position(self, position: int) -> None:
        """Select a token of the shown text, in strip and plots."""
        self._position = position
        self._plots.select_token(position)
        if self._strip is not None:
            self._strip.select_token(position)
        self.positionChanged.emit(position)

    # ---- texts -------------------------------------------------------------------------------------------------

    def _on_text_read(self, answer: tuple[int, int, ShownText]) -> None:
        serial, position, text = answer
        capture = self._capture
        if serial != self._serial or capture is None:
            return
        self._text = text
        strip = self._text_panel()
        strip.set_text(text.number, capture.texts, text.tokens, text.first, text.length, text.most, text.label)
        strip.show()
        self.browser.texts.select(text.number)
        self._plots.show_capture(list(text.frames))
        self.select_position(position)
        self.shown.emit(text)

    def _on_row_found(self, found: tuple[int, int]) -> None:
        number, position = found
        text = self._text
        if text is not None and number == text.number and text.first <= position < text.first + len(text.tokens):
            self.select_position(position)
        else:
            self.show_text(number, position)

    def _text_panel(self) -> CaptureTextPanel:
        if self._strip is None:
            from mi_crow_gui.panels.capture_text_panel import CaptureTextPanel

            strip = self._strip = CaptureTextPanel()
            strip.tokenSelected.connect(self.select_position)
            strip.tokenHovered.connect(self._plots.point_at_token)
            self._plots.tokenPointed.connect(strip.point_at)
            strip.stepRequested.connect(self._on_strip_step_requested)
            strip.rangeRequested.connect(self._on_strip_range_requested)
            self._window.install_capture_text(strip)
        return self._strip

    def _leave_text(self) -> None:
        self._serial += 1
        self._text = None
        if self._strip is not None:
            self._strip.hide()
        self.shown.emit(None)

    @Slot(int)
    def _on_strip_step_requested(self, step: int) -> None:
        if self._text is not None:
            number = self.browser.texts.next_to(self._text.number, step)
            if number >= 0:
                self.show_text(number)

    @Slot(int, int)
    def _on_strip_range_requested(self, first: int, tokens: int) -> None:
        if self._text is not None:
            self.show_text(self._text.number, first=first, tokens=tokens)

    @Slot(int)
    def _on_texts_text_chosen(self, number: int) -> None:
        self.show_text(number)

    @Slot(object)
    def _on_model_page_wanted(self, numbers: tuple[int, ...]) -> None:
        capture = self._capture
        if capture is not None:
            self._parts.jobs.run(
                "capture", lambda: (capture, read_rows(capture, numbers)), self._on_page_read, self._on_failed
            )

    def _on_page_read(self, answer: tuple[Capture, list[Any]]) -> None:
        capture, rows = answer
        if capture is self._capture:
            self.browser.texts.model.set_rows(rows)

    @Slot(str, bool, bool)
    def _on_texts_searched(self, words: str, is_regex: bool, match_case: bool) -> None:
        from core_hooks.analysis.text_search import TextQuery, find_texts

        self._give_search_up()
        capture = self._capture
        if capture is None:
            return
        if not words:
            self.browser.texts.set_found(None)
            return
        query = TextQuery(words, is_regex, match_case)

        def search(desk: Desk) -> Any:
            return find_texts(capture, query, on_progress=desk.progress, cancel=desk.cancel)

        progress = self.browser.texts.progress
        progress.begin(f"Searching {plural(capture.texts, 'text')}")
        self._search = self._parts.long_jobs.start(
            "search", search, self._on_searched, self._on_search_failed, progress.set_progress
        )

    @Slot(object)
    def _on_searched(self, numbers: Any) -> None:
        self.browser.texts.progress.end()
        self.browser.texts.set_found(numbers)

    @Slot(object)
    def _on_search_failed(self, failure: Failure) -> None:
        self.browser.texts.progress.end()
        self._on_failed(failure)

    @Slot()
    def _on_texts_cancel_requested(self) -> None:
        self._give_search_up()

    def _give_search_up(self) -> None:
        if self._search is not None:
            self._search.cancel()
            self._search = None
        if self._browser is not None:
            self._browser.texts.progress.end()

    # ---- the rest of the window --------------------------------------------------------------------------------

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic != "selection" or self._capture is None:
            return
        site = self._store.workspace.selected_site
        if site is not None and site != self._site and any(known.site == site for known in self._capture.sites):
            self._site = site
            self.browser.set_site(site)
            self._describe_site()
            self.siteChanged.emit(site)

    def _describe_site(self) -> None:
        """Tell the inspector what the capture knows of the chosen site."""
        found = None
        if self._capture is not None:
            found = next((site for site in self._capture.sites if site.site == self._site), None)
        if found is None:
            self._window.inspector.set_stored(None)
            return
        stored = found.stored_dtype if found.stored_dtype != found.dtype else ""
        facts = [("Channels", shape(found.row_shape)), ("dtype", found.dtype), ("Stored as", stored)]
        facts += [("Tokens", count(found.rows)), ("Stage", found.stage)]
        self._window.inspector.set_stored(found.site, [fact for fact in facts if fact[1]])

    @Slot(object)
    def _on_model_took_over(self, what: object) -> None:
        """The plots are about a model now; a click on a text brings the capture back."""
        if self._text is not None:
            self._leave_text()

    @Slot(int)
    def _on_board_token_selected(self, position: int) -> None:
        if self._strip is not None and self._text is not None:
            self._position = position
            self._strip.select_token(position)
            self.positionChanged.emit(position)

    def _on_failed(self, failure: Failure) -> None:
        self.last_problem = failure.message
        self._window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})


def facts_line(capture: Capture) -> str:
    """What a capture is, in one line."""
    index = capture.index
    nbytes = sum(int(entry.get("bytes", 0)) for entry in (*index.shards, *index.files.values()))
    parts = [
        str(index.model.get("name") or "an unnamed model"),
        plural(capture.texts, "text"),
        plural(capture.rows, "token"),
        plural(len(capture.sites), "site"),
        byte_size(nbytes) if nbytes else "",
        "" if index.finished else "not finished",
    ]
    return " · ".join(part for part in parts if part)
