"""What was open lately: on the start page, in File › Open recent, and no longer once it is gone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMenu

from core_hooks.model.checkpoint import HUB_FILE, HUB_ID, is_factory

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

_SHOWN = 8
_OF_A_KIND = 4
_KINDS = (("sessions", "session"), ("models", "model"), ("captures", "capture"))


def show_recent(parts: Parts) -> None:
    """Offer the newest sessions, models and captures, by turns."""
    entries = [(name, word) for kind, word in _KINDS for name in parts.settings.recent(kind)[:_OF_A_KIND]]
    parts.window.start_page.set_recent(entries[:_SHOWN])


class RecentWiring(QObject):
    """Opens what was open lately; `chosen` gives its name once it is known to be there still."""

    chosen = Signal(str)

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        file_menu = parts.window.menus["&File"]
        self._menu = QMenu("Open &recent", file_menu)
        self._menu.setObjectName("openRecent")
        self._menu.setToolTipsVisible(True)
        actions = file_menu.actions()
        after = actions.index(parts.window.action("openSession")) + 1
        file_menu.insertMenu(actions[after] if after < len(actions) else None, self._menu)  # type: ignore[arg-type]
        self._menu.aboutToShow.connect(self.fill_menu)
        self._menu.triggered.connect(lambda action: self.open(str(action.data())))
        parts.window.start_page.recentRequested.connect(self.open)
        self.fill_menu()

    @Slot()
    def fill_menu(self) -> None:
        """List what is remembered now, a section for each kind."""
        menu = self._menu
        menu.clear()
        for kind, word in _KINDS:
            names = self._parts.settings.recent(kind)
            if names:
                menu.addSection(f"{word.capitalize()}s")
            for name in names:
                action = menu.addAction(_short(name).replace("&", "&&"))
                action.setToolTip(name)
                action.setData(name)
        if menu.isEmpty():
            menu.addAction("Nothing was opened yet").setEnabled(False)

    @Slot(str)
    def open(self, name: str) -> None:
        """Open something by name; a file or folder that is gone is said and forgotten."""
        if not name:
            return
        # A folder may lie on a disk that sleeps or a network that hangs: never looked for in the GUI thread.
        self._parts.jobs.run("open", lambda: (name, _is_there(name)), self._on_looked, self._on_look_failed)

    def _on_looked(self, found: tuple[str, bool]) -> None:
        name, there = found
        if there:
            self.chosen.emit(name)
            return
        for kind, _ in _KINDS:
            self._parts.settings.remove_recent(kind, name)
        show_recent(self._parts)
        message = f"'{name}' is no longer there, so it was taken off the recent list."
        log.warning("%s", message)
        self._parts.window.status.set_message(message)

    def _on_look_failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        self._parts.window.status.set_message(failure.message)


def _is_there(name: str) -> bool:
    path = Path(name).expanduser()
    if path.exists():
        return True
    if path.is_absolute():
        return False
    return is_factory(name) or HUB_ID.fullmatch(name) is not None or HUB_FILE.fullmatch(name) is not None


def _short(name: str) -> str:
    """The end of a long path, which tells more than its beginning."""
    if len(name) <= 60:
        return name
    parts = Path(name).parts
    return str(Path("…", *parts[-2:]))
