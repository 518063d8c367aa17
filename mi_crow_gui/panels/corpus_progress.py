"""How far a capture job is, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import count, elide_middle
from mi_crow_gui.panels.look import GRID, fixed_font

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = "What is written stays readable whatever happens; a job that ended early goes on where it stopped."


class CorpusProgress(QWidget):
    """A bar, the pace in words, and buttons to pause, go on and cancel."""

    pauseRequested = Signal(bool)
    cancelRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("corpusProgress")
        self._paused = False
        self._begun = ""
        self._what = _label("corpusWhat", "What is captured")
        self._where = _label("corpusWhere", "Where it is written")
        self._where.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._bar = QProgressBar()
        self._bar.setObjectName("corpusBar")
        self._bar.setAccessibleName("Progress of the capture")
        self._pace = _label("corpusPace", "Tokens, pace and time left")
        self._pace.setFont(fixed_font())
        self._pause = QPushButton("&Pause")
        self._pause.setObjectName("corpusPause")
        self._pause.setAutoDefault(False)
        self._cancel = QPushButton("&Cancel the job")
        self._cancel.setObjectName("corpusCancel")
        self._cancel.setToolTip("End it now; it can be gone on with later")
        self._cancel.setAutoDefault(False)
        for button in (self._pause, self._cancel):
            button.setAccessibleName(button.text().replace("&", ""))
        self._pause.clicked.connect(self._on_pause_clicked)
        self._cancel.clicked.connect(self._on_cancel_clicked)
        hint = _label("corpusKept", "What is kept")
        hint.setText(_KEPT)
        hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self._pace, 1)
        row.addWidget(self._pause)
        row.addWidget(self._cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        for widget in (self._what, self._where):
            column.addWidget(widget)
        column.addSpacing(GRID)
        column.addWidget(self._bar)
        column.addLayout(row)
        column.addStretch(1)
        column.addWidget(hint)

    def begin(self, texts: Path, folder: Path, sites: int, controllers: int, cluster: str = "") -> None:
        """A job is to start; `cluster` says in words where it is computed, "" for this machine."""
        acting = f", with {count(controllers)} of your controllers acting" if controllers else ""
        layers = f"{count(sites)} layer{'s' if sites != 1 else ''}"
        where = f", computed by {cluster}" if cluster else ""
        self._what.setText(f"Capturing {layers} over {elide_middle(texts.name, 60)}{acting}{where}")
        self._begun = "Joining the cluster" if cluster else "Reading the texts"
        self._where.setText(f"into {folder}")
        self._bar.setRange(0, 0)
        self._pace.setText("Waiting for the model")
        self._paused = False
        self._pause.setEnabled(False)
        self._cancel.setEnabled(True)
        self._show_pause()

    def show_begun(self) -> None:
        """It has the model; its first batch is on its way."""
        self._pace.setText(self._begun)
        self._pause.setEnabled(True)

    def show_progress(self, done: int, total: int, words: str) -> None:
        """How many texts are done, and how fast it goes in words."""
        if total:
            self._bar.setRange(0, 1000)
            self._bar.setValue(done * 1000 // total)
            self._bar.setFormat(f"{count(done)} of {count(total)} texts")
        if self._pause.isEnabled() and not self._paused:
            self._pace.setText(words)

    def show_cancelling(self) -> None:
        """It was told to end, which takes until the batch at hand has."""
        self._pace.setText("Ending after the batch at hand…")
        self._pause.setEnabled(False)
        self._cancel.setEnabled(False)

    def _show_pause(self) -> None:
        self._pause.setText("&Go on" if self._paused else "&Pause")
        self._pause.setAccessibleName("Go on" if self._paused else "Pause")

    @Slot()
    def _on_pause_clicked(self) -> None:
        self._paused = not self._paused
        self._show_pause()
        self._pace.setText("Paused" if self._paused else "Going on")
        self.pauseRequested.emit(self._paused)

    @Slot()
    def _on_cancel_clicked(self) -> None:
        self.show_cancelling()
        self.cancelRequested.emit()


def _label(name: str, accessible: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setAccessibleName(accessible)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
