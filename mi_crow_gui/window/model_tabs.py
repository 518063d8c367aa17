"""The two views of a model's hierarchy: the tree, and the map."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.map_measures import MEASURES
from mi_crow_gui.panels.module_map import ModuleMap
from mi_crow_gui.panels.module_tree_panel import ModuleTreePanel

TREE, MAP = range(2)


class ModelTabs(QTabWidget):
    """Holds both; what one of them selects the other shows too.

    `measureChosen` tells that the map is to be coloured by another of `MEASURES`; `set_measure` does it.
    """

    measureChosen = Signal(str)

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
        self._measure.activated.connect(self._on_measure_activated)
        label = QLabel("Colour by")
        label.setBuddy(self._measure)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(label)
        row.addWidget(self._measure, 1)
        return row

    @Slot(int)
    def _on_measure_activated(self, at: int) -> None:
        self.measureChosen.emit(self._measure.itemData(at))

    def set_measure(self, measure: str) -> None:
        """Colour the map by a measure, without emitting."""
        self._measure.setCurrentIndex(self._measure.findData(measure))
        self.map.set_measure(measure)

    def show_tree(self) -> None:
        """Bring the tree to the front."""
        self.setCurrentIndex(TREE)

    def show_map(self) -> None:
        """Bring the map to the front."""
        self.setCurrentIndex(MAP)
