"""What concerns the window alone, and what leaves it: theme, folders, export of plots."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from mi_crow_gui.document.folders import log_folder
from mi_crow_gui.wiring.code_wiring import CodeWiring

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.plots.base import PlotPanel
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class ViewWiring(QObject):
    """Joins the actions of the view with settings, clipboard and disk."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._window = parts.window
        self._board: PlotBoard | None = None
        self._code = CodeWiring(parts)
        window = parts.window
        window.themeChosen.connect(self._on_window_theme_chosen)
        window.action("openLogFolder").triggered.connect(self._on_open_log_folder_triggered)
        window.action("exportPlot").triggered.connect(self._on_export_plot_triggered)
        window.action("renameTab").triggered.connect(self._on_rename_tab_triggered)
        window.captures.folderRequested.connect(self._on_captures_folder_requested)
        parts.drawings.drawn.connect(self._on_drawings_drawn)
        parts.service.modelOpened.connect(self._on_service_model_opened)

    def add_plots(self, board: PlotBoard) -> None:
        """Plots can be exported from now on."""
        self._board = board
        self._code.add_plots(board)
        board.plotExportRequested.connect(self._on_board_plot_export_requested)

    @Slot(str)
    def _on_window_theme_chosen(self, mode: str) -> None:
        self._parts.settings.theme = mode

    @Slot()
    def _on_open_log_folder_triggered(self) -> None:
        log_folder().mkdir(parents=True, exist_ok=True)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_folder())))

    @Slot(str)
    def _on_captures_folder_requested(self, path: str) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(path))

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: object) -> None:
        self._window.action("exportPlot").setEnabled(True)

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._window.action("exportPlot").setEnabled(False)

    @Slot()
    def _on_rename_tab_triggered(self) -> None:
        if self._board is None or not self._board.count():
            self._window.status.set_message("There is no tab of plots: add a plot first.")
        else:
            self._board.ask_tab_name(self._board.currentIndex())

    @Slot()
    def _on_export_plot_triggered(self) -> None:
        panel = self._board.current_panel() if self._board is not None else None
        if panel is not None:
            self._export(panel)

    @Slot(str)
    def _on_board_plot_export_requested(self, plot_id: str) -> None:
        panel = self._board.panel(plot_id) if self._board is not None else None
        if panel is not None:
            self._export(panel)

    def _export(self, panel: PlotPanel) -> None:
        from mi_crow_gui.panels.plots.export import FILTERS, suggested_name

        if panel.drawing is None:
            self._window.status.set_message("This plot shows nothing yet: run the model first.")
            return
        filters = ";;".join(FILTERS.values())
        name = suggested_name(panel)
        self._window.ask_for_new_file("Export plot", name, filters, lambda path: self.export(panel, Path(path)))

    def export(self, panel: PlotPanel, path: Path) -> None:
        """Write a plot to a file, as its ending says: a picture as seen, or the numbers as measured."""
        from mi_crow_gui.panels.plots.export import PICTURES, ExportFailed, numbers_job, save_picture

        try:
            if path.suffix.lower() in PICTURES:
                save_picture(panel, path)
                self._exported(path)
            else:
                self._parts.jobs.run("export", numbers_job(panel, path), self._exported, self._failed)
        except ExportFailed as error:
            log.error("%s", error)
            self._window.status.set_message(str(error))

    def _exported(self, path: Path) -> None:
        self._window.status.set_message(f"Exported to {path}.")

    def _failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        self._window.status.set_message(failure.message)
