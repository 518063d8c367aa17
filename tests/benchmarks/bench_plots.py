"""How fast plots show, pan and follow, beside plain pyqtgraph and (where installed) matplotlib doing the same.

Times are until the pixels are there, offscreen, in a plot of 800 x 550 pixels: `first show` is the worker's part and
the GUI's, `pan` and `live` one frame of a hundred.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.benchmarks.quiet import keep_quiet

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (800, 550)
FRAMES = 60
MEDIANS: dict[str, float] = {}


def main() -> None:
    """Print a row for each task and each way of doing it."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance() or QApplication([])
    keep_quiet()
    big = np.random.default_rng(0).standard_normal((1, 4096, 16384), dtype=np.float32)
    small = big[:, :1024, :4096].copy()
    line = np.random.default_rng(1).standard_normal((1, 1_000_000, 1), dtype=np.float32)
    print(f"{'':48}{'best':>10}{'median':>10}{'p95':>10}{'worst':>10}   ms")
    for name, values in (("heatmap 4,096 x 16,384", big), ("heatmap 1,024 x 4,096", small)):
        heatmap(application, name, values)
        plain_heatmap(application, name, values)
        if importlib.util.find_spec("matplotlib") is not None:
            matplotlib_heatmap(name, values)
    live_heatmap(application, small)
    trace(application, line)
    plain_trace(application, line)
    if importlib.util.find_spec("matplotlib") is not None:
        matplotlib_trace(line)
    compare()
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no rows of it")


def report(name: str, seconds: list[float]) -> None:
    """One row."""
    ordered = sorted(second * 1000 for second in seconds)
    MEDIANS[name] = statistics.median(ordered)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(f"{name:48}{ordered[0]:10.1f}{statistics.median(ordered):10.1f}{p95:10.1f}{ordered[-1]:10.1f}")


