"""What a capture job is to do, as a form: texts, layers, numbers, batches, folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from core_hooks.capture.job_settings import JobSettings
from core_hooks.model.site_pattern import compile_pattern
from mi_crow_gui.document.formatting import count, elide_middle, plural
from mi_crow_gui.panels.engine_choice import EngineChoice
from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.capture.ray_choice import RayChoice

_DTYPES = (
    ("auto", "As the model gives it"),
    ("float32", "float32: 4 bytes a value"),
    ("float16", "float16: 2 bytes, up to 65,504"),
    ("bfloat16", "bfloat16: 2 bytes, three digits"),
)
_ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16", "gb18030", "shift_jis", "koi8-r")
_NAMED = 3  # modules that are named below the field


class CorpusForm(QWidget):
    """Fields with their meaning; `changed` after every edit, `settings` gives what they say once they say enough."""

    changed = Signal()
    fileWanted = Signal()
    folderWanted = Signal()
    outWanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sites: tuple[str, ...] = ()
        self._classes: tuple[str, ...] = ()
        self._chosen: tuple[str, ...] = ()
        self._texts = _line("corpusTexts", "Texts", "A .txt, .jsonl, .csv, .tsv or .parquet file, or a folder of texts")
        self._column = _box("corpusColumn", "Column of the texts")
        self._label = _box("corpusLabel", "Column of labels")
        self._encoding = _box("corpusEncoding", "Encoding")
        self._encoding.setEditable(True)
        self._encoding.addItems(_ENCODINGS)
        self._layers = _line("corpusLayers", "Layers", "transformer.h.*, *.mlp: globs or names, separated by spaces")
        self._matches = _muted("corpusMatches", "Layers that match")
        self._dtype = _box("corpusDtype", "Number format")
        for value, words in _DTYPES:
            self._dtype.addItem(words, value)
        self._batch = _number("corpusBatchTokens", "Tokens a batch", 1, 1 << 20, 2048, 512)
        self._batch.setToolTip("Texts of like length go through the model together, so many tokens at a time")
        self._context = _number("corpusContext", "Context", 0, 1 << 24, 0, 128)
        self._context.setToolTip("Longer texts are cut into windows of so many tokens, each seen alone")
        self._controllers = QCheckBox()
        self._controllers.setObjectName("corpusControllers")
        self._engine = EngineChoice()
        self._acting: tuple[str, ...] = ()
        self._out = _line("corpusOut", "Folder of the capture", "A new folder, or one with an unfinished capture")
        self._arrange()
        self._texts.textChanged.connect(self._on_edited)
        self._out.textChanged.connect(self._on_edited)
        self._encoding.currentTextChanged.connect(self._on_edited)
        self._layers.textChanged.connect(self._on_layers_changed)
        for box in (self._column, self._label, self._dtype):
            box.currentIndexChanged.connect(self._on_edited)
        for spin in (self._batch, self._context):
            spin.valueChanged.connect(self._on_edited)
        self._controllers.toggled.connect(self._on_edited)
        self._engine.changed.connect(self._on_engine_changed)
        self.set_columns((), "")
        self.set_controllers(())
        self.set_model((), (), 0)

    def _arrange(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        file = _button("corpusFile", "F&ile…", "Choose a file of texts")
        folder = _button("corpusFolder", "F&older…", "Choose a folder of text files")
        out = _button("corpusChooseOut", "Choos&e…", "Choose the folder of the capture")
        file.clicked.connect(self.fileWanted)
        folder.clicked.connect(self.folderWanted)
        out.clicked.connect(self.outWanted)
        _row(form, "&Texts", self._texts, (self._texts, file, folder))
        self._label_words = QLabel("&Labels")
        self._label_words.setBuddy(self._label)
        self._encoding_words = QLabel("En&coding")
        self._encoding_words.setBuddy(self._encoding)
        _row(form, "Col&umn", self._column, (self._column, self._label_words, self._label))
        _row(form, "La&yers", self._layers, (self._layers,))
        form.addRow("", self._matches)
        _row(form, "&Numbers", self._dtype, (self._dtype, self._encoding_words, self._encoding))
        context = QLabel("Conte&xt")
        context.setBuddy(self._context)
        _row(form, "&Batch", self._batch, (self._batch, context, self._context))
        form.addRow("", self._controllers)
        _row(form, "Com&pute on", self._engine.box, (self._engine,))
        _row(form, "&Save in", self._out, (self._out, out))
        # One column of labels in the middle, as there is one on the left.
        width = max(label.sizeHint().width() for label in (self._label_words, self._encoding_words, context))
        for label in (self._label_words, self._encoding_words, context):
            label.setFixedWidth(width)
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    # ---- what is known ----------------------------------------------------------------------------------------

    def set_model(self, sites: Sequence[str], classes: Sequence[str], context: int) -> None:
        """The modules that can be named, and the tokens that the model sees together at most (0: no limit)."""
        self._sites, self._classes = tuple(sites), tuple(classes)
        own = f"the model's own ({count(context)})" if context else "2,048 tokens"
        self._context.setMaximum(context or 1 << 24)
        self._context.setSpecialValueText(own)
        self._on_layers_changed()

    def set_columns(self, columns: Sequence[str], chosen: str) -> None:
        """The columns that the texts have; none hides the choice."""
        kept, label = self._column.currentText(), self._label.currentData() or ""
        for box in (self._column, self._label):
            box.blockSignals(True)
            box.clear()
        self._column.addItems(list(columns))
        self._column.setCurrentText(kept if kept in columns else chosen)
        self._label.addItem("none", "")
        for name in columns:
            self._label.addItem(name, name)
        self._label.setCurrentIndex(max(0, self._label.findData(label)))
        if not columns:
            self._column.addItem("one text a line, or a file of a folder")
        for box in (self._column, self._label):
            box.setEnabled(bool(columns))
            box.blockSignals(False)
        self._label_words.setEnabled(bool(columns))

    def set_controllers(self, sites: Sequence[str]) -> None:
        """Where the user's controllers act now."""
        self._acting = tuple(sites)
        elsewhere = self.ray is not None
        self._controllers.setEnabled(bool(sites) and not elsewhere)
        self._controllers.setAccessibleName("Controllers act")
        if elsewhere:
            self._controllers.setText("Controllers act on this machine alone: the model is captured as it is")
            return
        where = elide_middle(", ".join(site or "the model" for site in sites), 48)
        self._controllers.setText(
            f"Let {plural(len(sites), 'controller')} act: {where}"
            if sites
            else "No controller is switched on: the model is captured as it is"
        )

    def set_ray_lacking(self, reason: str) -> None:
        """Why no cluster can be chosen; "" when one can."""
        self._engine.set_lacking(reason)

    def set_texts(self, path: str) -> None:
        """Name the texts."""
        self._texts.setText(path)

    def set_layers(self, patterns: str) -> None:
        """Name the layers."""
        self._layers.setText(patterns)

    def set_out(self, path: str) -> None:
        """Name the folder of the capture."""
        self._out.setText(path)

    def set_settings(self, settings: JobSettings) -> None:
        """Show the settings of a job, such as one that is gone on with."""
        self.blockSignals(True)
        self._texts.setText(str(settings.texts))
        if settings.column != "text" or self._column.isEnabled():
            self.set_columns(
                tuple(dict.fromkeys((settings.column, settings.label or settings.column))), settings.column
            )
            self._label.setCurrentIndex(max(0, self._label.findData(settings.label)))
        self._encoding.setCurrentText(settings.encoding)
        self._layers.setText(" ".join(settings.sites))
        self._dtype.setCurrentIndex(max(0, self._dtype.findData(settings.dtype)))
        self._batch.setValue(settings.batch_tokens)
        self._context.setValue(settings.context)
        self.blockSignals(False)
        self.changed.emit()

    # ---- what it says -----------------------------------------------------------------------------------------

    @property
    def texts(self) -> str:
        """Path of the texts as typed."""
        return self._texts.text().strip()

    @property
    def encoding(self) -> str:
        """The encoding as typed."""
        return self._encoding.currentText().strip()

    @property
    def layers(self) -> str:
        """The patterns as typed."""
        return self._layers.text().strip()

    @property
    def out(self) -> str:
        """The folder as typed."""
        return self._out.text().strip()

    @property
    def controllers_act(self) -> bool:
        """Whether the user's controllers are to act."""
        return self._controllers.isEnabled() and self._controllers.isChecked()

    @property
    def ray(self) -> RayChoice | None:
        """The cluster that is to compute it, None for this machine."""
        return self._engine.ray

    def settings(self) -> JobSettings | None:
        """What the form says, None while something is missing."""
        if not (self.texts and self.out and self._chosen):
            return None
        return JobSettings(
            out=Path(self.out).expanduser(),
            texts=Path(self.texts).expanduser(),
            sites=self._chosen,
            dtype=self._dtype.currentData(),
            batch_tokens=self._batch.value(),
            context=self._context.value(),
            column=self._column.currentText() if self._column.isEnabled() else "text",
            label=self._label.currentData() or "" if self._label.isEnabled() else "",
            encoding=self.encoding or "utf-8",
            stage="after",
        )

    # ---- handlers ---------------------------------------------------------------------------------------------

    @Slot()
    def _on_edited(self) -> None:
        self.changed.emit()

    @Slot()
    def _on_engine_changed(self) -> None:
        self.set_controllers(self._acting)
        self.changed.emit()

    @Slot()
    def _on_layers_changed(self) -> None:
        patterns = [pattern for pattern in re.split(r"[\s,;]+", self.layers) if pattern]
        found: set[int] = set()
        missing = ""
        for pattern in patterns:
            compiled = compile_pattern(pattern)
            if compiled.is_glob:
                at = compiled.select(self._sites, self._classes)
            else:
                at = [self._sites.index(pattern)] if pattern in self._sites else []
            found.update(at)
            missing = missing or ("" if at else pattern)
        self._chosen = tuple(self._sites[at] for at in sorted(found))
        if missing:
            self._chosen = ()
            text = f"No module matches “{elide_middle(missing, 60)}”."
        elif not patterns:
            text = "Name the layers to capture; the filter of the module tree takes the same globs."
        else:
            named = ", ".join(self._chosen[:_NAMED]) + (", …" if len(self._chosen) > _NAMED else "")
            text = f"{plural(len(self._chosen), 'module')}: {elide_middle(named, 72)}"
        self._matches.setText(text)
        self._matches.setToolTip("\n".join(self._chosen[:40]))
        self.changed.emit()


