"""What happens after the first paint, in order: plots, then torch on the model thread, then what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer, Signal

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from mi_crow_gui.panels.plots.registry import Registry


def load_plots(include_plugins: bool) -> Registry:
    """Import pyqtgraph and all that draws with it, and give the kinds of plots; for another thread than the GUI's.

    Imported in the GUI thread they would stop the window for a quarter of a second.
    """
    import mi_crow_gui.panels.plots.board
    import mi_crow_gui.wiring.analysis_wiring
    import mi_crow_gui.wiring.compare_wiring
    import mi_crow_gui.wiring.embedding_wiring
    import mi_crow_gui.wiring.heads_wiring
    import mi_crow_gui.wiring.offline
    import mi_crow_gui.wiring.plots_wiring
    import mi_crow_gui.wiring.scrub_wiring  # noqa: F401 - the GUI thread uses them a moment later
    from mi_crow_gui.panels.plots.registry import load

    return load(include_plugins=include_plugins)


class FirstPaint(QObject):
    """Emits `painted` once, after a widget has been painted for the first time and the screen has it."""

    painted = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.painted)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Watch for the paint; the rest of its event handling comes first, hence the timer."""
        if watched is self._widget and event.type() == QEvent.Type.Paint:
            self._widget.removeEventFilter(self)
            self._timer.start(0)
        return False
