"""Which model to open, and with which choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
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
from mi_crow_gui.document.formatting import byte_size
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.dialog_buttons import DialogButtons
from mi_crow_gui.window.file_choosers import choose_file, choose_folder
from mi_crow_gui.window.file_drop import FileDrop
from mi_crow_gui.window.model_look_view import ModelLookView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.engine.model_look import ModelLook, OpeningChoices

MODEL_FILES = "Models (*.safetensors *.gguf);;All files (*)"

_DTYPES = (
    ("auto", "As stored"),
    ("float32", "float32"),
    ("float16", "float16"),
    ("bfloat16", "bfloat16"),
)
# Until the model thread has looked what is installed.
_ATTENTIONS = (("auto", "The model's own choice"),)
_QUANTISATIONS = (("none", "None: all numbers as chosen above"),)

# A name is looked at once nobody has typed for so long.
_PAUSE_MS = 250


class OpenModelDialog(QDialog):
    """Asks for a model; `chosen` gives the `ModelReference` once the user agrees.

    `lookWanted` asks what is known of what stands there now; `show_look` takes the answer.
    """

    chosen = Signal(object)
    lookWanted = Signal(object)

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
        for device in dict.fromkeys(("cpu", *devices, start.device, "auto")):
            self._device.addItem("auto: spread over all devices" if device == "auto" else device, device)
        self._device.setCurrentIndex(self._device.findData(start.device))
        self._dtype = _combo("modelDtype", "Number format")
        self._attention = _combo("modelAttention", "Attention")
        self._quantisation = _combo("modelQuantisation", "Quantisation")
        for box, entries, chosen in (
            (self._dtype, _DTYPES, start.dtype),
            (self._attention, _ATTENTIONS, start.attention),
            (self._quantisation, _QUANTISATIONS, start.quantisation),
        ):
            _fill(box, [(value, words, "") for value, words in entries], chosen)
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("&Model", row)
        label = form.labelForField(row)
        if isinstance(label, QLabel):
            label.setBuddy(self._source)
        form.addRow("", hint)
        self._file = _combo("modelFileChoice", "GGUF file")
        self._file.setPlaceholderText("Choose one")
        self._file.activated.connect(self._on_file_activated)
        form.addRow("&GGUF file", self._file)
        form.setRowVisible(self._file, False)
        self._form = form
        form.addRow("&Device", self._device)
        form.addRow("&Numbers", self._dtype)
        form.addRow("&Quantisation", self._quantisation)
        form.addRow("&Attention", self._attention)
        self._look = ModelLookView()
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._on_pause_timeout)
        for box in (self._device, self._dtype, self._quantisation, self._attention):
            box.currentIndexChanged.connect(self._look_soon)
        FileDrop(self).dropped.connect(self._on_files_dropped)

        self._buttons = DialogButtons(QDialogButtonBox.StandardButton.Cancel)
        self._open = self._buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        self._open.setObjectName("modelOpen")
        self._open.setDefault(True)
        self._buttons.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self.accepted.connect(self._on_accepted)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(form)
        column.addWidget(self._look)
        column.addStretch(1)
        column.addWidget(self._buttons)
        self._source.textChanged.connect(self._on_source_changed)
        self._on_source_changed()

    def reference(self) -> ModelReference:
        """What the dialog says now."""
        return ModelReference(
            self._source.text().strip(),
            device=self._device.currentData(),
            dtype=self._dtype.currentData(),
            attention=self._attention.currentData(),
            quantisation=self._quantisation.currentData(),
        )

    @Slot(object)
    def set_choices(self, choices: OpeningChoices) -> None:
        """Offer what this machine can do; what it can't stands there greyed, with the reason."""
        for box, entries in ((self._attention, choices.attentions), (self._quantisation, choices.quantisations)):
            _fill(box, [(entry.value, entry.words, entry.lacking) for entry in entries], box.currentData())

    @Slot(object)
    def show_look(self, look: ModelLook) -> None:
        """Show what is known of a model; an answer about something else than what stands here is dropped."""
        if look.reference == self.reference() and not self._pause.isActive():
            self._look.show_look(look)
            self._offer_files(look)
            self._allow_open(not look.problem and not look.must_choose)

    def done(self, result: int) -> None:  # noqa: D102 - Qt's
        self._pause.stop()
        super().done(result)

    def _on_source_changed(self) -> None:
        self._file.setCurrentIndex(self._file.findData(self._source.text().strip()))
        self._allow_open(bool(self._source.text().strip()))
        self._look_soon()

    def _allow_open(self, allowed: bool) -> None:
        self._open.setEnabled(allowed)
        # A button that was disabled has lost its place as the one that Enter presses.
        self._open.setDefault(allowed)

    def _offer_files(self, look: ModelLook) -> None:
        self._file.clear()
        for at, file in enumerate(look.files):
            self._file.addItem(f"{file.name}  ({byte_size(file.nbytes)})", file.source)
            self._file.setItemData(at, file.source, Qt.ItemDataRole.ToolTipRole)
        self._file.setCurrentIndex(next((at for at, file in enumerate(look.files) if file.named), -1))
        self._form.setRowVisible(self._file, bool(look.files))

    def _look_soon(self) -> None:
        if self._source.text().strip():
            self._look.set_looking()
            self._pause.start()
        else:
            self._pause.stop()
            self._look.clear()

    @Slot()
    def _on_pause_timeout(self) -> None:
        self.lookWanted.emit(self.reference())

    @Slot(list)
    def _on_files_dropped(self, paths: list[str]) -> None:
        self._source.setText(paths[0])

    @Slot(int)
    def _on_file_activated(self, at: int) -> None:
        self._source.setText(self._file.itemData(at))

    def _on_folder_clicked(self) -> None:
        choose_folder(self, "Model folder", self._source.setText, self._source.text())

    def _on_file_clicked(self) -> None:
        choose_file(self, "Model file", MODEL_FILES, self._source.setText, self._source.text())

    def _on_accepted(self) -> None:
        self.chosen.emit(self.reference())


def _fill(box: QComboBox, entries: Sequence[tuple[str, str, str]], chosen: str) -> None:
    """Entries as (value, words, why it can't be chosen); `chosen` is among them, whatever it is."""
    box.blockSignals(True)
    box.clear()
    for value, words, lacking in entries:
        box.addItem(f"{words}: {lacking.partition(';')[0]}" if lacking else words, value)
        if lacking:
            at = box.count() - 1
            box.setItemData(at, lacking, Qt.ItemDataRole.ToolTipRole)
            # The flags of an entry; without any it is greyed and can't be chosen.
            box.setItemData(at, 0, Qt.ItemDataRole.UserRole - 1)
    if box.findData(chosen) < 0:
        box.addItem(chosen, chosen)
    box.setCurrentIndex(box.findData(chosen))
    box.blockSignals(False)


def _combo(name: str, accessible: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    return box
