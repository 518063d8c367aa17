"""The two views of a model's hierarchy: the tree, and the map."""

from __future__ import annotations

from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from mi_crow_gui.panels.look import GRID
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
        column.addWidget(self.map, 1)
        column.addWidget(self.map.legend)
        self.addTab(self.tree, "Tree")
        self.addTab(page, "Map")

    def show_tree(self) -> None:
        """Bring the tree to the front."""
        self.setCurrentIndex(TREE)

    def show_map(self) -> None:
        """Bring the map to the front."""
        self.setCurrentIndex(MAP)
