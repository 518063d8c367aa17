"""What every plot of an experiment is: choices above, a map below, measured when somebody asks for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import number
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.base import PlotPanel
from mi_crow_gui.panels.plots.experiment_header import ExperimentHeader, HeaderArea
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.scale import MIN_MAX, PERCENTILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from PySide6.QtGui import QResizeEvent
    from PySide6.QtWidgets import QMenu

# Heights under which the explanation, and then the choices, make room for the map.
_TALL, _SHORT = 40 * GRID, 34 * GRID
# What the lines above and below a map take, and what a map needs with them.
_LINES, _MAP = 6 * GRID, 24 * GRID
_LONGEST_VERB = 13  # letters
_OUTDATED = "the settings were changed: press {} to compute with them"


class ExperimentPanel(PlotPanel):
    """A plot of something the model was put through on purpose.

    `measureRequested` asks for the experiment with the settings as they are; `siteChosen` names a module that a cell
    stands for. A run changes nothing about it: what it shows is of the prompts that it names.
    """

    least_height = 25 * GRID

    measureRequested = Signal()
    siteChosen = Signal(str)

    verb: ClassVar[str] = "Measure"
    hint: ClassVar[str] = ""
    explains: ClassVar[str] = ""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._problem, self._refused = "", False
        super().__init__(parent)
        self._build_header()
        self._name_button(self.verb)
        self.header.show_settings(self._settings)
        self._settings_shown()

    def set_pinnable(self, pinnable: bool) -> None:
        """There is no site to stay with."""

    def set_sources(self, sources: tuple[str, ...]) -> None:
        """There is no run to choose."""

    # ---- for the wiring --------------------------------------------------------------------------------------------

    def set_options(self, options: Iterable[tuple[str, str]]) -> None:  # noqa: D102 - of the base
        super().set_options(options)
        self.header.show_settings(self._settings)
        self._settings_shown()

    def change_settings(self, **changes: Any) -> None:  # noqa: D102 - of the base
        super().change_settings(**changes)
        self.header.show_settings(self._settings)
        self._settings_shown()

    def mark_stale(self, reason: str) -> None:
        """Runs of the prompt do not touch it; its own settings do."""
        if self._drawing is None:
            return
        outdated = self._drawing.content.asked != self._settings.question()
        super().mark_stale(_OUTDATED.format(self.verb) if outdated else "")

    def show_drawing(self, drawing: Any) -> None:  # noqa: D102 - of the base
        self._refused = False
        super().show_drawing(drawing)
        self.mark_stale("")
        self._share_room()

    def show_problem(self, sentence: str) -> None:
        """Say why there is nothing to show."""
        self._problem, self._refused = sentence, True
        self.clear()
        self._problem = ""
        self._share_room()

    def show_busy(self, busy: bool) -> None:
        """While the model is at work, nothing else can be asked of it."""
        self.header.measure.setEnabled(not busy)
        self._again.setEnabled(not busy)

    @contextmanager
    def as_picture(self) -> Iterator[QWidget]:
        """Without the choices: what was chosen is said under the map."""
        self._header_area.hide()
        self._choices.hide()
        self._again.hide()
        try:
            with super().as_picture() as widget:
                yield widget
        finally:
            self._share_room()

    # ---- for subclasses --------------------------------------------------------------------------------------------

    def _fill_header(self, header: ExperimentHeader) -> None:
        """Add the choices."""
        raise NotImplementedError

    def _build_map(self) -> QWidget:
        """Make the picture."""
        raise NotImplementedError

    def _settings_shown(self) -> None:
        """The header shows other settings than before: hide what does not matter with them."""

    def _name_button(self, verb: str) -> None:
        """What the button that computes is called with these settings."""
        self.header.measure.setText(verb)
        # The title line has little room.
        self._again.setText(verb if len(verb) <= _LONGEST_VERB else verb.split()[0])
        self._again.setAccessibleName(verb)

    def _when_words(self, drawing: Any) -> str:
        """What was measured, for the title line."""
        return _quoted(drawing.content.tokens)

    # ---- the inside ------------------------------------------------------------------------------------------------

    def _build(self) -> QWidget:
        return self._build_map()

    def _say_titles(self) -> None:
        super()._say_titles()
        self._title.set_words(self.title)
        self.setAccessibleName(self.title)
        if self._drawing is not None:
            self._title.when.setText(
                f"⚠ {self._when_words(self._drawing)}" if self._stale else self._when_words(self._drawing)
            )

    def _build_header(self) -> None:
        """Between the title line and the picture: choices, and a sentence of what the numbers mean."""
        self.header = ExperimentHeader(self.verb, self.kind)
        self._fill_header(self.header)
        self.header.finish()
        self.header.changed.connect(self._on_header_changed)
        self.header.measureRequested.connect(self.measureRequested)
        self._means = QLabel(self.explains)
        self._means.setWordWrap(True)
        self._means.setTextFormat(Qt.TextFormat.PlainText)
        self._means.setContentsMargins(GRID, 0, GRID, GRID // 2)
        self._means.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self._means.setSizePolicy(policy)
        self._means.setToolTip(self.explains)
        self._choices = QToolButton()
        self._choices.setText("Choices")
        self._choices.setObjectName(f"{self.kind}Choices")
        self._choices.setAccessibleName("Show the choices")
        self._choices.setToolTip("What the experiment is about, and the button that makes it")
        self._choices.setCheckable(True)
        self._choices.setAutoRaise(True)
        self._choices.toggled.connect(self._on_choices_toggled)
        self._choices.hide()
        # While the choices are put away, the button that computes with them is not.
        self._again = QToolButton()
        self._again.setObjectName(f"{self.kind}Again")
        self._again.setToolTip("Compute with the choices as they are")
        self._again.setAutoRaise(True)
        self._again.clicked.connect(self.measureRequested)
        self._again.hide()
        for button in (self._again, self._choices):
            self._title.insertWidget(self._title.count() - 1, button)
        above = QVBoxLayout()
        above.setSpacing(0)
        self._header_area = HeaderArea(self.header)
        above.addWidget(self._header_area)
        above.addWidget(self._means)
        self._column.insertLayout(1, above)
        # Takes the room that the picture leaves while it is hidden.
        self._column.addStretch(0)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._share_room()

    @property
    def is_short(self) -> bool:
        """Whether there is little room."""
        return self.height() < _SHORT

    def _share_room(self) -> None:
        """Where there is little room the map needs it: the choices go behind a button once there is a map."""
        if not hasattr(self, "_choices"):
            return
        needed = self._header_area.sizeHint().height()
        folded = self._drawing is not None and (self.is_short or self.height() - needed < _MAP)
        self._choices.setVisible(folded)
        self._header_area.setVisible(not folded or self._choices.isChecked())
        self._again.setVisible(folded and not self._choices.isChecked())
        # Before anything is measured the choices need the room more than the sentence of what they are.
        room = self.height() - needed - _LINES
        shown = room >= self._stack.minimumSizeHint().height() or self._drawing is not None or self._refused
        # What the numbers will mean stands in the room that is too low for a map, too.
        self._means.setVisible(self.height() >= _TALL or (not shown and room >= _LINES))
        self._stack.setVisible(shown)
        self._foot.setVisible(shown)

    def _on_choices_toggled(self, on: bool) -> None:
        self._share_room()

    def _show_empty(self) -> None:
        if self._drawing is not None:
            return
        self._empty.setText(self._problem or self.hint)
        self._stack.setCurrentIndex(0)

    def _fill_menu(self, menu: QMenu) -> None:
        self._add_choice(
            menu, "Scale", ((MIN_MAX, "Largest to smallest"), (PERCENTILE, "Percentile (1 to 99)")), "scale"
        )

    def _on_header_changed(self, field: str, value: object) -> None:
        if getattr(self._settings, field) != value:
            self.change_settings(**{field: value})


def cell_words(value: float, failed: bool) -> tuple[str, ...]:
    """What stands in a cell of a map."""
    if failed:
        return ("✕", "failed")
    decimals = 2 if abs(value) < 9.995 else 1
    if abs(value) >= 999:
        return (number(value),)
    words = f"{value:+.{decimals}f}"
    # A sign before nothing but zeros says what the eye can't check.
    return (words if float(words) else words[1:],)


def _quoted(tokens: tuple[str, ...], most: int = 3) -> str:
    words = " ".join(readable_token(text).strip("␣") for text in tokens[:most])
    return f"“{words}{' …' if len(tokens) > most else ''}”"
