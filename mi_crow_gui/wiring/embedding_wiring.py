"""Projections that want t-SNE or UMAP: one process a plot, started when the plot rests, ended with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from mi_crow_gui.engine.embedding import Embedding
from mi_crow_gui.panels.plots.projection import ProjectionPanel

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.plotdata.projection import ProjectionDrawing
    from mi_crow_gui.wiring.parts import Parts

# While a slider moves, every picture wants another embedding; only the last is begun.
_REST_MS = 300


class EmbeddingWiring(QObject):
    """Hears of projections on the board and computes what they ask for."""

    def __init__(self, parts: Parts, board: PlotBoard) -> None:
        super().__init__(parts.window)
        self._parts, self._board = parts, board
        self._heard: set[str] = set()
        self._wanted: dict[str, ProjectionDrawing] = {}
        self._running: dict[str, Embedding] = {}
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._on_rest_timeout)
        parts.store.changed.connect(self._on_store_changed)
        self._on_store_changed("plots")

    def close(self) -> None:
        """End every process."""
        self._rest.stop()
        self._wanted.clear()
        for plot_id in tuple(self._running):
            self._stop(plot_id)

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic != "plots":
            return
        panels = {panel.plot_id: panel for panel in self._board.panels() if isinstance(panel, ProjectionPanel)}
        for plot_id in panels.keys() - self._heard:
            panels[plot_id].embeddingWanted.connect(partial(self._want, plot_id))
            panels[plot_id].embeddingUnwanted.connect(partial(self._stop, plot_id))
        for plot_id in self._heard - panels.keys():
            self._stop(plot_id)
        self._heard = set(panels)

    def _want(self, plot_id: str, drawing: ProjectionDrawing) -> None:
        self._stop(plot_id)
        self._wanted[plot_id] = drawing
        self._rest.start()

    def _stop(self, plot_id: str) -> None:
        self._wanted.pop(plot_id, None)
        running = self._running.pop(plot_id, None)
        if running is not None:
            running.cancel()
            running.deleteLater()

    @Slot()
    def _on_rest_timeout(self) -> None:
        wanted, self._wanted = self._wanted, {}
        for plot_id, drawing in wanted.items():
            assert drawing.reduced is not None
            running = Embedding(self._parts.jobs, drawing.reduced, drawing.settings.method, self)
            self._running[plot_id] = running
            running.progressed.connect(partial(self._tell, plot_id))
            running.ended.connect(partial(self._show, plot_id, drawing))

    def _panel(self, plot_id: str) -> ProjectionPanel | None:
        panel = self._board.panel(plot_id)
        return panel if isinstance(panel, ProjectionPanel) else None

    def _tell(self, plot_id: str, done: int, total: int) -> None:
        panel = self._panel(plot_id)
        if panel is not None:
            panel.show_embedding_progress(done, total)

    def _show(self, plot_id: str, drawing: ProjectionDrawing, points: object, problem: str) -> None:
        self._stop(plot_id)
        panel = self._panel(plot_id)
        if panel is not None:
            panel.show_embedding(drawing, points, problem)
