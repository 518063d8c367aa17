"""Comparing the weights of two models: the action, its dialog, and the pool that reads the files."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

if TYPE_CHECKING:
    from core_hooks.analysis.weights_comparison import LayerComparison, TensorComparison
    from mi_crow_gui.engine.long_jobs import Desk, LongJob
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.window.compare_weights_dialog import CompareWeightsDialog
    from mi_crow_gui.wiring.parts import Parts

    Found = tuple[list[LayerComparison], list[TensorComparison]]

log = logging.getLogger(__name__)


class WeightComparisonWiring(QObject):
    """Joins the dialog with the files; model A is the open one until somebody names another."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._dialog: CompareWeightsDialog | None = None
        self._job: LongJob | None = None
        parts.window.action("compareWeights").triggered.connect(self._on_compare_weights_triggered)

    @Slot()
    def _on_compare_weights_triggered(self) -> None:
        first = self._dialog is None
        dialog = self._dialog = self._parts.window.show_compare_weights()
        if first:
            dialog.compareRequested.connect(self._on_dialog_compare_requested)
            dialog.cancelRequested.connect(self._on_dialog_cancel_requested)
        model = self._parts.service.model
        if model is not None:
            dialog.offer(model.summary.reference.source)

    @Slot(str, str)
    def _on_dialog_compare_requested(self, a: str, b: str) -> None:
        assert self._dialog is not None
        if self._job is not None:
            self._job.cancel()

        def work(desk: Desk) -> Found:
            from core_hooks.analysis.weights_comparison import by_layer, compare_weights

            tensors = compare_weights(a, b, on_progress=desk.progress, cancel=desk.cancel)
            return by_layer(tensors), tensors

        self._dialog.show_begun()
        self._job = self._parts.long_jobs.start(
            "weights", work, self._on_compared, self._on_failed, self._dialog.progress.set_progress
        )

    @Slot()
    def _on_dialog_cancel_requested(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if self._dialog is not None:
            self._dialog.show_end("The comparison was given up.")

    @Slot(object)
    def _on_compared(self, found: Found) -> None:
        self._job = None
        if self._dialog is not None:
            self._dialog.show_found(*found)

    @Slot(object)
    def _on_failed(self, failure: Failure) -> None:
        self._job = None
        log.error("%s", failure.message, extra={"details": failure.details})
        if self._dialog is not None:
            self._dialog.show_end(failure.message)
