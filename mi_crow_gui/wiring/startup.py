"""What happens after the first paint, in order: plots, then torch on the model thread, then what was asked for."""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QWidget


# In this order, so that each brings little that the ones before it did not.
_PLOT_MODULES = (
    "pyqtgraph",
    "mi_crow_gui.panels.plots.base",
    "mi_crow_gui.panels.plots.board",
    "mi_crow_gui.wiring.plots_wiring",
    "mi_crow_gui.wiring.analysis_wiring",
    "mi_crow_gui.wiring.scrub_wiring",
    "mi_crow_gui.wiring.embedding_wiring",
    "mi_crow_gui.wiring.compare_wiring",
    "mi_crow_gui.wiring.heads_wiring",
    "mi_crow_gui.wiring.experiments",
    "mi_crow_gui.wiring.offline",
)
_SLICE = 0.010  # seconds of Qt's types that are made in one turn of the event loop


class PlotLoading(QObject):
    """Imports pyqtgraph and all that draws with it, a little in every turn of the event loop; then `loaded`.

    In the GUI thread and nowhere else: PySide6 makes its types when they are first asked for, pyqtgraph asks for all
    of them, and made in another thread while this one handles events they end the process, rarely and without a
    word. What has nothing to do with Qt is imported by `import_numbers` before, on any thread.
    """

    loaded = Signal(object)

    def __init__(self, include_plugins: bool, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._include_plugins = include_plugins
        self._steps = self._pieces()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._on_timer_timeout)

    def start(self) -> None:
        """Begin with the next turn of the event loop."""
        self._timer.start()

    def stop(self) -> None:
        """Leave it where it is."""
        self._timer.stop()

    def _on_timer_timeout(self) -> None:
        if next(self._steps, None) is None:
            self._timer.stop()

    def _pieces(self) -> Iterator[bool]:
        """Each piece is one turn of the event loop."""
        yield from _qt_types()
        for name in _PLOT_MODULES:
            importlib.import_module(name)
            yield True
        from mi_crow_gui.panels.plots.registry import load

        self.loaded.emit(load(include_plugins=self._include_plugins))


def import_numbers() -> None:
    """Import what plots compute with and none of what draws; for another thread than the GUI's."""
    import mi_crow_gui.engine.drawing_pool
    import mi_crow_gui.plotdata.analysis
    import mi_crow_gui.plotdata.heatmap
    import mi_crow_gui.plotdata.trace  # noqa: F401 - numpy and its parts come with them


def _qt_types() -> Iterator[bool]:
    """Have PySide6 make the types that pyqtgraph will ask for."""
    began = time.perf_counter()
    for name in ("QtCore", "QtGui", "QtWidgets"):
        module = importlib.import_module(f"PySide6.{name}")
        for attribute in dir(module):
            getattr(module, attribute)
            if time.perf_counter() - began > _SLICE:
                yield True
                began = time.perf_counter()


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
