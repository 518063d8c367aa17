"""Training a probe on an open capture: where the labels come from, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.facts_table import FactsTable
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.progress_row import ProgressRow

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT, FILE, TOKENS = "kept", "file", "tokens"
_WHAT = (
    "A probe asks whether a label can be read from the activations of the site: it is trained on three quarters of the "
    "texts and measured on the others."
)


class ProbePanel(QWidget):
    """Says what is to be learnt; `set_*` shows what is so."""

    trainRequested = Signal()
    fileRequested = Signal()
    saveRequested = Signal(int)  # the class whose direction is to be saved
    searchRequested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        what = QLabel(_WHAT)
        what.setWordWrap(True)
        what.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._source = QComboBox()
        self._source.setObjectName("probeSource")
        self._source.setAccessibleName("Labels come from")
        for value, words in (
            (KEPT, "labels kept in the capture"),
            (FILE, "a column of a csv or jsonl file"),
            (TOKENS, "tokens that match an expression"),
        ):
            self._source.addItem(words, value)
        self._source.currentIndexChanged.connect(self._on_source_changed)
        self._file = QPushButton("Choose file…")
        self._file.setObjectName("probeFile")
        self._file.clicked.connect(self.fileRequested)
        self._file_name = QLabel("No file chosen yet.")
        self._file_name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._column = _edit("probeColumn", "Column with the label", "label")
        self._number = _edit("probeNumberColumn", "Column with the text number", "none: rows are in the corpus's order")
        self._pattern = _edit("probePattern", "Expression that a token matches", r"^\s?[A-Z]")
        self._pooling = QComboBox()
        self._pooling.setObjectName("probePooling")
        self._pooling.setAccessibleName("What stands for a text")
        for value, words in (
            ("mean", "the mean of its tokens"), ("last", "its last token"), ("tokens", "each of its tokens"),
        ):  # fmt: skip
            self._pooling.addItem(words, value)
        self._first = QCheckBox("First tokens too")
        self._first.setObjectName("probeFirstTokens")
        self._first.setToolTip("The first token of each text has a vector of another size in many models")
        self._form = QFormLayout()
        self._form.setHorizontalSpacing(GRID)
        self._form.setVerticalSpacing(GRID)
        self._form.addRow("Labels from", self._source)
        file = QWidget()
        row = QHBoxLayout(file)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._file)
        row.addWidget(self._file_name, 1)
        self._file_row = file
        self._form.addRow("File", file)
        self._form.addRow("Label column", self._column)
        self._form.addRow("Number column", self._number)
        self._form.addRow("Token matches", self._pattern)
        self._form.addRow("A text is", self._pooling)
        self._form.addRow("", self._first)
        self._train = QPushButton("Train the probe")
        self._train.setObjectName("probeTrain")
        self._train.clicked.connect(self.trainRequested)
        button = QHBoxLayout()
        button.addWidget(self._train)
        button.addStretch(1)
        self.progress = ProgressRow("probe")
        self._problem = QLabel()
        self._problem.setObjectName("probeProblem")
        self._problem.setWordWrap(True)
        self._result = FactsTable("probeResult", "What the probe found", numbers=False)
        self._class = QComboBox()
        self._class.setObjectName("probeClass")
        self._class.setAccessibleName("Direction of which label")
        self._save = QPushButton("Save direction…")
        self._save.setObjectName("probeSave")
        self._save.setToolTip("As a safetensors file: a steering vector for controllers, and for searching")
        self._save.clicked.connect(lambda: self.saveRequested.emit(max(0, self._class.currentIndex())))
        self._search = QPushButton("Search along it")
        self._search.setObjectName("probeSearch")
        self._search.clicked.connect(lambda: self.searchRequested.emit(max(0, self._class.currentIndex())))
        self._after = QWidget()
        after = QHBoxLayout(self._after)
        after.setContentsMargins(0, 0, 0, 0)
        after.setSpacing(GRID)
        for widget in (self._class, self._save, self._search):
            after.addWidget(widget)
        after.addStretch(1)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(what)
        column.addLayout(self._form)
        column.addLayout(button)
        column.addWidget(self.progress)
        column.addWidget(self._problem)
        column.addWidget(self._result)
        column.addWidget(self._after)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.set_result(())
        self._on_source_changed(0)

    def set_labels(self, name: str) -> None:
        """The capture keeps labels of this name; "" when it keeps none."""
        self._source.setItemText(0, f"labels kept in the capture ({name})" if name else "labels kept in the capture")
        model = self._source.model()
        item = model.item(0) if hasattr(model, "item") else None
        if item is not None:
            item.setEnabled(bool(name))
            item.setToolTip("" if name else "Capture with a label column to have some")
        if not name and self._source.currentIndex() == 0:
            self._source.setCurrentIndex(1)
        elif name:
            self._source.setCurrentIndex(0)
        self.set_result(())

    def set_file(self, name: str) -> None:
        """Name the file with the labels."""
        self._file_name.setText(name)
        self._file_name.setToolTip(name)

    def set_result(self, rows: Sequence[tuple[str, str]], classes: Sequence[str] = (), problem: str = "") -> None:
        """Show what came of it as names and values; directions of these labels can be saved."""
        self._result.set_rows(rows)
        self._result.setVisible(bool(rows))
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        self._class.clear()
        self._class.addItems(list(classes))
        self._class.setVisible(len(classes) > 1)
        self._after.setVisible(bool(rows))

    @property
    def source(self) -> str:
        """Where labels come from: KEPT, FILE or TOKENS."""
        return str(self._source.currentData())

    @property
    def column(self) -> str:
        """Column with the label."""
        return self._column.text().strip() or "label"

    @property
    def number_column(self) -> str:
        """Column with the text number; "" for none."""
        return self._number.text().strip()

    @property
    def pattern(self) -> str:
        """Expression that tells tokens apart."""
        return self._pattern.text()

    @property
    def pooling(self) -> str:
        """What stands for a text."""
        return str(self._pooling.currentData())

    @property
    def first_tokens(self) -> bool:
        """Whether the first tokens of texts count."""
        return self._first.isChecked()

    @Slot(int)
    def _on_source_changed(self, place: int) -> None:
        source = self.source
        for widget, wanted in (
            (self._file_row, source == FILE),
            (self._column, source == FILE),
            (self._number, source == FILE),
            (self._pattern, source == TOKENS),
            (self._pooling, source != TOKENS),
        ):
            self._form.setRowVisible(widget, wanted)


def _edit(name: str, accessible: str, placeholder: str) -> QLineEdit:
    edit = QLineEdit()
    edit.setObjectName(name)
    edit.setAccessibleName(accessible)
    edit.setPlaceholderText(placeholder)
    return edit
