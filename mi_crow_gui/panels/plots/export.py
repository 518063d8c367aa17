"""Files from plots: the picture as seen, the numbers as measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect, QSaveFile
from PySide6.QtGui import QGuiApplication, QPainter, QPixmap
from PySide6.QtSvg import QSvgGenerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mi_crow_gui.panels.plots.base import PlotPanel

FILTERS = {
    ".png": "PNG picture as seen (*.png)",
    ".svg": "SVG picture as seen (*.svg)",
    ".csv": "CSV numbers as measured (*.csv)",
    ".npy": "NumPy array as measured (*.npy)",
}
PICTURES = (".png", ".svg")


class ExportFailed(OSError):
    """A picture could not be written."""


def suggested_name(panel: PlotPanel, suffix: str = ".png") -> str:
    """A file name that says kind, site, run and step."""
    drawing = panel.drawing
    site = (panel.property("site") or "model").replace("/", "_")
    when = f"_run{drawing.run}_step{drawing.step}" if drawing is not None else ""
    return f"{panel.kind}_{site}{when}{suffix}"


def save_picture(panel: PlotPanel, path: Path) -> None:
    """Write the plot as it is seen; for the GUI thread. A file that is there is replaced only by a whole one."""
    suffix = path.suffix.lower()
    if suffix not in PICTURES:
        raise ExportFailed(f"{path.name}: a picture is a .png or .svg file")
    data = _svg(panel) if suffix == ".svg" else _png(panel)
    file = QSaveFile(str(path))
    if not (file.open(QIODevice.OpenModeFlag.WriteOnly) and file.write(data) == len(data) and file.commit()):
        raise ExportFailed(f"{path} could not be written: {file.errorString()}")


def numbers_job(panel: PlotPanel, path: Path, cancelled: Callable[[], bool] = lambda: False) -> Callable[[], Path]:
    """What writes the numbers of the plot as it is now: a function for a worker thread, that gives the path back."""
    table = panel.drawing.table()
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".npy"):
        raise ExportFailed(f"{path.name}: numbers are written as .csv or .npy files")

    def write() -> Path:
        # Beside its place and then renamed, so that what has the name is whole.
        part = path.with_name(f".{path.name}.part")
        try:
            if suffix == ".csv":
                table.write_csv(part, cancelled)
            else:
                table.write_npy(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    return write


def copy_image(panel: PlotPanel) -> None:
    """Put the picture on the clipboard."""
    QGuiApplication.clipboard().setPixmap(_pixmap(panel))


def _pixmap(panel: PlotPanel) -> QPixmap:
    with panel.as_picture() as widget:
        return widget.grab()


def _png(panel: PlotPanel) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    _pixmap(panel).save(buffer, "PNG")
    return bytes(buffer.data().data())


def _svg(panel: PlotPanel) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    with panel.as_picture() as widget:
        generator.setSize(widget.size())
        # Else text comes out at another size than on the screen.
        generator.setResolution(widget.logicalDpiX())
        generator.setViewBox(QRect(0, 0, widget.width(), widget.height()))
        generator.setTitle(panel.accessibleName())
        painter = QPainter(generator)
        widget.render(painter, QPoint())
        painter.end()
    return bytes(buffer.data().data())