def clock(act: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def shown(application: Any, widget: Any) -> Any:
    """The widget on the screen, laid out and painted once."""
    widget.resize(*SIZE)
    widget.show()
    for _ in range(3):
        application.processEvents()
    return widget


def frame_of(values: np.ndarray, live: bool = False) -> Any:
    """A frame as a run leaves it."""
    from mi_crow_gui.plotdata.frame import Frame

    return Frame(1, 0, "h.1", "hook", "after", values, values.shape, str(values.dtype), live=live)


def painted(widget: Any) -> None:
    """Paint everything that waits to be painted."""
    widget.viewport().repaint()


def heatmap(application: Any, name: str, values: np.ndarray) -> None:
    """Ours."""
    from mi_crow_gui.panels.plots.heatmap import HeatmapPanel
    from mi_crow_gui.plotdata.heatmap import prepare_heatmap

    panel: Any = shown(application, HeatmapPanel())
    frame = frame_of(values)
    panel.set_site(frame.site)
    worker, gui = [], []
    for _ in range(5):
        worker.append(clock(lambda: prepare_heatmap(frame, panel.settings())))
        drawing = prepare_heatmap(frame, panel.settings())

        def show(drawing: Any = drawing) -> None:
            panel.show_drawing(drawing)
            painted(panel._canvas)

        gui.append(clock(show))
    application.processEvents()
    report(f"{name}, first show: worker", worker)
    report(f"{name}, first show: GUI", gui)
    report(f"{name}, first show: both", [one + other for one, other in zip(worker, gui, strict=True)])
    view = panel._canvas.view
    rows, columns = values.shape[1:]
    for zoom, label in ((1.15, "nearly all of it"), (3, "a third"), (12, "a twelfth"), (60, "a sixtieth")):
        times = []
        for number in range(FRAMES):
            across, down = columns / zoom, rows / zoom
            left, top = (columns - across) * number / FRAMES, (rows - down) * number / FRAMES

            def pan(left: float = left, top: float = top, across: float = across, down: float = down) -> None:
                view.setRange(xRange=(left, left + across), yRange=(top, top + down), padding=0)
                painted(panel._canvas)

            times.append(clock(pan))
        report(f"{name}, pan over {label}", times)
    panel.close()


def plain_heatmap(application: Any, name: str, values: np.ndarray) -> None:
    """An `ImageItem` with the fastest settings known: row-major, explicit levels, a table of 256 colours."""
    import pyqtgraph as pg

    plot: Any = shown(application, pg.PlotWidget())
    image = pg.ImageItem(axisOrder="row-major")
    image.setLookupTable(pg.colormap.get("viridis").getLookupTable(nPts=256))
    plot.addItem(image)

    def show() -> None:
        image.setImage(values[0], levels=(-2.5, 2.5), autoLevels=False)
        painted(plot)

    report(f"{name}, plain pyqtgraph: show", [clock(show) for _ in range(3)])
    rows, columns = values.shape[1:]
    times = []
    for number in range(20):

        def pan(number: int = number) -> None:
            plot.setRange(xRange=(number, columns / 3 + number), yRange=(number, rows / 3 + number), padding=0)
            painted(plot)

        times.append(clock(pan))
    report(f"{name}, plain pyqtgraph: pan over a third", times)
    plot.close()


def matplotlib_heatmap(name: str, values: np.ndarray) -> None:
    """`imshow` on an Agg canvas of the same size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()

    def show() -> None:
        axes.clear()
        axes.imshow(values[0], aspect="auto", vmin=-2.5, vmax=2.5)
        canvas.draw()

    report(f"{name}, matplotlib: show", [clock(show) for _ in range(3)])
    rows, columns = values.shape[1:]
    times = []
    for number in range(3):

        def pan(number: int = number) -> None:
            axes.set_xlim(number, columns / 3 + number)
            axes.set_ylim(rows / 3 + number, number)
            canvas.draw()

        times.append(clock(pan))
    report(f"{name}, matplotlib: pan over a third", times)


def live_heatmap(application: Any, values: np.ndarray) -> None:
    """A thousand tokens are there, and each frame brings one more."""
    from mi_crow_gui.panels.plots.heatmap import HeatmapPanel
    from mi_crow_gui.plotdata.heatmap import prepare_heatmap

    panel: Any = shown(application, HeatmapPanel())
    worker, gui = [], []
    for number in range(FRAMES):
        frame = frame_of(values[:, : values.shape[1] - FRAMES + number], live=True)
        start = time.perf_counter()
        drawing = prepare_heatmap(frame, panel.settings())
        worker.append(time.perf_counter() - start)

        def show(drawing: Any = drawing) -> None:
            panel.show_drawing(drawing)
            painted(panel._canvas)

        gui.append(clock(show))
    report("heatmap 1,024 x 4,096, live: worker", worker)
    report("heatmap 1,024 x 4,096, live: GUI", gui)
    panel.close()


def trace(application: Any, values: np.ndarray) -> None:
    """Ours: smallest and largest value of each pixel column."""
    from mi_crow_gui.panels.plots.trace import TracePanel
    from mi_crow_gui.plotdata.trace import CHANNEL, TraceSettings, prepare_trace

    panel: Any = shown(application, TracePanel())
    panel.change_settings(measure=CHANNEL)
    drawing = prepare_trace(frame_of(values), TraceSettings(CHANNEL))
    report(
        "trace of 1,000,000, first show: worker",
        [clock(lambda: prepare_trace(frame_of(values), TraceSettings(CHANNEL))) for _ in range(5)],
    )

    def show() -> None:
        panel.show_drawing(drawing)
        painted(panel._canvas)

    report("trace of 1,000,000, first show: GUI", [clock(show) for _ in range(5)])
    times = []
    for number in range(FRAMES):

        def pan(number: int = number) -> None:
            panel._canvas.view.setXRange(number * 1000, number * 1000 + 900_000, padding=0)
            painted(panel._canvas)

        times.append(clock(pan))
    report("trace of 1,000,000, pan over most of it", times)
    panel.close()


def plain_trace(application: Any, values: np.ndarray) -> None:
    """A `PlotDataItem` with its own downsampling to peaks, clipped to the view."""
    import pyqtgraph as pg

    plot: Any = shown(application, pg.PlotWidget())
    curve = plot.plot(values[0, :, 0], pen=pg.mkPen(width=1))
    curve.setDownsampling(auto=True, method="peak")
    curve.setClipToView(True)
    painted(plot)
    times = []
    for number in range(20):

        def pan(number: int = number) -> None:
            plot.setXRange(number * 1000, number * 1000 + 900_000, padding=0)
            painted(plot)

        times.append(clock(pan))
    report("trace of 1,000,000, plain pyqtgraph: pan", times)
    plot.close()


def matplotlib_trace(values: np.ndarray) -> None:
    """`plot` on an Agg canvas of the same size, with the simplification of paths that is on by default."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()

    def show() -> None:
        axes.clear()
        axes.plot(values[0, :, 0], linewidth=1)
        canvas.draw()

    report("trace of 1,000,000, matplotlib: show", [clock(show) for _ in range(3)])
    times = []
    for number in range(5):

        def pan(number: int = number) -> None:
            axes.set_xlim(number * 1000, number * 1000 + 900_000)
            canvas.draw()

        times.append(clock(pan))
    report("trace of 1,000,000, matplotlib: pan", times)


def compare() -> None:
    """How many times as long the others take: medians of this run."""
    for name in ("heatmap 4,096 x 16,384", "heatmap 1,024 x 4,096", "trace of 1,000,000"):
        heat = name.startswith("heatmap")
        ours = {"show": f"{name}, first show: {'both' if heat else 'GUI'}", "pan": f"{name}, pan over"}
        ours["pan"] += " a third" if heat else " most of it"
        for other in ("plain pyqtgraph", "matplotlib"):
            for what, own in ours.items():
                theirs = f"{name}, {other}: {what}" + (" over a third" if heat and what == "pan" else "")
                if theirs in MEDIANS:
                    print(f"{theirs:60} takes {MEDIANS[theirs] / MEDIANS[own]:8.2f} times as long")


if __name__ == "__main__":
    main()
