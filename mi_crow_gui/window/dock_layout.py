"""Where the panels stand: the presets, the lock, and back to how it was at first."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QDockWidget, QLabel, QWidget

from mi_crow_gui.panels.look import GRID, bold
from mi_crow_gui.window.bottom_tabs import CAPTURES, EDITOR

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMainWindow, QSplitter, QTabWidget, QToolBar

Preset = Literal["inspect", "write", "analyse"]
PRESETS: tuple[Preset, ...] = ("inspect", "write", "analyse")

_LEFT, _RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
_BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea
_HORIZONTAL, _VERTICAL = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
_FREE = (
    QDockWidget.DockWidgetFeature.DockWidgetMovable
    | QDockWidget.DockWidgetFeature.DockWidgetFloatable
    | QDockWidget.DockWidgetFeature.DockWidgetClosable
)

# Rises when docks or tool bars change so that an older state would not fit.
STATE_VERSION = 1

_HOOKS_SHARE = 0.38
_LOW = 800
_WRITE_SHARE = 0.45
_ANALYSE_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Arranged:
    """What is being arranged."""

    window: QMainWindow
    model: QDockWidget
    hooks: QDockWidget
    inspector: QDockWidget
    bottom: QDockWidget
    tabs: QTabWidget
    prompt: QWidget
    output: QWidget
    split: QSplitter
    toolbar: QToolBar

    @property
    def docks(self) -> tuple[QDockWidget, ...]:
        """The four docks."""
        return self.model, self.hooks, self.inspector, self.bottom


class DockLayout:
    """Arranges the docks of one window."""

    def __init__(self, parts: Arranged) -> None:
        self._parts = parts
        self._before_focus: dict[str, Any] | None = None
        self._titles = {dock: _title(dock) for dock in parts.docks if dock is not parts.bottom}
        # Its tabs are title enough, until it needs a handle to be moved by.
        self._titles[parts.bottom] = QWidget(parts.bottom)
        self.preset: Preset = "inspect"
        self.locked = True
        window = parts.window
        # The bottom dock lies under the centre only.
        window.setCorner(Qt.Corner.BottomLeftCorner, _LEFT)
        window.setCorner(Qt.Corner.BottomRightCorner, _RIGHT)
        self.lock(True)
        self.apply("inspect")

    @property
    def focused(self) -> bool:
        """Whether only the plots are shown."""
        return self._before_focus is not None

    def apply(self, preset: Preset) -> None:
        """Arrange everything as the preset says, sizes included."""
        self._before_focus = None
        self.preset = preset
        parts = self._parts
        window = parts.window
        for dock in parts.docks:
            dock.setFloating(False)
            window.removeDockWidget(dock)
        # Hidden ones get a place too: a dock without one is not in the saved state, and shows up when that is restored.
        window.addDockWidget(_LEFT, parts.model)
        window.splitDockWidget(parts.model, parts.hooks, _VERTICAL)
        window.addDockWidget(_RIGHT, parts.inspector)
        window.addDockWidget({"inspect": _BOTTOM, "write": _RIGHT, "analyse": _LEFT}[preset], parts.bottom)
        hidden = {"inspect": (), "write": (parts.inspector,), "analyse": (parts.model, parts.hooks)}[preset]
        for dock in parts.docks:
            dock.setVisible(dock not in hidden)
        parts.prompt.setVisible(preset != "analyse")
        parts.output.setVisible(preset != "analyse")
        parts.toolbar.show()
        parts.tabs.setCurrentIndex(CAPTURES if preset == "analyse" else EDITOR)
        self.resize()

    def resize(self) -> None:
        """Give every dock its size for this size of the window; needs a window that has been laid out to last."""
        parts = self._parts
        window = parts.window
        width, height = window.width(), window.height()
        left = _between(248, round(width * 0.21), 300)
        right = _between(240, round(width * 0.225), 320)
        # In a low window the plots need the room more.
        bottom = _between(168, round(height * (0.267 if height >= _LOW else 0.24)), 240)
        if self.preset == "analyse":
            window.resizeDocks([parts.bottom, parts.inspector], [round(width * _ANALYSE_SHARE), right], _HORIZONTAL)
        else:
            beside = parts.bottom if self.preset == "write" else parts.inspector
            across = round(width * _WRITE_SHARE) if self.preset == "write" else right
            window.resizeDocks([parts.model, beside], [left, across], _HORIZONTAL)
            tall = max(1, height - 100)
            window.resizeDocks(
                [parts.model, parts.hooks], [round(tall * (1 - _HOOKS_SHARE)), round(tall * _HOOKS_SHARE)], _VERTICAL
            )
            if self.preset == "inspect":
                window.resizeDocks([parts.bottom], [bottom], _VERTICAL)
        strip = parts.output.minimumSizeHint().height()
        parts.split.setSizes([max(1, height), strip])

    def lock(self, locked: bool) -> None:
        """Keep the docks where they are, or let them be moved, floated and closed."""
        self.locked = locked
        parts = self._parts
        for dock in parts.docks:
            dock.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures if locked else _FREE)
            title = self._titles[dock]
            dock.setTitleBarWidget(title if locked else None)  # type: ignore[arg-type]
            title.setVisible(locked)

    def focus(self, on: bool) -> None:
        """Show only the plots, or everything as it was before."""
        if on == self.focused:
            return
        parts = self._parts
        if on:
            self._before_focus = self.state()
            for widget in (*parts.docks, parts.prompt, parts.output, parts.toolbar):
                widget.hide()
        else:
            before, self._before_focus = self._before_focus, None
            if before is None or not self.restore(before):
                self.apply(self.preset)

    def state(self) -> dict[str, Any]:
        """Everything `restore` needs, as plain JSON values; while focused, what was before."""
        if self._before_focus is not None:
            return self._before_focus
        parts = self._parts
        return {
            "docks": base64.b64encode(bytes(parts.window.saveState(STATE_VERSION).data())).decode("ascii"),
            "preset": self.preset,
            "locked": self.locked,
            "tab": parts.tabs.currentIndex(),
            "prompt": not parts.prompt.isHidden(),
            "output": not parts.output.isHidden(),
            "split": parts.split.sizes(),
        }

    def restore(self, state: dict[str, Any]) -> bool:
        """Arrange as `state` says; False, with nothing changed, if it is not a state of this version."""
        preset = state.get("preset")
        try:
            docks = base64.b64decode(str(state["docks"]), validate=True)
            split = [int(size) for size in state["split"]]
            tab = int(state["tab"])
        except (KeyError, TypeError, ValueError):
            return False
        parts = self._parts
        if preset not in PRESETS or not parts.window.restoreState(QByteArray(docks), STATE_VERSION):
            return False
        self.preset = preset
        self.lock(bool(state.get("locked", True)))
        parts.prompt.setVisible(bool(state.get("prompt", True)))
        parts.output.setVisible(bool(state.get("output", True)))
        parts.toolbar.show()
        if 0 <= tab < parts.tabs.count():
            parts.tabs.setCurrentIndex(tab)
        if len(split) == parts.split.count():
            parts.split.setSizes(split)
        return True


def _title(dock: QDockWidget) -> QWidget:
    """The title of a dock that can't be moved, in line with what stands below it."""
    title = QLabel(dock.windowTitle(), dock)
    title.setFont(bold(title.font()))
    title.setContentsMargins(GRID, GRID, GRID, 0)
    return title


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))
