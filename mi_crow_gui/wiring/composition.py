"""Makes the window, the document and the service, joins them, and sees to it that they end together."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from mi_crow_gui.document.folders import log_folder
from mi_crow_gui.document.workspace import PlotSpec, Workspace
from mi_crow_gui.engine.drawing_pool import DrawingPool
from mi_crow_gui.engine.jobs import Jobs
from mi_crow_gui.engine.long_jobs import LongJobs
from mi_crow_gui.engine.service import ModelService
from mi_crow_gui.state.autosave import Autosave
from mi_crow_gui.state.settings import Settings
from mi_crow_gui.state.store import DocumentStore
from mi_crow_gui.window.main_window import MainWindow
from mi_crow_gui.window.theme import apply_theme
from mi_crow_gui.wiring.anatomy_wiring import AnatomyWiring
from mi_crow_gui.wiring.capture_wiring import CaptureWiring
from mi_crow_gui.wiring.corpus_wiring import CorpusWiring
from mi_crow_gui.wiring.device_wiring import DeviceWiring
from mi_crow_gui.wiring.editor_wiring import EditorWiring
from mi_crow_gui.wiring.errand import Errand
from mi_crow_gui.wiring.history_wiring import HistoryWiring
from mi_crow_gui.wiring.hooks_wiring import HooksWiring
from mi_crow_gui.wiring.incidents import Incidents
from mi_crow_gui.wiring.inspector_wiring import InspectorWiring
from mi_crow_gui.wiring.instrument_wiring import InstrumentWiring
from mi_crow_gui.wiring.kinds_wiring import KindsWiring
from mi_crow_gui.wiring.map_wiring import MapWiring
from mi_crow_gui.wiring.model_wiring import ModelWiring
from mi_crow_gui.wiring.parts import Parts
from mi_crow_gui.wiring.prompt_pair_wiring import PromptPairWiring
from mi_crow_gui.wiring.prompts_wiring import PromptsWiring
from mi_crow_gui.wiring.recent import show_recent
from mi_crow_gui.wiring.run_wiring import RunWiring
from mi_crow_gui.wiring.session_wiring import SessionWiring
from mi_crow_gui.wiring.startup import FirstPaint, PlotLoading, import_numbers
from mi_crow_gui.wiring.store_wiring import StoreWiring
from mi_crow_gui.wiring.token_wiring import TokenWiring
from mi_crow_gui.wiring.view_wiring import ViewWiring
from mi_crow_gui.wiring.weight_comparison_wiring import WeightComparisonWiring
from mi_crow_gui.wiring.weights_wiring import WeightsWiring

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from mi_crow_gui.arguments import Arguments
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.panels.plots.board import PlotBoard
    from mi_crow_gui.panels.plots.registry import Registry
    from mi_crow_gui.wiring.analysis_wiring import AnalysisWiring
    from mi_crow_gui.wiring.compare_wiring import CompareWiring
    from mi_crow_gui.wiring.embedding_wiring import EmbeddingWiring
    from mi_crow_gui.wiring.experiments import Experiments
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring

log = logging.getLogger(__name__)

# What a new workspace shows of the selected site.
DEFAULT_PLOTS = ("heatmap", "trace")


class Composition(QObject):
    """Owns every conversation; a child of the window, so that it lives as long."""

    def __init__(self, application: QApplication, arguments: Arguments) -> None:
        settings = Settings(fresh=arguments.fresh)
        apply_theme(application, arguments.theme or settings.theme)
        window = MainWindow()
        super().__init__(window)
        self._incidents = Incidents(self)
        self._incidents.install(log_folder() / "mi-crow-gui.log", debug=arguments.debug)
        self._incidents.reported.connect(window.log.add)
        service = ModelService(self)
        store = DocumentStore(self)
        store.load(Workspace(plots=tuple(PlotSpec(kind) for kind in DEFAULT_PLOTS)))
        drawings = DrawingPool(self, service.share)
        parts = Parts(window, store, service, Jobs(self), LongJobs(self), drawings, settings, arguments)
        self._parts = parts
        window.service = service
        self._model = ModelWiring(parts)
        self._device = DeviceWiring(parts, self._model)
        self._hooks = HooksWiring(parts)
        self._map = MapWiring(parts)
        self._weights = WeightsWiring(parts)
        self._weight_comparison = WeightComparisonWiring(parts)
        self._anatomy = AnatomyWiring(parts)
        self._run = RunWiring(parts)
        self._tokens = TokenWiring(parts)
        self._prompts = PromptsWiring(parts)
        self._editor = EditorWiring(parts)
        self._history = HistoryWiring(parts, self._tokens)
        self._instruments = InstrumentWiring(parts)
        self._prompt_pair = PromptPairWiring(parts, self._run, self._history)
        self._inspector = InspectorWiring(parts)
        self._kinds = KindsWiring(parts)
        self._captures = CaptureWiring(parts)
        self._corpus = CorpusWiring(parts, self._captures)
        self._stores = StoreWiring(parts, self._captures)
        self._autosave = Autosave(store, parent=self)
        self._autosave.failed.connect(window.status.set_message)
        self._session = SessionWiring(parts, self._autosave)
        self._view = ViewWiring(parts)
        self._model.sessionNamed.connect(self._session.open_file)
        self._model.captureNamed.connect(self._captures.open_folder)
        self._model.captureListed.connect(self._captures.list_folder)
        self._closed = False
        self._plots: PlotsWiring | None = None
        self._analyses: AnalysisWiring | None = None
        self._embeddings: EmbeddingWiring | None = None
        self._compare: CompareWiring | None = None
        self._experiments: Experiments | None = None
        self._errand = Errand(parts, self._model, self._hooks, self._run, self._captures, self._settled)
        show_recent(parts)
        self._arrange()
        self._incidents.uncaught.connect(self._errand.give_up)
        window.close_guard = self._close
        self._loading = PlotLoading(not arguments.no_plugins, self)
        self._loading.loaded.connect(self._on_plots_loaded)
        self._first_paint = FirstPaint(window)
        self._first_paint.painted.connect(self._on_first_paint_painted)

    def _arrange(self) -> None:
        window, arguments = self._parts.window, self._parts.arguments
        if not arguments.fresh:
            window.restore_state(self._parts.settings.window_state)
        if arguments.size is not None:
            window.resize(*arguments.size)

    @Slot()
    def _on_first_paint_painted(self) -> None:
        """The window can be seen; now what takes time."""
        self._parts.jobs.run("plots", import_numbers, self._on_numbers_imported, self._on_plots_failed)

    def _on_numbers_imported(self, nothing: object) -> None:
        if not self._closed:
            self._loading.start()

    def _on_plots_failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        raise RuntimeError(f"The plots can't be loaded: {failure.message}")

    @Slot(object)
    def _on_plots_loaded(self, registry: Registry) -> None:
        from mi_crow_gui.panels.plots.board import PlotBoard

        board = PlotBoard(registry.kinds, registry.unavailable, self._parts.window)
        # The rest in the turns of the event loop after this one: together they would be felt.
        QTimer.singleShot(0, self, partial(self._fill_board, board, registry))

    def _fill_board(self, board: PlotBoard, registry: Registry) -> None:
        from mi_crow_gui.wiring.analysis_wiring import AnalysisWiring
        from mi_crow_gui.wiring.compare_wiring import CompareWiring
        from mi_crow_gui.wiring.embedding_wiring import EmbeddingWiring
        from mi_crow_gui.wiring.experiments import Experiments
        from mi_crow_gui.wiring.heads_wiring import HeadsWiring
        from mi_crow_gui.wiring.offline import Offline
        from mi_crow_gui.wiring.plot_actions import PlotActions
        from mi_crow_gui.wiring.plots_wiring import PlotsWiring
        from mi_crow_gui.wiring.scrub_wiring import ScrubWiring

        parts = self._parts
        if self._closed:
            return
        self._plots = PlotsWiring(parts, board, registry.kinds)
        self._analyses = AnalysisWiring(parts, board, registry.kinds)
        self._experiments = Experiments(parts, board, registry.kinds)
        self._scrub = ScrubWiring(parts, self._plots, self._analyses)
        self._heads = HeadsWiring(parts, board, registry.kinds, self._analyses)
        self._embeddings = EmbeddingWiring(parts, board)
        self._compare = CompareWiring(parts, board, registry.kinds, self._history)
        self._offline = Offline(parts, self._captures, self._plots, self._analyses, board, registry.kinds)
        self._tokens.add_plots(self._plots)
        self._view.add_plots(board)
        self._plot_actions = PlotActions(parts.window, self._plots, registry.kinds)
        QTimer.singleShot(0, self, partial(self._get_ready, board, registry))

    def _get_ready(self, board: PlotBoard, registry: Registry) -> None:
        parts = self._parts
        if self._closed or self._plots is None:
            return
        parts.window.install_plot_board(board)
        self._inspector.add_values(self._plots, registry.kinds)
        if not self._model.names_capture(parts.arguments.target):
            self._model.prepare()
        if not parts.arguments.fresh:
            self._session.offer_recovery()
        self._errand.start()

    def _settled(self) -> bool:
        views = (self._plots, self._analyses, self._compare, self._experiments)
        return all(view is not None and view.settled for view in views)

    def _close(self) -> bool:
        """End everything; the window closes after that. Nothing typed is lost: unsaved work is kept and offered."""
        parts = self._parts
        with contextlib.suppress(OSError):
            parts.settings.window_state = parts.window.save_state()
        self._closed = True
        self._loading.stop()
        parts.window.hide()
        self._autosave.close(keep=parts.store.dirty)
        self._editor.close()
        if self._embeddings is not None:
            self._embeddings.close()
        parts.window.left_behind = not parts.service.shutdown()
        parts.drawings.shutdown()
        parts.jobs.shutdown()
        parts.long_jobs.shutdown()
        # The stack tells of its own end, and then there is nobody left to tell.
        parts.store.undo_stack.blockSignals(True)
        self._incidents.uninstall()
        return True


def compose(application: QApplication, arguments: Arguments) -> MainWindow:
    """Build the window with everything behind it; nothing is shown yet."""
    return Composition(application, arguments)._parts.window
