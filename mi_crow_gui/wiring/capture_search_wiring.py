"""Searching an open capture: blocks over the mapped files, with progress, and the newest search wins."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from core_hooks.analysis.direction_file import read_directions
from core_hooks.analysis.nearest_tokens import (
    direction_of_channel,
    direction_of_row,
    examples_along,
    nearest_tokens,
)
from core_hooks.analysis.text_search import TextQuery, find_tokens
from mi_crow_gui.document.formatting import count, number, plural
from mi_crow_gui.panels.capture_search_panel import CHANNEL, PROBE, TOKEN, VECTOR
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.examples import ExampleRow, example_row

if TYPE_CHECKING:
    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.capture_search_panel import CaptureSearchPanel
    from mi_crow_gui.wiring.browse_wiring import BrowseWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_MOST = 200


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search gave, for the list: colours from `low` to `high`."""

    rows: tuple[ExampleRow, ...]
    words: str
    low: float = 0.0
    high: float = 0.0


class CaptureSearchWiring(QObject):
    """Joins the search tab with the capture; `probe_direction` is what the last probe left, by site."""

    found = Signal(object)

    def __init__(self, parts: Parts, browse: BrowseWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._browse = parts, browse
        self._job: LongJob | None = None
        self._vectors: dict[str, np.ndarray] = {}
        self._probe: tuple[str, np.ndarray] | None = None
        self._row = -1
        self._joined = False
        browse.opened.connect(self._on_browse_opened)
        browse.siteChanged.connect(self._on_browse_site_changed)
        browse.positionChanged.connect(self._on_browse_position_changed)

    @property
    def panel(self) -> CaptureSearchPanel:
        """The tab."""
        return self._browse.browser.search

    def set_probe(self, site: str, direction: np.ndarray, words: str) -> None:
        """Offer the direction of a probe."""
        self._probe = (site, direction)
        self.panel.set_probe(words)

    def load_file(self, path: str) -> None:
        """Offer the vectors of a safetensors file."""
        file = Path(path).expanduser()
        self._parts.jobs.run("search", lambda: (file, read_directions(file)), self._on_file_read, self._on_failed)

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_browse_opened(self, capture: Capture | None) -> None:
        panel = self.panel
        if not self._joined:
            self._joined = True
            panel.wordsSearched.connect(self._on_panel_words_searched)
            panel.directionSearched.connect(self._on_panel_direction_searched)
            panel.fileRequested.connect(self._on_panel_file_requested)
            panel.rowChosen.connect(self._browse.show_row)
            panel.progress.cancelRequested.connect(self._give_up)
        self._give_up()
        self._row = -1
        self._on_browse_site_changed(self._browse.site)

    @Slot(str)
    def _on_browse_site_changed(self, site: str) -> None:
        self._give_up()
        capture = self._browse.capture
        channels = capture.site(site).channels if capture is not None and site else 0
        self.panel.set_site(channels)

    @Slot(int)
    def _on_browse_position_changed(self, position: int) -> None:
        text = self._browse.text
        if text is None or not text.first <= position < text.first + len(text.tokens):
            self._row = -1
            self.panel.set_token("")
            return
        self._row = text.row + position
        token = readable_token(text.tokens[position - text.first])
        self.panel.set_token(f"token {count(position)} {token} of text {count(text.number)}")

    @Slot()
    def _on_panel_file_requested(self) -> None:
        self._parts.window.ask_for_file("Choose a vector", "Vectors (*.safetensors)", self.load_file)

    def _on_file_read(self, answer: tuple[Path, dict[str, np.ndarray]]) -> None:
        file, self._vectors = answer
        self.panel.set_file(file.name, list(self._vectors))

    @Slot(str, bool, bool)
    def _on_panel_words_searched(self, words: str, is_regex: bool, match_case: bool) -> None:
        capture = self._browse.capture
        self._give_up()
        if capture is None or not words:
            self.panel.set_results((), "")
            return
        query = TextQuery(words, is_regex, match_case)

        def work(desk: Desk) -> Found:
            rows = find_tokens(capture, query, at_most=1000, on_progress=desk.progress, cancel=desk.cancel)
            shown = tuple(_plain_row(capture, row) for row in rows[:_MOST].tolist())
            more = "1,000 or more" if len(rows) >= 1000 else count(len(rows))
            beyond = f"; the first {_MOST} are shown" if len(rows) > _MOST else ""
            return Found(shown, f"{more} found{beyond}")

        self._begin(f"Searching {plural(capture.texts, 'text')}", work)

    @Slot(str)
    def _on_panel_direction_searched(self, way: str) -> None:
        capture, site = self._browse.capture, self._browse.site
        if capture is None or not site:
            return
        panel, row, channel = self.panel, self._row, self.panel.channel
        measure: Any = panel.measure
        one, first = panel.one_of_a_text, panel.first_tokens
        given = self._vectors.get(panel.vector) if way == VECTOR else None
        if way == PROBE and self._probe is not None:
            given = self._probe[1]
        if way == TOKEN and row < 0:
            self._parts.window.status.set_message("Select a token in the strip above the plots first.")
            return
        # The first token of a text is near to all first tokens, so they count when one of them is asked about.
        first = first or (way == TOKEN and self._position() == 0)

        def work(desk: Desk) -> Found:
            if way == TOKEN:
                direction = direction_of_row(capture, site, row)
            elif way == CHANNEL:
                direction = direction_of_channel(capture, site, channel)
            else:
                assert given is not None
                direction = given
            nearest = nearest_tokens(
                capture,
                site,
                direction,
                measure=measure,
                at_most=_MOST,
                first_tokens=first,
                one_of_a_text=one,
                on_progress=desk.progress,
                cancel=desk.cancel,
            )
            examples = examples_along(capture, site, nearest, direction, measure=measure)
            rows = tuple(example_row(example) for example in examples)
            finite = [example.values[np.isfinite(example.values)] for example in examples]
            values = np.concatenate(finite) if finite else np.zeros(1, np.float32)
            what = "cosine" if measure == "cosine" else "length along it"
            words = f"The nearest {count(len(rows))} of {plural(nearest.looked_at, 'token')}, by {what}"
            low, high = (-1.0, 1.0) if measure == "cosine" else (float(values.min()), float(values.max()))
            return Found(rows, f"{words}; colours {number(low)} to {number(high)}", low, high)

        self._begin(f"Comparing {plural(capture.rows, 'token')}", work)

    def _position(self) -> int:
        text = self._browse.text
        return self._row - text.row if text is not None and self._row >= 0 else -1

    def _begin(self, words: str, work: Any) -> None:
        self._give_up()
        self.panel.progress.begin(words)
        self._job = self._parts.long_jobs.start(
            "search", work, self._on_found, self._on_job_failed, self.panel.progress.set_progress
        )

    @Slot(object)
    def _on_found(self, found: Found) -> None:
        self._job = None
        self.panel.progress.end()
        self.panel.set_results(found.rows, found.words, found.low, found.high, "Nothing was found.")
        self.found.emit(found)

    @Slot(object)
    def _on_job_failed(self, failure: Failure) -> None:
        self._job = None
        self.panel.progress.end()
        self.panel.set_results((), failure.message)
        self._on_failed(failure)

    @Slot()
    def _give_up(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self.panel.progress.end()

    def _on_failed(self, failure: Failure) -> None:
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})


def _plain_row(capture: Capture, row: int) -> ExampleRow:
    """A token with its neighbours, without colours."""
    text, position = capture.row_at(row)
    rows = capture.rows_of(text)
    start, stop = max(rows.start, row - 8), min(rows.stop, row + 9)
    return ExampleRow(f"{count(text)}", tuple(capture.token_texts(start, stop)), None, row - start, row, text, position)
