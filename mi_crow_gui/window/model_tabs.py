"""The two views of a model's hierarchy: the tree, and the map."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.map_measures import MEASURES
from mi_crow_gui.panels.module_map import ModuleMap
from mi_crow_gui.panels.module_tree_panel import ModuleTreePanel

TREE, MAP = range(2)


class ModelTabs(QTabWidget):
    """Holds both; what one of them selects the other shows too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("modelTabs")
        self.setAccessibleName("Tree or map of the modules")
        self.setDocumentMode(True)
        self.tree = ModuleTreePanel()
        self.map = ModuleMap()
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID // 2)
        column.addLayout(self._header())
        column.addWidget(self.map, 1)
        column.addWidget(self.map.legend)
        self.addTab(self.tree, "Tree")
        self.addTab(page, "Map")

    def _header(self) -> QHBoxLayout:
        self._measure = QComboBox()
        self._measure.setObjectName("mapMeasure")
        self._measure.setAccessibleName("Colour the map by")
        for name, measure in MEASURES.items():
            self._measure.addItem(measure.words, name)
            self._measure.setItemData(self._measure.count() - 1, measure.explanation, Qt.ItemDataRole.ToolTipRole)
        self._measure.currentIndexChanged.connect(self._on_measure_changed)
        label = QLabel("Colour by")
        label.setBuddy(self._measure)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(label)
        row.addWidget(self._measure, 1)
        return row

    def _on_measure_changed(self) -> None:
        self.map.set_measure(self._measure.currentData())

    def show_tree(self) -> None:
        """Bring the tree to the front."""
        self.setCurrentIndex(TREE)

    def show_map(self) -> None:
        """Bring the map to the front."""
        self.setCurrentIndex(MAP)
