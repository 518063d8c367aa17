"""The neuron card: histogram of a channel over a whole capture, and the tokens on which it is strongest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSpinBox, QSplitter, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import count, number
from mi_crow_gui.panels.example_list import ExampleList
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.axes import ValueAxis
from mi_crow_gui.panels.plots.base import PlotPanel
from mi_crow_gui.panels.plots.canvas import PlotCanvas
from mi_crow_gui.panels.plots.colours import site_colour
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.neuron_card import (
    ABOVE,
    ALL,
    BELOW,
    NeuronCardDrawing,
    NeuronCardSettings,
    prepare_neuron_card,
)

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

    from mi_crow_gui.panels.plots.colours import PlotColours

_HINT = "Open a capture (File › Open capture) and choose a channel: its card is read from every token."
_HALF = 0.5  # where the logarithmic axis begins: a bin of one token stands out from an empty one
_BINS = (32, 64, 128, 256)


class NeuronCardPanel(PlotPanel):
    """A channel of the shown site of the open capture; a click on a token opens its text there."""

    least_height = 25 * GRID

    kind = "neuron_card"
    title = "Neuron card"
    settings_type = NeuronCardSettings

    rowChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._problem = ""
        super().__init__(parent)

    def show_problem(self, sentence: str) -> None:
        """Say why there is nothing to show."""
        self._problem = sentence
        self.clear()
        self._problem = ""

    def _build(self) -> QWidget:
        self._channel = QSpinBox()
        self._passing = QComboBox()
        self._threshold = QDoubleSpinBox()
        self._channel.setRange(0, 0)
        self._channel.setKeyboardTracking(False)
        self._channel.valueChanged.connect(self._on_channel_changed)
        for value, words in ((ALL, "all tokens"), (ABOVE, "tokens above"), (BELOW, "tokens below")):
            self._passing.addItem(words, value)
        self._passing.activated.connect(self._on_passing_activated)
        self._threshold.setRange(-1e9, 1e9)
        self._threshold.setDecimals(4)
        self._threshold.setKeyboardTracking(False)
        self._threshold.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self._threshold.valueChanged.connect(self._on_threshold_changed)
        controls = QHBoxLayout()
        controls.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        controls.setSpacing(GRID)
        for box, name, accessible, tip in (
            (self._channel, "cardChannel", "Channel", "Which channel of the site"),
            (self._passing, "cardPassing", "Which tokens", "Only tokens whose value passes a threshold"),
            (
                self._threshold,
                "cardThreshold",
                "Threshold",
                "In the site's units; a click on the histogram sets it",
            ),
        ):
            box.setObjectName(name)
            box.setAccessibleName(accessible)
            box.setToolTip(tip)
        name_of_channel = QLabel("Channel")
        name_of_channel.setBuddy(self._channel)
        controls.addWidget(name_of_channel)
        controls.addWidget(self._channel)
        controls.addWidget(self._passing)
        controls.addWidget(self._threshold)
        controls.addStretch(1)

        self._counts = ValueAxis("left")
        value = ValueAxis("bottom")
        value.set_name("value")
        self._counts.set_name("tokens (log)")
        self._canvas = PlotCanvas(value, self._counts)
        self._steps = pg.PlotCurveItem(antialias=False)
        self._line = pg.InfiniteLine(pos=0, angle=90, movable=False)
        self._canvas.addItem(self._steps)
        self._canvas.addItem(self._line)
        self._canvas.hovered.connect(self._on_canvas_hovered)
        self._canvas.clicked.connect(self._on_canvas_clicked)
        self._canvas.fitRequested.connect(self.fit)
        self._canvas.setMinimumHeight(10 * GRID)
        self._list = ExampleList("cardExamples", "Tokens of the channel", "No token passes the threshold.")
        self._list.chosen.connect(self.rowChosen)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.addWidget(self._canvas)
        split.addWidget(self._list)
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 3)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(controls)
        column.addWidget(split, 1)
        self._recolour(self._colours)
        return whole

    def fit(self) -> None:
        """Show all bins."""
        if self._drawing is not None:
            self._canvas.fit(self._area(self._drawing))

    def _draw(self, drawing: NeuronCardDrawing) -> None:
        card = drawing.content.card
        heights = np.log10(np.maximum(card.counts, _HALF))
        self._steps.setData(card.edges, heights, stepMode="center", fillLevel=float(np.log10(_HALF)))
        self._colour_steps(drawing)
        self._counts.setLogMode(True)
        self._canvas.show_all(self._area(drawing))
        self._list.set_rows(drawing.examples, drawing.low, drawing.high)
        settings = drawing.settings
        for box in (self._channel, self._passing, self._threshold):
            box.blockSignals(True)
        self._channel.setRange(0, max(0, drawing.content.channels - 1))
        self._channel.setValue(card.channel)
        self._passing.setCurrentIndex(max(0, self._passing.findData(settings.passing)))
        self._threshold.setValue(settings.threshold)
        for box in (self._channel, self._passing, self._threshold):
            box.blockSignals(False)
        self._threshold.setVisible(settings.passing != ALL)
        self._line.setVisible(settings.passing != ALL)
        self._line.setValue(settings.threshold)

    def _note(self, drawing: NeuronCardDrawing) -> str:
        card = drawing.content.card
        words = [
            f"{count(card.count)} tokens",
            f"mean {number(card.mean)} ± {number(card.deviation)}",
            f"{number(card.minimum)} to {number(card.maximum)}",
            f"{count(card.nonfinite)} NaN or ∞ left out" if card.nonfinite else "",
            "" if drawing.settings.first_tokens else "first tokens left out",
        ]
        return " · ".join(word for word in words if word)

    def _recolour(self, colours: PlotColours) -> None:
        self._canvas.recolour(colours)
        self._line.setPen(pg.mkPen(colours.accent, width=1, style=Qt.PenStyle.DashLine))
        self._list.viewport().update()
        if self._drawing is not None:
            self._colour_steps(self._drawing)

    def _colour_steps(self, drawing: NeuronCardDrawing) -> None:
        colour = site_colour(drawing.site, self.palette())
        self._steps.setPen(pg.mkPen(colour, width=1))
        colour.setAlphaF(0.35)
        self._steps.setBrush(pg.mkBrush(colour))

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(menu, "Bins", ((bins, f"{bins}") for bins in _BINS), "bins")
        self._add_switch(menu, "With the first token of each text", "first_tokens")
        menu.addAction("Show everything", self.fit)

    def _area(self, drawing: NeuronCardDrawing) -> QRectF:
        card = drawing.content.card
        floor = float(np.log10(_HALF))
        top = float(np.log10(max(1, int(card.counts.max())))) if len(card.counts) else 1.0
        return QRectF(card.edges[0], floor, card.edges[-1] - card.edges[0], max(1.0, (top - floor) * 1.05))

    def _show_empty(self) -> None:
        if self._drawing is not None:
            return
        self._empty.setText(self._problem or _HINT)
        self._stack.setCurrentIndex(0)

    @Slot(int)
    def _on_channel_changed(self, channel: int) -> None:
        self.change_settings(channel=channel)

    @Slot(int)
    def _on_passing_activated(self, row: int) -> None:
        passing = self._passing.itemData(row)
        changes: dict[str, object] = {"passing": passing}
        if passing != ALL and self._drawing is not None and self._drawing.settings.passing == ALL:
            # To begin with, what few tokens pass.
            card = self._drawing.content.card
            away = 3 * card.deviation * (1 if passing == ABOVE else -1)
            changes["threshold"] = round(min(max(card.mean + away, card.minimum), card.maximum), 4)
        self.change_settings(**changes)

    @Slot(float)
    def _on_threshold_changed(self, threshold: float) -> None:
        self.change_settings(threshold=threshold)

    @Slot(object)
    def _on_canvas_hovered(self, at: QPointF | None) -> None:
        if at is None or self._drawing is None:
            self._point_at("")
            return
        card = self._drawing.content.card
        place = int(np.searchsorted(card.edges, at.x(), side="right")) - 1
        if 0 <= place < len(card.counts):
            low, high = card.edges[place], card.edges[place + 1]
            self._point_at(f"{number(low)} to {number(high)} · {count(int(card.counts[place]))} tokens")

    @Slot(object)
    def _on_canvas_clicked(self, at: QPointF) -> None:
        if self._drawing is not None and self._drawing.settings.passing != ALL:
            self.change_settings(threshold=round(at.x(), 4))


KIND = PlotKind(
    "neuron_card", "Neuron card", prepare_neuron_card, NeuronCardPanel, order=90, analysis="capture.neuron_card"
)
