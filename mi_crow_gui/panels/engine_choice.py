"""Where a capture job is computed: on this machine, or by the workers of a Ray cluster."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from core_hooks.capture.ray_choice import RayChoice
from mi_crow_gui.panels.look import GRID

_LOCAL, _RAY = "local", "ray"
_ABOUT_RAY = (
    "Every worker opens the model by the same path or hub id. Shards arrive whole: progress moves by shards, and a "
    "pause begins behind the one at hand. Controllers don't act there."
)


class EngineChoice(QWidget):
    """A box, and for a cluster its address and its workers; what can't be chosen is greyed, with the reason."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QComboBox()
        self.box.setObjectName("corpusEngine")
        self.box.setAccessibleName("Where it is computed")
        self.box.addItem("This machine", _LOCAL)
        self.box.addItem("Ray cluster", _RAY)
        self.box.setMinimumContentsLength(12)
        self._address = QLineEdit()
        self._address.setObjectName("corpusAddress")
        self._address.setAccessibleName("Address of the cluster")
        self._address.setPlaceholderText("host:6379; empty: $RAY_ADDRESS, or this machine")
        self._address.setToolTip("As `ray start --head` printed it; a cluster on this machine is started and ended")
        self._workers = QSpinBox()
        self._workers.setObjectName("corpusWorkers")
        self._workers.setAccessibleName("Workers")
        self._workers.setRange(0, 9999)
        self._workers.setSpecialValueText("one a device")
        self._workers.setToolTip("How many processes of the cluster hold the model and compute shards")
        self._hint = QLabel()
        self._hint.setObjectName("corpusEngineHint")
        self._hint.setAccessibleName("About the engine")
        self._hint.setTextFormat(Qt.TextFormat.PlainText)
        self._hint.setWordWrap(True)
        self._hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._hint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._cluster = QWidget()
        words = QLabel("&Address"), QLabel("&Workers")
        words[0].setBuddy(self._address)
        words[1].setBuddy(self._workers)
        inner = QHBoxLayout(self._cluster)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(GRID)
        for widget, stretch in ((words[0], 0), (self._address, 1), (words[1], 0), (self._workers, 0)):
            inner.addWidget(widget, stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(self.box)
        column.addWidget(self._cluster)
        column.addWidget(self._hint)
        self.box.currentIndexChanged.connect(self._on_box_changed)
        self._address.textChanged.connect(self.changed)
        self._workers.valueChanged.connect(self.changed)
        self._lacking = ""
        self._on_box_changed()

    @property
    def ray(self) -> RayChoice | None:
        """The cluster, None for this machine."""
        if self.box.currentData() != _RAY:
            return None
        return RayChoice(self._address.text().strip(), self._workers.value())

    def set_lacking(self, reason: str) -> None:
        """Why no cluster can be chosen, with the line that helps; "" when one can."""
        self._lacking = reason
        at = self.box.findData(_RAY)
        self.box.setItemText(at, f"Ray cluster: {reason.partition(':')[0]}" if reason else "Ray cluster")
        self.box.setItemData(at, reason or None, Qt.ItemDataRole.ToolTipRole)
        # The flags of an entry; without any it is greyed and can't be chosen.
        self.box.setItemData(at, 0 if reason else None, Qt.ItemDataRole.UserRole - 1)
        if reason:
            self.box.setCurrentIndex(self.box.findData(_LOCAL))
        self._say()

    def _say(self) -> None:
        over = self.box.currentData() == _RAY
        self._cluster.setVisible(over)
        self._hint.setText(_ABOUT_RAY if over else self._lacking)
        self._hint.setVisible(bool(self._hint.text()))

    @Slot()
    def _on_box_changed(self) -> None:
        self._say()
        self.changed.emit()
