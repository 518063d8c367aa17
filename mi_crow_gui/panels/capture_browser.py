"""What an open capture holds: its texts, its channels, and what can be asked of it, one tab each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from mi_crow_gui.panels.capture_search_panel import CaptureSearchPanel
from mi_crow_gui.panels.channels_panel import ChannelsPanel
from mi_crow_gui.panels.compare_panel import ComparePanel
from mi_crow_gui.panels.look import GRID, bold
from mi_crow_gui.panels.probe_panel import ProbePanel
from mi_crow_gui.panels.progress_row import ProgressRow
from mi_crow_gui.panels.texts_panel import TextsPanel

if TYPE_CHECKING:
    from collections.abc import Sequence


class CaptureBrowser(QWidget):
    """Stands under the list of captures while one is open; all tabs are about the site that is chosen above them."""

    siteChosen = Signal(str)
    exportRequested = Signal()
    closeRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("captureBrowser")
        self.setAccessibleName("Open capture")
        self._name = QLabel()
        self._name.setObjectName("captureName")
        self._name.setFont(bold(self._name.font()))
        self._name.setTextFormat(Qt.TextFormat.PlainText)
        self._name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._facts = QLabel()
        self._facts.setObjectName("captureFacts")
        self._facts.setTextFormat(Qt.TextFormat.PlainText)
        self._facts.setWordWrap(True)
        self._facts.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._sites = QComboBox()
        self._sites.setObjectName("captureSite")
        self._sites.setAccessibleName("Site")
        self._sites.setToolTip("Which captured site plots, channels and search are about")
        self._sites.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._sites.setMinimumContentsLength(8)
        self._sites.activated.connect(self._on_sites_activated)
        self._export = QPushButton("Export…")
        self._export.setObjectName("captureExport")
        self._export.setToolTip("Write this capture to one file for other programs")
        self._export.clicked.connect(self.exportRequested)
        self._close = QPushButton("Close")
        self._close.setObjectName("captureClose")
        self._close.setToolTip("Put this capture away; nothing on disk changes")
        self._close.clicked.connect(self.closeRequested)
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(self._name, 1)
        top.addWidget(self._export)
        top.addWidget(self._close)
        words = QLabel("Site")
        words.setBuddy(self._sites)
        site = QHBoxLayout()
        site.setSpacing(GRID)
        site.addWidget(words)
        site.addWidget(self._sites, 1)
        head = QVBoxLayout()
        head.setContentsMargins(GRID, GRID, GRID, GRID)
        head.setSpacing(GRID // 2)
        self.progress = ProgressRow("captureExport")
        head.addLayout(top)
        head.addWidget(self.progress)
        head.addWidget(self._facts)
        head.addLayout(site)
        self.texts = TextsPanel()
        self.channels = ChannelsPanel()
        self.search = CaptureSearchPanel()
        self.probe = ProbePanel()
        self.compare = ComparePanel()
        self.tabs = QTabWidget()
        self.tabs.setObjectName("captureTabs")
        self.tabs.setAccessibleName("What to do with the capture")
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.texts, "Texts")
        self.tabs.addTab(self.channels, "Channels")
        self.tabs.addTab(self.search, "Search")
        self.tabs.addTab(self.probe, "Probe")
        self.tabs.addTab(self.compare, "Compare")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.tabs, 1)

    def set_capture(self, name: str, facts: str, sites: Sequence[str], notes: str = "") -> None:
        """Show another capture; `notes` are what its writer had to say about it."""
        self._name.setText(name)
        self._name.setToolTip(name)
        self._facts.setText(facts)
        self._facts.setToolTip(notes)
        self._sites.clear()
        for site in sites:
            self._sites.addItem(site or "(the model)", site)
        self._sites.setEnabled(len(sites) > 0)
        self._export.setEnabled(len(sites) > 0)

    def set_site(self, site: str | None) -> None:
        """Show which site is chosen, without emitting."""
        row = self._sites.findData(site)
        if row >= 0:
            self._sites.setCurrentIndex(row)

    @property
    def site(self) -> str | None:
        """The chosen site, None when the capture has none."""
        return self._sites.currentData() if self._sites.count() else None

    def show_tab(self, panel: QWidget) -> None:
        """Bring a tab to the front."""
        self.tabs.setCurrentWidget(panel)

    @Slot(int)
    def _on_sites_activated(self, row: int) -> None:
        self.siteChosen.emit(self._sites.itemData(row))
