"""The instrument strip: after every run, what its hooks did and whether the model was left as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QToolButton, QWidget

from mi_crow_gui.panels.instrument_details import InstrumentDetails

if TYPE_CHECKING:
    from mi_crow_gui.document.instruments import InstrumentReport


class InstrumentStrip(QToolButton):
    """A line that opens its details when it is pressed; hidden until a run has ended."""

    checkRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("instrumentStrip")
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._report: InstrumentReport | None = None
        self._clean = ""
        self._can_check = False
        # Made when it is first asked for: the first paint does not wait for it.
        self._details: InstrumentDetails | None = None
        self.clicked.connect(self._on_clicked)
        self.set_report(None)

    def set_report(self, report: InstrumentReport | None) -> None:
        """Show the hooks of the newest run; None hides the strip. What a check said before is no longer current."""
        self._report, self._clean = report, ""
        self._show("" if report is None else report.words(), bool(report is not None and report.troubled))

    def set_clean(self, words: str, sentence: str, clean: bool) -> None:
        """Show what a check of the model said, in a few words and in a sentence."""
        self._clean = sentence
        self._show(words, not clean)

    def set_failed(self, run_kind: str) -> None:
        """A run failed before its end: what an earlier one did is not current any more."""
        self._report, self._clean = None, ""
        self._show(f"{run_kind} failed: hooks were put back", True)

    def set_checkable(self, can_check: bool) -> None:
        """Whether the model can be checked now."""
        self._can_check = can_check
        if self._details is not None and self._details.isVisible():
            self._fill(self._details)

    def _show(self, words: str, troubled: bool) -> None:
        self.setVisible(bool(words))
        self.setText(f"⚠ {words}" if troubled else words)
        about = f"run {self._report.run}" if self._report is not None else "the newest run"
        self.setToolTip(f"What the hooks of {about} did; press for each of them" if words else "")
        self.setAccessibleName(f"Hooks of {about}: {words}" if words else "Hooks of the run")

    def _fill(self, details: InstrumentDetails) -> None:
        details.set_report(self._report, self._clean, self._can_check)

    def _on_clicked(self) -> None:
        if self._details is None:
            self._details = InstrumentDetails(self)
            self._details.checkRequested.connect(self.checkRequested)
        details = self._details
        self._fill(details)
        details.move(self.mapToGlobal(QPoint(self.width(), 0)) - QPoint(details.width(), details.sizeHint().height()))
        details.show()
        details.setFocus(Qt.FocusReason.PopupFocusReason)
