"""The plots of the board: the only room that imports pyqtgraph."""
