"""The prompt, how to generate from it, and its tokens as chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QPalette, QShowEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.formatting import count, plural
from mi_crow_gui.document.prompts import blank_lines, lines_of
from mi_crow_gui.document.workspace import CHANGE, LOSS, NORM, PROBABILITY
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.measure_legend import MeasureLegend
from mi_crow_gui.panels.prompt_edit import PromptEdit
from mi_crow_gui.panels.token_layout import TokenRow
from mi_crow_gui.panels.token_strip import TokenStrip

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGEST = 2**31 - 1
_MEASURES = (
    (LOSS, "Loss", "How surprising each token was given those before it: minus the log of its probability, in nats"),
    (PROBABILITY, "Probability", "What the model gave each token given those before it, 0 to 1"),
    (NORM, "Norm", "How long the values of each token are at the selected module (L2 norm)"),
    (
        CHANGE,
        "Change",
        "How far the values of each token at the selected module are from those of the run pinned as A,\n"
        "else of the run before (L2 norm of the difference), where both begin with the same text",
    ),
)
# Below these heights of the window the plots need the room more: always, and once something was written.
_LOW_WINDOW, _MIDDLE_WINDOW = 100 * GRID, 125 * GRID


class PromptPanel(QWidget):
    """Says what the user typed and chose; `set_*` shows what is so, and emits nothing."""

    promptChanged = Signal(str)
    batchChanged = Signal(bool)
    generationChanged = Signal(object)  # GenerationSettings
    measureChosen = Signal(str)
    promptSelected = Signal(int)
    promptsShown = Signal(int)  # how many rows of tokens there are
    lowChanged = Signal(bool)  # whether the window is so low that the plots need the room more
    tokenHovered = Signal(int)
    tokenSelected = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = GenerationSettings()
        self._showing = False
        self._prompts = 1
        self._low = self._written = False
        self._look_for: dict[str, str] = {}

        self._edit = PromptEdit()
        self._edit.textChanged.connect(self._on_edit_changed)
        self._hint = QLabel()
        self._hint.setObjectName("promptHint")
        self._hint.setAccessibleName("What to look for")
        self._hint.setWordWrap(True)
        self._hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._hint.setVisible(False)

        self._examples = QPushButton("Examples")
        self._examples.setObjectName("examplePrompts")
        self._examples.setAccessibleName("Example prompts")
        self._examples.setToolTip("Prompts that show something in this model")
        self._examples.setMenu(QMenu(self._examples))
        self._examples.setVisible(False)
        self._max_new_tokens = QSpinBox()
        self._max_new_tokens.setRange(1, 100_000)
        self._max_new_tokens.setGroupSeparatorShown(True)
        self._temperature = QDoubleSpinBox()
        self._temperature.setRange(0.0, 100.0)
        self._temperature.setDecimals(2)
        self._temperature.setSingleStep(0.1)
        self._seed = QSpinBox()
        self._seed.setRange(0, _LARGEST)
        self._seed.setMaximumWidth(12 * GRID)
        self._batch = QCheckBox("Batch")
        self._batch.setObjectName("promptBatch")
        self._batch.setAccessibleName("Batch: one prompt a line")
        self._batch.setToolTip(
            "Take each line for a prompt of its own; they go through the model together. Blank lines are left out.\n"
            "File › Load prompts reads them from a text file."
        )
        self._batch.toggled.connect(self._on_batch_toggled)
        self._measure = QComboBox()
        self._measure.setObjectName("tokenMeasure")
        self._measure.setAccessibleName("Colour tokens by")
        for measure, words, tip in _MEASURES:
            self._measure.addItem(words, measure)
            self._measure.setItemData(self._measure.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self._measure.setToolTip("What the colour of the tokens stands for")
        self._measure.activated.connect(self._on_measure_activated)
        self._strip = TokenStrip()
        self._strip.promptSelected.connect(self.promptSelected)
        self._strip.tokenHovered.connect(self.tokenHovered)
        self._strip.tokenSelected.connect(self.tokenSelected)
        self._legend = MeasureLegend(self._strip)
        settings = FlowLayout()
        settings.addWidget(self._examples)
        self._labels: list[tuple[QLabel, str, str]] = []
        for box, name, label, short, tip in (
            (self._max_new_tokens, "maxNewTokens", "New tokens", "New", "How many tokens Generate adds at most"),
            (self._temperature, "temperature", "Temperature", "Temp.", "0 takes the likeliest; higher is more random"),
            (self._seed, "seed", "Seed", "Seed", "The same seed draws the same tokens again; none are drawn at 0"),
        ):
            pair, shown = _labelled(box, name, label, tip)
            self._labels.append((shown, label, short))
            settings.addWidget(pair)
        self._max_new_tokens.valueChanged.connect(self._on_settings_changed)
        self._temperature.valueChanged.connect(self._on_settings_changed)
        self._seed.valueChanged.connect(self._on_settings_changed)

        settings.addWidget(self._batch)
        colours = QWidget()
        row = QHBoxLayout(colours)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._measure)
        row.addWidget(self._legend)
        settings.addWidget(colours)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self._edit)
        layout.addWidget(self._hint)
        layout.addLayout(settings)
        layout.addWidget(self._strip)
        layout.addStretch(1)
        self.set_generation(self._settings)

    # Setters

    def set_prompt(self, text: str) -> None:
        """Show this prompt."""
        self._showing = True
        self._edit.set_text(text)
        self._showing = False
        self._show_hint()

    def set_generation(self, settings: GenerationSettings) -> None:
        """Show these settings."""
        self._showing = True
        self._settings = settings
        self._max_new_tokens.setValue(settings.max_new_tokens)
        self._temperature.setValue(settings.temperature)
        self._seed.setValue(settings.seed)
        self._showing = False

    def set_examples(self, examples: Sequence[tuple[str, str, str]]) -> None:
        """Offer prompts as (name, text, what to look for); without any the button is hidden."""
        self._look_for = {text: look_for for _, text, look_for in examples}
        menu = self._examples.menu()
        menu.clear()
        menu.setToolTipsVisible(True)
        for name, text, look_for in examples:
            action = menu.addAction(name)
            action.setData(text)
            action.setToolTip(look_for)
            action.triggered.connect(self._on_example_triggered)
        self._examples.setVisible(bool(examples))
        self._show_hint()

    def set_placeholder(self, text: str) -> None:
        """What the empty field says."""
        self._edit.set_hint(text)

    def set_batch(self, batch: bool) -> None:
        """Show whether each line is a prompt of its own."""
        self._showing = True
        self._batch.setChecked(batch)
        self._showing = False
        self._edit.set_batch(batch)
        self._count_prompts()

    def set_tokens(self, texts: Sequence[str], special: Sequence[bool] = (), prompt_length: int | None = None) -> None:
        """Show the tokens of one prompt; those from `prompt_length` on were generated."""
        self.set_prompts((TokenRow(tuple(texts), tuple(special), prompt_length),))

    def set_prompts(self, rows: Sequence[TokenRow]) -> None:
        """Show the tokens of the newest run, a row for each prompt of a batch."""
        self._strip.set_prompts(rows)
        if len(rows) != self._prompts:
            self._prompts = len(rows)
            self._fit()
            self.promptsShown.emit(self._prompts)
        if self._strip.measure_range is None:
            self._legend.set_measure("")

    def expect_tokens(self, tokens: int) -> None:
        """Keep room for so many more tokens, and for their measure; 0 when no more come."""
        self._strip.set_expected(tokens)
        self._legend.keep_place(tokens > 0)

    def set_measure_choice(self, measure: str) -> None:
        """Show by what the tokens are to be coloured."""
        self._measure.setCurrentIndex(max(0, self._measure.findData(measure)))

    def set_measure(
        self,
        name: str,
        values: Sequence[float] | Sequence[Sequence[float]] = (),
        unit: str = "",
        about: str = "",
        missing: str = "",
    ) -> None:
        """Colour the tokens by a measure, such as ("Loss", losses, "nats"), of a batch a sequence for each prompt.

        An empty name takes the colours away; `missing` says why there are none. `about` is what the measure is of.
        """
        self._strip.set_measure(name, values, unit)
        self._legend.set_measure(name, unit, about, missing)

    def select_token(self, token: int) -> None:
        """Select a token of the selected prompt; -1 selects none."""
        self._strip.set_selected(token)

    def set_written(self, written: bool) -> None:
        """Whether the model wrote something after the prompt, which is shown below the plots."""
        if written != self._written:
            self._written = written
            self._fit()

    def point_at(self, token: int) -> None:
        """Show which token is under the mouse in a plot; -1 for none."""
        self._strip.set_pointed(token)

    def select_prompt(self, number: int) -> None:
        """Select a prompt of the batch."""
        self._strip.set_prompt(number)

    # What is typed

    @property
    def prompts(self) -> int:
        """How many prompts have their tokens shown."""
        return self._prompts

    @property
    def prompt(self) -> str:
        """The prompt as it stands."""
        return self._edit.toPlainText()

    @property
    def generation(self) -> GenerationSettings:
        """The settings as they stand."""
        return self._settings

    # Qt

    def showEvent(self, event: QShowEvent) -> None:  # noqa: D102
        super().showEvent(event)
        self.window().installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102
        if event.type() == QEvent.Type.Resize and watched is self.window():
            self._fit()
        return False

    # Handlers

    def _on_edit_changed(self) -> None:
        self._count_prompts()
        if not self._showing:
            self._show_hint()
            self.promptChanged.emit(self._edit.toPlainText())

    def _on_batch_toggled(self, on: bool) -> None:
        if not self._showing:
            self.set_batch(on)
            self.batchChanged.emit(on)

    def _on_measure_activated(self, index: int) -> None:
        self.measureChosen.emit(self._measure.itemData(index))

    def _count_prompts(self) -> None:
        """Beside the switch: how many prompts there are, and how many lines are none."""
        words = "Batch"
        if self._batch.isChecked():
            text = self._edit.toPlainText()
            blank = blank_lines(text)
            words += f" · {plural(len(lines_of(text)), 'prompt')}"
            words += f", {count(blank)} blank" if blank else ""
        self._batch.setText(words)

    def _on_settings_changed(self) -> None:
        if self._showing:
            return
        self._settings = GenerationSettings(
            max_new_tokens=self._max_new_tokens.value(),
            temperature=round(self._temperature.value(), 2),
            top_k=self._settings.top_k,
            seed=self._seed.value(),
        )
        self.generationChanged.emit(self._settings)

    def _on_example_triggered(self) -> None:
        action = self.sender()
        self._edit.set_text(action.data())  # type: ignore[attr-defined]
        self._edit.setFocus()

    def _fit(self) -> None:
        """In a low window the plots need the room more."""
        height = self.window().height()
        low, middle = height < _LOW_WINDOW, height < _MIDDLE_WINDOW
        rows = 2 if low or (middle and self._written) else 3
        # A batch has a row a prompt: one alone could not be told from a single prompt.
        self._strip.set_most_rows(1 if low and self._written and self._prompts < 2 else rows)
        self._edit.set_most_lines(2 if low else 4)
        self._legend.set_longest(0 if low else 40)
        if low != self._low:
            self._low = low
            for shown, label, short in self._labels:
                shown.setText(short if low else label)
            self.lowChanged.emit(low)
        self._show_hint()

    def _show_hint(self) -> None:
        look_for = self._look_for.get(self._edit.toPlainText(), "")
        self._hint.setText(look_for)
        spared = self._low or (self._written and self.window().height() < _MIDDLE_WINDOW)
        self._hint.setVisible(bool(look_for) and not spared)
        self._edit.setToolTip(look_for)


def _labelled(box: QAbstractSpinBox, name: str, label: str, tip: str) -> tuple[QWidget, QLabel]:
    """A box beside its label."""
    box.setObjectName(name)
    box.setAccessibleName(label)
    box.setToolTip(tip)
    box.setKeyboardTracking(False)
    pair = QWidget()
    row = QHBoxLayout(pair)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(GRID)
    words = QLabel(label)
    words.setBuddy(box)
    row.addWidget(words)
    row.addWidget(box)
    return pair, words
