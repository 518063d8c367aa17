"""What is known of the selected site: the module, its values in numbers and as a plot, the detector's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.panels.facts_table import FactsTable
from mi_crow_gui.panels.hook_details import HookDetailsPanel
from mi_crow_gui.panels.look import GRID, bold
from mi_crow_gui.panels.site_label import SiteLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.records import ModuleRecord
    from mi_crow_gui.panels.hook_details import HookDetails

_NOTHING = "Select a module to see what it is and what it gives out."
_NO_VALUES = "Tick the module and run the prompt: the statistics of its values then stand here."
_NO_RUN = "Run the prompt: the statistics of the module's values then stand here."
_STAGES = (
    ("before", "before the controllers"),
    ("after", "after the controllers"),
    ("input", "what goes into the module"),
)


class InspectorPanel(QWidget):
    """Shows one site; a detector's stage is its only setting here."""

    stageChanged = Signal(str)  # "before", "after" or "input"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._record: ModuleRecord | None = None
        self._output: tuple[tuple[int, ...], str] | None = None
        self._plot: QWidget | None = None
        self._stored: tuple[str, tuple[tuple[str, str], ...]] | None = None
        self._captured = False

        self._site = SiteLabel()
        self._site.setObjectName("inspectorSite")
        self._site.setAccessibleName("Selected site")
        self._site.setFont(bold(self._site.font()))
        self._facts = FactsTable("inspectorFacts", "Facts about the module", numbers=False)
        self._statistics = FactsTable("inspectorStatistics", "Statistics of the values", numbers=True)
        self._statistics_title = _title("Values")
        self._hint = QLabel(_NOTHING)
        self._hint.setWordWrap(True)
        self._hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)

        self._stage = QComboBox()
        self._stage.setObjectName("detectorStage")
        self._stage.setAccessibleName("Detector sees the value")
        self._stage.setToolTip("Whether the detector sees the module's own value or what the controllers made of it")
        for stage, text in _STAGES:
            self._stage.addItem(text, stage)
        # The longest of them must not make the panel wider than it is.
        self._stage.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._stage.setMinimumContentsLength(8)
        self._stage.activated.connect(self._on_stage_activated)
        self._detector = QWidget()
        row = QHBoxLayout(self._detector)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        words = QLabel("Capture")
        words.setBuddy(self._stage)
        row.addWidget(words)
        row.addWidget(self._stage, 1)
        self._detector_title = _title("Detector")

        self._content = QWidget()
        self._layout = QVBoxLayout(self._content)
        self._layout.setContentsMargins(GRID, GRID, GRID, GRID)
        self._layout.setSpacing(GRID)
        for part in (self._site, self._facts, self._statistics_title, self._hint, self._statistics):
            self._layout.addWidget(part)
        self._layout.addWidget(self._detector_title)
        self._layout.addWidget(self._detector)
        self.hook_details = HookDetailsPanel()
        self._layout.addWidget(self.hook_details)
        self._layout.addStretch(1)
        self._scroll = scroll = QScrollArea()
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(self._content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.set_stage(None)
        self._show()

    # Setters

    def set_record(self, record: ModuleRecord | None) -> None:
        """Show a module; its values are not known yet. None: nothing is selected."""
        if record == self._record:
            return
        self._record, self._output = record, None
        self._statistics.set_rows([])
        self._show()

    def set_stored(self, site: str | None, facts: Sequence[tuple[str, str]] = ()) -> None:
        """What is known of a site of an open capture; shown while no module is. None: there is none."""
        stored = None if site is None else (site, tuple(facts))
        if stored != self._stored:
            self._stored = stored
            self._show()

    def set_output(self, shape: tuple[int, ...] | None, dtype: str = "") -> None:
        """Shape and dtype of what the module gave out last; None when nothing was captured."""
        output = None if shape is None else (shape, dtype)
        if output != self._output:
            self._output = output
            self._show()

    def set_statistics(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show statistics as (name, value in words); none when nothing was captured."""
        known = self._statistics.rowCount()
        self._statistics.set_rows(rows)
        if bool(known) != bool(rows):
            self._show()
        if known != len(rows):
            self._settle()

    def set_stage(self, stage: str | None) -> None:
        """Stage of the site's detector without emitting; None when it has none."""
        self._captured = stage is not None
        self._say_hint()
        for part in (self._detector_title, self._detector):
            part.setVisible(stage is not None)
        if stage is not None:
            self._stage.setCurrentIndex(self._stage.findData(stage))

    def set_hooks(self, hooks: tuple[HookDetails, ...]) -> None:
        """Show the settings and results of the site's hooks that have any."""
        if self.hook_details.set_hooks(hooks):
            self._settle()

    def set_plot_widget(self, widget: QWidget | None) -> None:
        """Put a plot under the statistics in place of the one that was there."""
        if self._plot is not None:
            self._layout.removeWidget(self._plot)
            self._plot.setParent(None)
        self._plot = widget
        if widget is not None:
            widget.setMinimumHeight(20 * GRID)
            self._layout.insertWidget(self._layout.indexOf(self._statistics) + 1, widget)
        self._show()

    # What is shown

    @property
    def site(self) -> str | None:
        """The site shown, None for none."""
        return self._site.site

    def _on_stage_activated(self, row: int) -> None:
        self.stageChanged.emit(self._stage.itemData(row))

    def _show(self) -> None:
        record, stored = self._record, self._stored
        site: str | None
        facts: tuple[tuple[str, str], ...]
        site, facts = (None, ()) if stored is None else stored
        if record is not None:
            site, facts = record.path, tuple(_facts(record, self._output))
        self._site.set_site(site, instead="Nothing selected")
        self._facts.set_rows(facts)
        self._facts.setVisible(site is not None)
        has_values = self._statistics.rowCount() > 0
        self._say_hint()
        self._hint.setVisible(not has_values)
        self._statistics.setVisible(has_values)
        self._statistics_title.setVisible(site is not None)
        if self._plot is not None:
            self._plot.setVisible(has_values)
        self._settle()

    def _say_hint(self) -> None:
        self._hint.setText(_NOTHING if self._record is None else _NO_RUN if self._captured else _NO_VALUES)

    def _settle(self) -> None:
        """Lay out now: a scroll area learns its content's new height by an event, and whoever draws before it
        comes would see one part over another.
        """
        self._layout.activate()
        QCoreApplication.sendEvent(self._scroll, QEvent(QEvent.Type.LayoutRequest))


def _facts(record: ModuleRecord, output: tuple[tuple[int, ...], str] | None) -> list[tuple[str, str]]:
    facts = [("Class", record.class_name)]
    if record.parameters:
        facts.append(("Parameters", formatting.count(record.parameters)))
        if record.own_parameters not in (0, record.parameters):
            facts.append(("Of its own", formatting.count(record.own_parameters)))
        facts.append(("Size", formatting.byte_size(record.bytes)))
        facts.append(("dtype", record.dtype))
        facts.append(("Device", record.device))
    if record.weight_shape:
        facts.append(("Weight", formatting.shape(record.weight_shape)))
    if record.tied_to:
        facts.append(("Tied to", record.tied_to))
    if record.shared_with:
        facts.append(("Same as", record.shared_with))
    if output is not None:
        shape, dtype = output
        facts.append(("Output", formatting.shape(shape)))
        if dtype and dtype != record.dtype:
            facts.append(("Output dtype", dtype))
    return facts


def _title(text: str) -> QLabel:
    title = QLabel(text)
    title.setFont(bold(title.font()))
    # 16 pixels between groups, 8 of them from the layout.
    title.setContentsMargins(0, GRID, 0, 0)
    return title
