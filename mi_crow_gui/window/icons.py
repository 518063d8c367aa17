"""Icons drawn once in black and shown in the colours of the palette."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer

from mi_crow_gui.document.resource_files import resource, resources_folder

# Menus, tool bar, and both again on a screen of twice the density; Qt scales from the nearest for the rest.
_SIZES = (16, 20, 32, 40)
_ROLES = {
    QIcon.Mode.Normal: (QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText),
    QIcon.Mode.Disabled: (QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText),
    QIcon.Mode.Selected: (QPalette.ColorGroup.Active, QPalette.ColorRole.HighlightedText),
}

# The program's own sign keeps its colours.
APPLICATION = "mi-crow"

_cache: dict[tuple[str, tuple[int, ...]], QIcon] = {}


def names() -> list[str]:
    """The names of all icons, without the program's own sign."""
    return sorted(path.stem for path in (resources_folder() / "icons").glob("*.svg") if path.stem != APPLICATION)


def icon(name: str) -> QIcon:
    """The icon of that name in the colours of the present palette; `ResourceMissing` if there is none.

    Ask again after a change of theme: a `QIcon` keeps its colours.
    """
    # Not a QIconEngine that looks its colour up when it paints: PySide6 6.11 frees the clones of one written in
    # Python while Qt still holds them, and the process crashes.
    palette = QGuiApplication.palette()
    colours = {mode: palette.color(group, role) for mode, (group, role) in _ROLES.items()}
    key = (name, tuple(colour.rgba() for colour in colours.values()))
    found = _cache.get(key)
    if found is None:
        found = _cache[key] = _drawn(resource("icons", f"{name}.svg").read_bytes(), colours)
    return found


def application_icon() -> QIcon:
    """The program's own sign."""
    return QIcon(str(resource("icons", f"{APPLICATION}.svg")))


def _drawn(svg: bytes, colours: dict[QIcon.Mode, QColor]) -> QIcon:
    renderer = QSvgRenderer(QByteArray(svg))
    built = QIcon()
    for size in _SIZES:
        shape = QPixmap(size, size)
        shape.fill(Qt.GlobalColor.transparent)
        painter = QPainter(shape)
        renderer.render(painter)
        painter.end()
        for mode, colour in colours.items():
            built.addPixmap(_coloured(shape, colour), mode)
    return built


def _coloured(shape: QPixmap, colour: QColor) -> QPixmap:
    drawn = QPixmap(shape)
    painter = QPainter(drawn)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(drawn.rect(), colour)
    painter.end()
    return drawn