def _row(form: QFormLayout, words: str, buddy: QWidget, widgets: Sequence[QWidget]) -> None:
    row = QHBoxLayout()
    row.setSpacing(GRID)
    for widget in widgets:
        row.addWidget(widget, 1 if isinstance(widget, (QLineEdit, QComboBox, QSpinBox, EngineChoice)) else 0)
    label = QLabel(words)
    label.setBuddy(buddy)
    form.addRow(label, row)


def _line(name: str, accessible: str, placeholder: str) -> QLineEdit:
    line = QLineEdit()
    line.setObjectName(name)
    line.setAccessibleName(accessible)
    line.setPlaceholderText(placeholder)
    line.setClearButtonEnabled(True)
    line.setMinimumWidth(48 * GRID)
    return line


def _box(name: str, accessible: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    box.setMinimumContentsLength(8)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def _number(name: str, accessible: str, least: int, most: int, value: int, step: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setObjectName(name)
    spin.setAccessibleName(accessible)
    spin.setRange(least, most)
    spin.setValue(value)
    spin.setSingleStep(step)
    spin.setGroupSeparatorShown(True)
    spin.setSuffix(" tokens")
    return spin


def _button(name: str, words: str, accessible: str) -> QPushButton:
    button = QPushButton(words)
    button.setObjectName(name)
    button.setAccessibleName(accessible)
    button.setAutoDefault(False)
    return button


def _muted(name: str, accessible: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setAccessibleName(accessible)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label
