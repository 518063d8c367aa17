"""Training probes on an open capture, and what their directions are used for."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Slot

from core_hooks.analysis.direction_file import write_direction
from core_hooks.analysis.probe import train_probe
from core_hooks.analysis.probe_labels import data_of_texts, data_of_tokens, labels_of_texts, read_labels
from core_hooks.analysis.text_search import TextQuery
from mi_crow_gui.document.formatting import count, elide_middle, number, percent, plural
from mi_crow_gui.panels.capture_search_panel import PROBE
from mi_crow_gui.panels.probe_panel import FILE, TOKENS

if TYPE_CHECKING:
    from core_hooks.analysis.probe import Probe
    from core_hooks.analysis.probe_labels import ProbeData
    from core_hooks.capture.reader import Capture
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.probe_panel import ProbePanel
    from mi_crow_gui.wiring.browse_wiring import BrowseWiring
    from mi_crow_gui.wiring.capture_search_wiring import CaptureSearchWiring
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_LONGEST = 12  # characters of a label before its share of right answers


class ProbeWiring(QObject):
    """Joins the probe tab with the capture, the search tab and the disk."""

    def __init__(self, parts: Parts, browse: BrowseWiring, search: CaptureSearchWiring) -> None:
        super().__init__(parts.window)
        self._parts, self._browse, self._search = parts, browse, search
        self._job: LongJob | None = None
        self._file: Path | None = None
        self._joined = False
        self._site = ""
        self.probe: Probe | None = None
        browse.opened.connect(self._on_browse_opened)
        browse.siteChanged.connect(self._on_browse_site_changed)

    @property
    def panel(self) -> ProbePanel:
        """The tab."""
        return self._browse.browser.probe

    def choose_file(self, path: str) -> None:
        """Take labels from this file."""
        self._file = Path(path).expanduser()
        self.panel.set_file(self._file.name)

    def save(self, path: str, of_class: int) -> None:
        """Write the direction of a class."""
        probe, capture = self.probe, self._browse.capture
        if probe is None or capture is None:
            return
        file = Path(path).expanduser()
        if not file.suffix:
            file = file.with_suffix(".safetensors")
        vector, name = _direction(probe, of_class)
        metadata = {
            "kind": "probe",
            "site": self._site,
            "label": name,
            "labels": ", ".join(probe.classes),
            "accuracy": f"{probe.accuracy:.6g}",
            "chance": f"{probe.chance:.6g}",
            "model": str(capture.index.model.get("name", "")),
        }
        self._parts.jobs.run("probe", lambda: write_direction(file, vector, metadata), self._on_saved, self._on_failed)

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_browse_opened(self, capture: Capture | None) -> None:
        if not self._joined:
            self._joined = True
            panel = self.panel
            panel.trainRequested.connect(self.train)
            panel.fileRequested.connect(self._on_panel_file_requested)
            panel.saveRequested.connect(self._on_panel_save_requested)
            panel.searchRequested.connect(self._on_panel_search_requested)
            panel.progress.cancelRequested.connect(self._give_up)
        self._give_up()
        self.probe = None
        if capture is not None:
            self.panel.set_labels(str(capture.index.source.get("label") or ""))

    @Slot(str)
    def _on_browse_site_changed(self, site: str) -> None:
        self._give_up()
        self.probe = None
        self.panel.set_result(())

    @Slot()
    def _on_panel_file_requested(self) -> None:
        self._parts.window.ask_for_file("Choose labels", "Labels (*.csv *.tsv *.jsonl *.parquet)", self.choose_file)

    @Slot(int)
    def _on_panel_save_requested(self, of_class: int) -> None:
        if self.probe is not None:
            name = "".join(sign if sign.isalnum() else "-" for sign in f"probe {self._site}").strip("-")
            self._parts.window.ask_for_new_file(
                "Save direction",
                f"{name}.safetensors",
                "Vectors (*.safetensors)",
                lambda path: self.save(path, of_class),
            )

    @Slot(int)
    def _on_panel_search_requested(self, of_class: int) -> None:
        if self.probe is None:
            return
        vector, name = _direction(self.probe, of_class)
        self._search.set_probe(self._site, vector, f"direction for '{name}' at {self._site or 'the model'}")
        browser = self._browse.browser
        browser.show_tab(browser.search)
        browser.search.search_by(PROBE)

    @Slot()
    def train(self) -> None:
        """Train a probe as the tab says."""
        capture, site, panel, file = self._browse.capture, self._browse.site, self.panel, self._file
        if capture is None or not site:
            return
        self._give_up()
        source, pooling, first = panel.source, panel.pooling, panel.first_tokens
        column, number_column, pattern = panel.column, panel.number_column, panel.pattern
        if source == FILE and file is None:
            panel.set_result((), problem="Choose the file with the labels first.")
            return

        def collect(desk: Desk) -> ProbeData:
            if source == TOKENS:
                query = TextQuery(pattern, is_regex=True, match_case=True)
                return data_of_tokens(
                    capture, site, query, first_tokens=first, on_progress=desk.progress, cancel=desk.cancel
                )
            given = read_labels(file, column, number_column) if source == FILE and file is not None else None
            labels = labels_of_texts(capture, given, by_record=not number_column)
            choice: Any = pooling
            return data_of_texts(
                capture, site, labels, pooling=choice, first_tokens=first, on_progress=desk.progress, cancel=desk.cancel
            )

        def work(desk: Desk) -> tuple[str, ProbeData, Probe]:
            data = collect(desk)
            return site, data, train_probe(data, on_progress=desk.progress, cancel=desk.cancel)

        panel.set_result(())
        panel.progress.begin("Training the probe")
        self._job = self._parts.long_jobs.start(
            "probe", work, self._on_trained, self._on_job_failed, panel.progress.set_progress
        )

    @Slot(object)
    def _on_trained(self, answer: tuple[str, ProbeData, Probe]) -> None:
        self._site, data, probe = answer
        self.probe, self._job = probe, None
        self.panel.progress.end()
        classes = probe.classes if len(probe.classes) > 2 else ()
        self.panel.set_result(_facts(data, probe), classes)
        vector, name = _direction(probe, 0)
        self._search.set_probe(self._site, vector, f"direction for '{name}' at {self._site or 'the model'}")
        self._parts.window.status.set_message(
            f"The probe is right on {percent(probe.accuracy)} of what it never saw; chance is {percent(probe.chance)}."
        )

    @Slot(object)
    def _on_job_failed(self, failure: Failure) -> None:
        self._job = None
        self.panel.progress.end()
        self.panel.set_result((), problem=failure.message)
        self._on_failed(failure)

    def _on_saved(self, path: Path) -> None:
        self._parts.window.status.set_message(f"Saved to {path}: ctx.vector('{path}') gives it to a controller.")

    @Slot()
    def _give_up(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self.panel.progress.end()

    def _on_failed(self, failure: Failure) -> None:
        self._parts.window.status.set_message(failure.message)
        log.error("%s", failure.message, extra={"details": failure.details})


def _direction(probe: Probe, of_class: int) -> tuple[np.ndarray, str]:
    """The direction of a class and its name; of two classes that which speaks for the second."""
    if len(probe.classes) == 2:
        return probe.directions[0], probe.classes[1]
    return probe.directions[of_class], probe.classes[of_class]


def _facts(data: ProbeData, probe: Probe) -> list[tuple[str, str]]:
    kind = "text" if data.of_texts else "token"
    facts = [
        ("Accuracy", f"{percent(probe.accuracy)}  (95 %: {percent(probe.low)} to {percent(probe.high)})"),
        ("Chance", f"{percent(probe.chance)}  (always the commonest label)"),
        ("On its training", percent(probe.train_accuracy)),
        ("Measured on", f"{plural(probe.test_examples, kind)} of {plural(probe.test_texts, 'text')}"),
        ("Trained on", f"{plural(probe.train_examples, kind)} of {plural(probe.train_texts, 'text')}"),
        ("Labels", ", ".join(probe.classes)),
    ]
    if data.left_out:
        facts.append(("Left out", f"{count(data.left_out)} without a label or finite values, or beyond the limit"))
    if not probe.converged:
        facts.append(("Training", "ended before it had settled"))
    right = np.diag(probe.confusion) / np.maximum(1, probe.confusion.sum(axis=1))
    # Long names would leave the values no room; the row of labels has them whole.
    names = [elide_middle(name, _LONGEST) for name in probe.classes]
    facts += [(f"Right on '{name}'", percent(float(share))) for name, share in zip(names, right, strict=True)]
    facts.append(("Length of direction", number(float(np.linalg.norm(probe.directions[0])))))
    return facts
