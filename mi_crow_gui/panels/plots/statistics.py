"""The statistics of a site as numbers, for the inspector and the board."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFormLayout, QLabel, QMenu, QScrollArea, QWidget

from mi_crow_gui.document.formatting import count, number, shape
from mi_crow_gui.panels.look import GRID, bold, fixed_font
from mi_crow_gui.panels.plots.base import PlotPanel
from mi_crow_gui.panels.plots.frame_words import dropped_words
from mi_crow_gui.plotdata.kind import PlotKind
from mi_crow_gui.plotdata.statistics import StatisticsDrawing, StatisticsSettings, prepare_statistics

_NUMBERS = (
    ("minimum", "Min", "Smallest finite value"),
    ("p1", "1 %", "1st percentile"),
    ("median", "Median", "50th percentile"),
    ("p99", "99 %", "99th percentile"),
    ("maximum", "Max", "Largest finite value"),
    ("mean", "Mean", "Mean of the finite values"),
    ("std", "Std", "Standard deviation of the finite values"),
)
_COUNTS = (
    ("count", "Values", "How many values there are"),
    ("zeros", "Zeros", "How many are exactly zero"),
    ("nan", "NaN", "How many are not a number"),
    ("infinite", "Infinite", "How many are infinite"),
)


class StatisticsPanel(PlotPanel):
    """Shows numbers of all values of a site; each can be selected and copied."""

    kind = "statistics"
    title = "Statistics"
    settings_type = StatisticsSettings

    def _build(self) -> QWidget:
        table = QWidget()
        form = QFormLayout(table)
        form.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID // 2)
        self._values: dict[str, QLabel] = {}
        for name, words, meaning in (("shape", "Shape", "Of the newest call"), *_NUMBERS, *_COUNTS):
            value = QLabel()
            value.setFont(fixed_font())
            value.setObjectName(f"statistic_{name}")
            value.setAccessibleName(meaning)
            value.setToolTip(meaning)
            value.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            caption = QLabel(words)
            caption.setForegroundRole(QPalette.ColorRole.WindowText)
            form.addRow(caption, value)
            self._values[name] = value
        table.setBackgroundRole(QPalette.ColorRole.Base)
        table.setAutoFillBackground(True)
        area = QScrollArea()
        area.setWidget(table)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        return area

    def _draw(self, drawing: StatisticsDrawing) -> None:
        frame = drawing.frame
        self._values["shape"].setText(f"{shape(frame.shape)}  {frame.dtype}")
        for name, _, _ in _NUMBERS:
            self._values[name].setText(number(getattr(drawing, name)))
        for name, _, _ in _COUNTS:
            amount = getattr(drawing, name)
            self._values[name].setText(count(amount))
            # NaN in a model is news
            loud = name in ("nan", "infinite") and amount > 0
            self._values[name].setFont(bold(fixed_font()) if loud else fixed_font())

    def _note(self, drawing: StatisticsDrawing) -> str:
        return dropped_words(self._drawing.frame)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_switch(menu, "Leave out the first token", "hide_first")


KIND = PlotKind("statistics", "Statistics", prepare_statistics, StatisticsPanel, order=40, compact=True)
