"""The status bar: which model on which device, what is going on, how to stop it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QProgressBar, QSizePolicy, QStatusBar, QToolButton, QWidget

from mi_crow_gui.document import formatting
from mi_crow_gui.panels.instrument_strip import InstrumentStrip
from mi_crow_gui.panels.look import GRID, fixed_font

_NO_MODEL = "No model"


class StatusBar(QStatusBar):
    """Parts from left to right: model, device, message, progress with cancel, hooks, dropped records, last loss."""

    cancelRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.setContentsMargins(GRID, 0, GRID, 0)
        self._model = _label("statusModel", "Model")
        self._device = _label("statusDevice", "Device, dtype and memory")
        self._message = _MessageLabel("statusMessage", "Message")
        self._progress = QProgressBar()
        self._progress.setObjectName("progressBar")
        self._progress.setAccessibleName("Progress")
        self._progress.setFixedWidth(15 * GRID)
        self._progress.setMaximumHeight(2 * GRID)
        self._cancel = QToolButton()
        self._cancel.setObjectName("cancelButton")
        self._cancel.setAccessibleName("Cancel")
        self._cancel.setText("Cancel")
        self._cancel.setToolTip("Stop what is going on  (Esc)")
        self._cancel.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._cancel.clicked.connect(self._on_cancel_clicked)
        self._dropped = _label("statusDropped", "Dropped records")
        self._dropped.setToolTip("Values that the memory budget made the run forget, oldest first")
        self._loss = _label("statusLoss", "Loss of the last run")
        self._loss.setFont(fixed_font())
        self._loss.setToolTip("Mean loss of the last run's prompt, in nats a token")
        self.addWidget(self._model)
        self.addWidget(self._device)
        self.addWidget(self._message, 1)
        self.instruments = InstrumentStrip()
        for part in (self._progress, self._cancel, self.instruments, self._dropped, self._loss):
            self.addPermanentWidget(part)
        self.set_model("")
        self.set_device("")
        self.clear_progress()
        self.set_dropped(0)
        self.set_loss(None)

    def set_model(self, name: str, tooltip: str = "") -> None:
        """Name the open model; "" says that there is none."""
        self._model.setText(name or _NO_MODEL)
        self._model.setToolTip(tooltip)

    def set_device(self, device: str, dtype: str = "", nbytes: int = 0) -> None:
        """Say where the model lies, in which dtype and how large it is; "" hides the part."""
        size = formatting.byte_size(nbytes) if nbytes else ""
        self._device.setText(" · ".join(part for part in (device, dtype, size) if part))
        self._device.setVisible(bool(device))

    def set_message(self, text: str) -> None:
        """Say what happened; stays until something else does."""
        self._message.set_message(text)

    def set_progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """Say what is going on and how far it is; a `total` of 0 means unknown."""
        self._message.set_message(text)
        # Scaled, because bytes do not fit Qt's 32 bits.
        percent = min(100, done * 100 // total) if total > 0 else 0
        if self._progress.maximum() != (1000 if total > 0 else 0):
            self._progress.setRange(0, 1000 if total > 0 else 0)
        if self._progress.value() != percent * 10:
            # Qt paints a new value at once, and with it all that waits to be painted; switched off it only asks to be.
            self._progress.setUpdatesEnabled(False)
            self._progress.setValue(percent * 10)
            self._progress.setUpdatesEnabled(True)
        self._progress.setTextVisible(total > 0)
        if not self._progress.isVisibleTo(self):
            self._cancel.setEnabled(True)
        self._progress.show()
        self._cancel.show()

    def clear_progress(self) -> None:
        """Nothing is going on any more."""
        self._progress.setRange(0, 1000)
        self._progress.hide()
        self._cancel.hide()

    def set_dropped(self, records: int) -> None:
        """How many captured records had to be forgotten; nothing is shown for none."""
        self._dropped.setText(f"{formatting.count(records)} dropped")
        self._dropped.setVisible(records > 0)

    def set_loss(self, loss: float | None) -> None:
        """Mean loss of the last run in nats a token; None hides it."""
        self._loss.setText("" if loss is None else f"loss {formatting.number(loss)}")
        self._loss.setVisible(loss is not None)

    def _on_cancel_clicked(self) -> None:
        # Once is enough; the button comes back with the next progress.
        self._cancel.setEnabled(False)
        self.cancelRequested.emit()


class _MessageLabel(QLabel):
    """A message that loses its end where room is short and stands whole in the tooltip."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._whole = ""

    def set_message(self, text: str) -> None:
        self._whole = text
        self.setText(text)
        self.setToolTip(text)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.hasSelectedText():
            super().paintEvent(event)
            return
        line = " ".join(self._whole.split())
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        elided = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(self.alignment()), elided)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        self.update()


def _label(name: str, accessible: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setAccessibleName(accessible)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setMargin(GRID // 2)
    return label
