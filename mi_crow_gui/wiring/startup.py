"""What happens after the first paint, in order: plots, then torch on the model thread, then what was asked for."""

from __future__ import annotations

import importlib
import pkgutil
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QWidget


# What much else is made of; together with what is made of it it would be felt.
_FIRST = ("pyqtgraph", "mi_crow_gui.panels.plots.base", "mi_crow_gui.panels.plots.matrix_view")
# What draws, and what joins it with the rest: of each package one module after the other.
_DRAWING = ("mi_crow_gui.panels.plots", "mi_crow_gui.wiring")
# What of it has nothing to do with Qt: modules of ours, and those of others that pyqtgraph and captures need.
_NUMBERS = (
    "core_hooks.capture.reader",
    "core_hooks.capture.channels",
    "core_hooks.capture.export",
    "core_hooks.capture.corpus_formats",
    "core_hooks.analysis.capture_comparison",
    "core_hooks.analysis.corpus_points",
    "core_hooks.analysis.nearest_tokens",
    "core_hooks.analysis.probe_labels",
    "core_hooks.analysis.projection",
    "core_hooks.analysis.text_search",
    "cProfile",
    "hashlib",
    "multiprocessing.connection",
    "numpy.typing",
    "pydoc",
    "subprocess",
    "xml.etree.ElementTree",
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
        for name in (*_FIRST, *(name for package in _DRAWING for name in _modules_of(package))):
            importlib.import_module(name)
            yield True
        from mi_crow_gui.panels.plots.registry import load

        self.loaded.emit(load(include_plugins=self._include_plugins))


def import_numbers() -> None:
    """Import what plots compute with and none of what draws; for another thread than the GUI's."""
    for name in (*_NUMBERS, *_modules_of("mi_crow_gui.plotdata"), "mi_crow_gui.engine.drawing_pool"):
        importlib.import_module(name)


def _modules_of(package: str) -> list[str]:
    """The modules right inside a package."""
    path = importlib.import_module(package).__path__
    return [module.name for module in pkgutil.iter_modules(path, f"{package}.")]


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
