"""Past runs: look at one again, pin it as A or B, compare the two, or take its settings back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from mi_crow_gui.itemmodels.history_model import HistoryModel
from mi_crow_gui.panels.empty_hint import EmptyHint
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.history_view import HistoryView
from mi_crow_gui.panels.look import GRID

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mi_crow_gui.itemmodels.history_model import HistoryRow

_EMPTY = (
    "Run a prompt: each run is kept here with its settings, its time and its loss. Pin two, A and B, to compare them."
)


class HistoryPanel(QWidget):
    """A list of runs, the newest on top; runs are named by their numbers."""

    runSelected = Signal(int)
    promptRequested = Signal(int)  # the run's prompt and generation settings alone
    restoreRequested = Signal(int)  # Enter or double click: prompt, settings, hooks and model
    pinRequested = Signal(int, str)
    unpinRequested = Signal(str)
    compareRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = HistoryModel(self)
        self._pins: dict[int, str] = {}
        self._silent = False
        self._view = HistoryView(self._model)
        self._view.pinPressed.connect(self._pin_current)
        self._view.unpinPressed.connect(self._unpin_current)
        self._view.customContextMenuRequested.connect(self._on_view_menu_requested)
        self._view.selectionModel().currentChanged.connect(self._on_view_current_changed)
        self._view.activated.connect(self._restore_current)
        EmptyHint(self._view, _EMPTY)
        self._pin_a = _button(
            "pinRunA", "Pin as A", "Keep the selected run as A, to compare it and see it in plots  (A)"
        )
        self._pin_b = _button(
            "pinRunB", "Pin as B", "Keep the selected run as B, to compare it and see it in plots  (B)"
        )
        self._unpin = _button("unpinRun", "Unpin", "Let go of the selected run; its row stays  (U)")
        self._restore = _button(
            "restoreRun",
            "Restore settings",
            "Take prompt, settings and hooks of the selected run back  (Enter)",
        )
        self._compare = _button("compareButton", "Compare A and B", "Compare the pinned runs token by token")
        self._pin_a.clicked.connect(lambda: self._pin_current("A"))
        self._pin_b.clicked.connect(lambda: self._pin_current("B"))
        self._unpin.clicked.connect(self._unpin_current)
        self._restore.clicked.connect(self._restore_current)
        self._compare.clicked.connect(self.compareRequested)
        buttons = FlowLayout()
        for button in (self._pin_a, self._pin_b, self._unpin, self._restore, self._compare):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addLayout(buttons)
        layout.addWidget(self._view, 1)
        self.set_comparable(False)
        self._show_buttons()

    # Setters

    def add_run(self, row: HistoryRow) -> None:
        """Put the newest run on top and select it, for it is what the window shows now."""
        self._model.add(row)
        self._silent = True
        self._view.setCurrentIndex(self._model.index(0))
        self._silent = False
        self._show_buttons()

    def set_pins(self, pins: Mapping[str, int]) -> None:
        """Which runs are A and B."""
        self._pins = {number: pin for pin, number in pins.items()}
        self._model.set_pins(self._pins)
        self._show_buttons()

    def set_kept(self, numbers: Collection[int]) -> None:
        """Of which runs there is more than their settings, so that they can be pinned."""
        self._model.set_kept(numbers)
        self._show_buttons()

    def set_comparable(self, comparable: bool) -> None:
        """Whether there are two runs to compare."""
        self._compare.setEnabled(comparable)

    @property
    def current(self) -> int | None:
        """Number of the selected run."""
        row = self._model.row(self._view.currentIndex())
        return row.number if row is not None else None

    # Handlers

    def _on_view_current_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        row = self._model.row(current)
        self._show_buttons()
        if row is not None and not self._silent:
            self.runSelected.emit(row.number)

    def _on_view_menu_requested(self, at: QPoint) -> None:
        row = self._model.row(self._view.currentIndex())
        if row is None:
            return
        menu = QMenu(self)
        menu.setObjectName("historyMenu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for pin in ("A", "B"):
            action = menu.addAction(f"Pin as {pin}")
            action.triggered.connect(lambda _checked=False, pin=pin: self._pin_current(pin))
            action.setEnabled(self._model.is_kept(row.number) and self._pins.get(row.number) != pin)
        menu.addAction("Unpin", self._unpin_current).setEnabled(row.number in self._pins)
        menu.addAction("Compare A and B", self.compareRequested.emit).setEnabled(self._compare.isEnabled())
        menu.addSeparator()
        menu.addAction("Restore prompt, settings and hooks", self._restore_current)
        menu.addAction("Use its prompt again", self._use_current)
        menu.addAction("Copy prompt", self._copy_prompt)
        menu.addAction("Copy prompt and output", self._copy_output)
        menu.popup(self._view.viewport().mapToGlobal(at))

    def _pin_current(self, pin: str) -> None:
        if self.current is not None:
            self.pinRequested.emit(self.current, pin)

    def _unpin_current(self) -> None:
        pin = self._pins.get(self.current) if self.current is not None else None
        if pin is not None:
            self.unpinRequested.emit(pin)

    def _restore_current(self) -> None:
        if self.current is not None:
            self.restoreRequested.emit(self.current)

    def _use_current(self) -> None:
        if self.current is not None:
            self.promptRequested.emit(self.current)

    def _copy_prompt(self) -> None:
        row = self._model.row(self._view.currentIndex())
        if row is not None:
            QGuiApplication.clipboard().setText(row.prompt)

    def _copy_output(self) -> None:
        row = self._model.row(self._view.currentIndex())
        if row is not None:
            QGuiApplication.clipboard().setText(row.prompt + row.generated)

    def _show_buttons(self) -> None:
        number = self.current
        kept = number is not None and self._model.is_kept(number)
        pin = self._pins.get(number) if number is not None else None
        self._pin_a.setEnabled(kept and pin != "A")
        self._pin_b.setEnabled(kept and pin != "B")
        self._unpin.setEnabled(pin is not None)
        self._restore.setEnabled(number is not None)


def _button(name: str, text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAccessibleName(text)
    button.setToolTip(tip)
    return button
