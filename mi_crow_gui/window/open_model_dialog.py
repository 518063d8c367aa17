"""Which model to open, and with which choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core_hooks.model.reference import ModelReference
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.file_choosers import choose_file, choose_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_FILES = "Models (*.safetensors *.gguf);;All files (*)"

_DTYPES = (
    ("auto", "As stored"),
    ("float32", "float32"),
    ("float16", "float16"),
    ("bfloat16", "bfloat16"),
)
_ATTENTIONS = (
    ("auto", "The model's own choice"),
    ("eager", "eager: attention weights can be read"),
    ("sdpa", "sdpa: faster, without attention weights"),
)


class OpenModelDialog(QDialog):
    """Asks for a model; `chosen` gives the `ModelReference` once the user agrees."""

    chosen = Signal(object)

    def __init__(
        self, parent: QWidget | None = None, devices: Sequence[str] = (), reference: ModelReference | None = None
    ) -> None:
        super().__init__(parent)
        start = reference if reference is not None else ModelReference("")
        self.setObjectName("openModelDialog")
        self.setWindowTitle("Open model")
        self._source = QLineEdit(start.source)
        self._source.setObjectName("modelSource")
        self._source.setAccessibleName("Model")
        self._source.setPlaceholderText("Folder, .safetensors or .gguf file, hub id")
        self._source.setClearButtonEnabled(True)
        self._source.setMinimumWidth(48 * GRID)
        self._source.textChanged.connect(self._on_source_changed)
        folder, file = QPushButton("F&older…"), QPushButton("F&ile…")
        folder.setObjectName("modelFolder")
        file.setObjectName("modelFile")
        for button in (folder, file):
            button.setAutoDefault(False)
        folder.clicked.connect(self._on_folder_clicked)
        file.clicked.connect(self._on_file_clicked)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        for widget, stretch in ((self._source, 1), (folder, 0), (file, 0)):
            row.addWidget(widget, stretch)
        hint = QLabel(
            "A hub id, such as org/name, is looked up among downloaded models, then on the hub.\n"
            "package.module:factory calls a Python function of yours that returns a model."
        )
        hint.setTextFormat(Qt.TextFormat.PlainText)
        hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)

        self._device = _combo("modelDevice", "Device")
        for device in dict.fromkeys((start.device, *devices, "cpu", "auto")):
            self._device.addItem("auto: spread over all devices" if device == "auto" else device, device)
        self._dtype = _combo("modelDtype", "Number format")
        self._attention = _combo("modelAttention", "Attention")
        for box, entries, chosen in (
            (self._dtype, _DTYPES, start.dtype),
            (self._attention, _ATTENTIONS, start.attention),
        ):
            for value, words in entries:
                box.addItem(words, value)
            if box.findData(chosen) < 0:
                box.addItem(chosen, chosen)
            box.setCurrentIndex(box.findData(chosen))
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("&Model", row)
        label = form.labelForField(row)
        if isinstance(label, QLabel):
            label.setBuddy(self._source)
        form.addRow("", hint)
        form.addRow("&Device", self._device)
        form.addRow("&Numbers", self._dtype)
        form.addRow("&Attention", self._attention)

        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._open = self._buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        self._open.setObjectName("modelOpen")
        self._open.setDefault(True)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self.accepted.connect(self._on_accepted)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(form)
        column.addStretch(1)
        column.addWidget(self._buttons)
        self._on_source_changed()

    def reference(self) -> ModelReference:
        """What the dialog says now."""
        return ModelReference(
            self._source.text().strip(),
            device=self._device.currentData(),
            dtype=self._dtype.currentData(),
            attention=self._attention.currentData(),
        )

    def _on_source_changed(self) -> None:
        self._open.setEnabled(bool(self._source.text().strip()))

    def _on_folder_clicked(self) -> None:
        choose_folder(self, "Model folder", self._source.setText, self._source.text())

    def _on_file_clicked(self) -> None:
        choose_file(self, "Model file", MODEL_FILES, self._source.setText, self._source.text())

    def _on_accepted(self) -> None:
        self.chosen.emit(self.reference())


def _combo(name: str, accessible: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    return box
