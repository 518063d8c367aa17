"""Searching an open capture: tokens by what they say, or by how near they are to a direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.example_list import ExampleList
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.search_line import SearchLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.plotdata.examples import ExampleRow

WORDS, TOKEN, CHANNEL, VECTOR, PROBE = "words", "token", "channel", "vector", "probe"
_WAYS = (
    (WORDS, "Word or expression"),
    (TOKEN, "Near the selected token"),
    (CHANNEL, "Along a channel"),
    (VECTOR, "Along a vector from a file"),
    (PROBE, "Along the probe's direction"),
)
_EMPTY = "Choose what to look for. A found token opens its text with a click."


class CaptureSearchPanel(QWidget):
    """Says what is to be looked for; results are shown with their neighbours."""

    wordsSearched = Signal(str, bool, bool)
    directionSearched = Signal(str)  # TOKEN, CHANNEL, VECTOR or PROBE
    fileRequested = Signal()
    rowChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._way = QComboBox()
        self._way.setObjectName("searchWay")
        self._way.setAccessibleName("What to search by")
        for value, words in _WAYS:
            self._way.addItem(words, value)
        self._way.currentIndexChanged.connect(self._on_way_changed)
        self._line = SearchLine("tokenSearch", "Search the tokens", "Word, or regular expression")
        self._line.searched.connect(self.wordsSearched)
        self._token = _label("searchToken", "Select a token in the strip above the plots first.")
        self._channel = QSpinBox()
        self._channel.setObjectName("searchChannel")
        self._channel.setAccessibleName("Channel")
        self._channel.setRange(0, 0)
        self._file = QPushButton("Choose file…")
        self._file.setObjectName("searchFile")
        self._file.setToolTip("A safetensors file with a steering vector or a probe's direction")
        self._file.clicked.connect(self.fileRequested)
        self._vector = QComboBox()
        self._vector.setObjectName("searchVector")
        self._vector.setAccessibleName("Vector of the file")
        self._vector.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._vector.setMinimumContentsLength(8)
        self._vector.hide()
        self._file_name = _label("searchFileName", "No file chosen yet.")
        self._probe = _label("searchProbe", "Train a probe on the next tab first.")
        self._inputs = QStackedWidget()
        self._inputs.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for widgets in (
            (self._line,),
            (self._token,),
            (QLabel("Channel"), self._channel),
            (self._file, self._vector, self._file_name),
            (self._probe,),
        ):
            self._inputs.addWidget(_row(widgets))
        self._cosine = QComboBox()
        self._cosine.setObjectName("searchMeasure")
        self._cosine.setAccessibleName("How nearness is measured")
        self._cosine.addItem("by angle (cosine)", "cosine")
        self._cosine.addItem("by length along it", "projection")
        self._one = QCheckBox("One of a text")
        self._one.setObjectName("searchOneOfText")
        self._one.setChecked(True)
        self._first = QCheckBox("First tokens too")
        self._first.setObjectName("searchFirstTokens")
        self._first.setToolTip("The first token of each text has a vector of another size in many models")
        self._search = QPushButton("Search")
        self._search.setObjectName("searchButton")
        self._search.clicked.connect(self._on_search_clicked)
        self._how = QWidget()
        how = FlowLayout(self._how)
        for widget in (self._cosine, self._one, self._first, self._search):
            how.addWidget(widget)
        self.progress = ProgressRow("search")
        self._found = _label("searchFound", "")
        self.results = ExampleList("searchResults", "Found tokens", _EMPTY)
        self.results.chosen.connect(self.rowChosen)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self._way)
        column.addWidget(self._inputs)
        column.addWidget(self._how)
        column.addWidget(self.progress)
        column.addWidget(self._found)
        column.addWidget(self.results, 1)
        self._on_way_changed(0)

    def set_site(self, channels: int) -> None:
        """The site has so many channels; what was found at another is gone."""
        self._channel.setRange(0, max(0, channels - 1))
        self.set_results((), "")

    def set_token(self, words: str) -> None:
        """Name the selected token; "" for none."""
        self._token.setText(words or "Select a token in the strip above the plots first.")
        self._show_button()

    def set_file(self, name: str, vectors: Sequence[str]) -> None:
        """Offer the vectors of a file."""
        self._file_name.setText(name)
        self._file_name.setToolTip(name)
        self._vector.clear()
        self._vector.addItems(list(vectors))
        self._vector.setVisible(len(vectors) > 1)
        self._show_button()

    def set_probe(self, words: str) -> None:
        """Name the direction of the last probe; "" for none."""
        self._probe.setText(words or "Train a probe on the next tab first.")
        self._probe.setProperty("there", bool(words))
        self._show_button()

    def set_results(
        self, rows: Sequence[ExampleRow], words: str, low: float = 0.0, high: float = 0.0, hint: str = _EMPTY
    ) -> None:
        """Show what was found, and say so."""
        self.results.set_hint(hint)
        self.results.set_rows(rows, low, high)
        self._found.setText(words)
        self._found.setVisible(bool(words))

    def search_by(self, way: str) -> None:
        """Turn to another way of searching."""
        self._way.setCurrentIndex([value for value, _ in _WAYS].index(way))

    @property
    def way(self) -> str:
        """What is searched by."""
        return str(self._way.currentData())

    @property
    def channel(self) -> int:
        """The channel to search along."""
        return self._channel.value()

    @property
    def vector(self) -> str:
        """Name of the vector in the file."""
        return self._vector.currentText()

    @property
    def measure(self) -> str:
        """``"cosine"`` or ``"projection"``."""
        return str(self._cosine.currentData())

    @property
    def one_of_a_text(self) -> bool:
        """Whether the nearest token of each text alone is wanted."""
        return self._one.isChecked()

    @property
    def first_tokens(self) -> bool:
        """Whether the first tokens of texts count."""
        return self._first.isChecked()

    @Slot(int)
    def _on_way_changed(self, place: int) -> None:
        self._inputs.setCurrentIndex(place)
        self._how.setVisible(self.way != WORDS)
        self._show_button()

    def _show_button(self) -> None:
        ready = {
            TOKEN: self._token.text().startswith("token "),
            CHANNEL: True,
            VECTOR: self._vector.count() > 0,
            PROBE: bool(self._probe.property("there")),
        }
        self._search.setEnabled(ready.get(self.way, True))

    @Slot()
    def _on_search_clicked(self) -> None:
        self.directionSearched.emit(self.way)


def _row(widgets: Sequence[QWidget]) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GRID)
    for widget in widgets:
        layout.addWidget(widget)
    # What is typed into takes the whole line, and a name that is cut off the rest of it.
    filled = any(widget.sizePolicy().horizontalPolicy() == QSizePolicy.Policy.Ignored for widget in widgets)
    if not filled and not isinstance(widgets[0], SearchLine):
        layout.addStretch(1)
    return row


def _label(name: str, text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName(name)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label
