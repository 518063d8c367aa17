"""The centre of the window: the prompt over the plots over what the model wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mi_crow_gui.panels.generation_bar import GenerationBar
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.output_view import OutputView
from mi_crow_gui.panels.prompt_panel import PromptPanel

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

_LEAST_PLOTS = 12 * GRID
_CRAMPED, _NARROW = 20 * GRID, 60 * GRID
_OUTPUT_LINES = 2
_UNLIMITED = (1 << 24) - 1  # Qt's own largest size of a widget


class Workbench(QWidget):
    """Holds prompt, plots and output; the plots come later than the window.

    `cramped` says that the window was made so small that its docks leave the plots hardly any room.
    """

    cramped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._window_size = QSize()
        self.prompt = PromptPanel()
        self.output = OutputView()
        self.generation_bar = GenerationBar()
        self._plots = QStackedWidget()
        self._plots.setMinimumHeight(_LEAST_PLOTS)
        waiting = QLabel("Run a prompt to see the activations of the attached modules here.")
        waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        waiting.setWordWrap(True)
        waiting.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._plots.addWidget(waiting)
        # As wide as the text of the prompt above it.
        self.strip = QWidget()
        beside = QVBoxLayout(self.strip)
        beside.setContentsMargins(GRID, 0, GRID, 0)
        beside.addWidget(self.output)
        self.prompt.lowChanged.connect(self._on_prompt_low_changed)
        self.output.filled.connect(self._fold)
        self._set_output_lines(_OUTPUT_LINES)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setObjectName("plotsAndOutput")
        plots_and_steps = QWidget()
        above_output = QVBoxLayout(plots_and_steps)
        above_output.setContentsMargins(0, 0, 0, 0)
        above_output.setSpacing(0)
        above_output.addWidget(self._plots, 1)
        above_output.addWidget(self.generation_bar)
        self.split.addWidget(plots_and_steps)
        self.split.addWidget(self.strip)
        self.split.setStretchFactor(0, 1)
        self.split.setCollapsible(0, False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        # The prompt is as high as its text and tokens; what is left belongs to the plots.
        column.addWidget(self.prompt)
        column.addWidget(self.split, 1)
        self._fold()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        size = self.window().size()
        if size != self._window_size:
            self._window_size = size
            # Once Qt has laid out what is inside.
            QTimer.singleShot(0, self, self._look_for_room)

    def _look_for_room(self) -> None:
        if self.isVisible() and (self._plots.height() < _CRAMPED or self.width() < _NARROW):
            self.cramped.emit()

    def _set_output_lines(self, lines: int) -> None:
        text = lines * self.output.fontMetrics().lineSpacing()
        # The margin of one end: scrolled to the other, that much of the line before would be seen.
        frame = self.output.document().documentMargin() + 2 * self.output.frameWidth()
        self.output.setMinimumHeight(text + round(frame))

    def _on_prompt_low_changed(self, low: bool) -> None:
        self._set_output_lines(1 if low else _OUTPUT_LINES)
        self._fold()

    def _fold(self) -> None:
        """The prompt is not repeated below the plots unless the model writes after it, or has."""
        folded = not self.output.filled_or_awaited
        self.prompt.set_written(not folded)
        if folded == (self.strip.maximumHeight() == 0):
            return
        self.output.setVisible(not folded)
        self.strip.setMaximumHeight(0 if folded else _UNLIMITED)
        height = 0 if folded else self.output.minimumHeight()
        self.split.setSizes([max(1, self.split.height() - height), height])

    def install_capture_text(self, panel: QWidget) -> None:
        """Put the text of a capture over the plots, where the prompt is otherwise."""
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.insertWidget(1, panel)

    def install_plots(self, board: QWidget) -> None:
        """Put the plots in their place."""
        self._plots.setCurrentIndex(self._plots.addWidget(board))
