"""The inspector: what is known of the selected site, and its detector's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.formatting import count, number
from mi_crow_gui.document.hook_spec import CAPTURE
from mi_crow_gui.engine.drawing_pool import DrawingWish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi_crow_gui.engine.messages import CaptureUpdate
    from mi_crow_gui.plotdata.frame import Frame
    from mi_crow_gui.plotdata.kind import PlotKind
    from mi_crow_gui.plotdata.statistics import StatisticsDrawing
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring

_STATISTICS = "inspector/statistics"


class InspectorWiring(QObject):
    """Joins the inspector with the selection, the module tree and the newest values."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._plots: PlotsWiring | None = None
        self._asked: Frame | None = None
        self._store, self._service, self._inspector = parts.store, parts.service, parts.window.inspector
        parts.store.changed.connect(self._on_store_changed)
        parts.service.modelOpened.connect(self._on_service_model_opened)
        parts.service.framesArrived.connect(self._on_service_frames_arrived)
        self._inspector.stageChanged.connect(self._on_inspector_stage_changed)
        self._show()

    def add_values(self, plots: PlotsWiring, kinds: Mapping[str, PlotKind]) -> None:
        """Show statistics and a histogram of the selected site; called once plots can be made."""
        self._plots = plots
        self._parts.drawings.drawn.connect(self._on_drawings_drawn)
        if "histogram" in kinds:
            histogram = kinds["histogram"].create(None)
            histogram.set_closable(False)
            self._inspector.set_plot_widget(histogram)
            plots.inspect_with(histogram)
        plots.changed.connect(self._show_values)
        self._show_values()

    @Slot()
    def _show_values(self) -> None:
        """Ask for the statistics of the selected site, if they can be seen."""
        site = self._store.workspace.selected_site
        frame = self._plots.frame_at(site) if self._plots is not None and site is not None else None
        if frame is self._asked or not self._inspector.isVisible():
            return
        self._asked = frame
        if frame is None:
            self._inspector.set_statistics([])
            return
        # numpy is imported with it, which the first paint does not wait for.
        from mi_crow_gui.plotdata.statistics import StatisticsSettings, prepare_statistics

        self._parts.drawings.ask(DrawingWish(_STATISTICS, frame, StatisticsSettings(), prepare_statistics))

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, drawing: StatisticsDrawing) -> None:
        if plot_id == _STATISTICS and drawing.site == self._store.workspace.selected_site:
            self._inspector.set_statistics(_rows(drawing))

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic == "selection":
            self._show()
            self._show_values()
        elif topic == "hooks":
            self._show_stage()

    @Slot(object)
    def _on_service_model_opened(self, opened: object) -> None:
        self._show()

    @Slot(object)
    def _on_service_frames_arrived(self, updates: dict[str, CaptureUpdate]) -> None:
        if any(update.frame.site == self._store.workspace.selected_site for update in updates.values()):
            self._show_output()

    @Slot(str)
    def _on_inspector_stage_changed(self, stage: str) -> None:
        site = self._store.workspace.selected_site
        if site is not None:
            ids = [hook.id for hook in self._store.workspace.hooks_at(site) if hook.kind == CAPTURE]
            self._store.set_stage(ids, stage)

    def _show(self) -> None:
        site, model = self._store.workspace.selected_site, self._service.model
        known = site is not None and model is not None and site in model.tree
        self._inspector.set_record(
            model.tree.record(site) if known and model is not None and site is not None else None
        )
        self._show_output()
        self._show_stage()

    def _show_output(self) -> None:
        site = self._store.workspace.selected_site
        frames = [update.frame for update in self._service.frames().values() if update.frame.site == site]
        if frames:
            from mi_crow_gui.plotdata.frame import side

            frame = max(frames, key=lambda frame: side(frame.stage))
            self._inspector.set_output(frame.shape, frame.dtype)
        else:
            self._inspector.set_output(None)

    def _show_stage(self) -> None:
        site = self._store.workspace.selected_site
        hooks = self._store.workspace.hooks_at(site) if site is not None else ()
        self._inspector.set_stage(next((hook.stage for hook in hooks if hook.kind == CAPTURE), None))


def _rows(drawing: StatisticsDrawing) -> list[tuple[str, str]]:
    numbers = [
        ("Min", drawing.minimum),
        ("1 %", drawing.p1),
        ("Median", drawing.median),
        ("99 %", drawing.p99),
        ("Max", drawing.maximum),
        ("Mean", drawing.mean),
        ("Std", drawing.std),
    ]
    counts = [
        ("Values", drawing.count),
        ("Zeros", drawing.zeros),
        ("NaN", drawing.nan),
        ("Infinite", drawing.infinite),
    ]
    return [(name, number(value)) for name, value in numbers] + [(name, count(value)) for name, value in counts]
