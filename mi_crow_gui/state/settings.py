"""What the program remembers of a person between sessions: an INI file behind typed accessors.

QSettings gives booleans of an INI file back as strings, a list of one element as a string and an empty list as None.
So every value is stored as one plain text, and read back by an accessor that knows its type; what can't be read,
whoever wrote it, counts as not there.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QSettings

from mi_crow_gui.document.folders import config_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Theme = Literal["system", "light", "dark"]
THEMES: tuple[Theme, ...] = ("system", "light", "dark")
RECENT_LIMIT = 10
CAPTURES_LIMIT = 1000


class Settings:
    """The settings of one INI file; `fresh` forgets how the window was, whatever state that is in.

    Captures that were listed before, which may lie where looking at them takes for ever, are put by then: they are not
    listed in this session, and are again in the next.

    Parameters
    ----------
    path
        The file; by default the one in the user's configuration folder.
    """

    def __init__(self, path: Path | None = None, *, fresh: bool = False) -> None:
        self.path = path or config_folder() / "settings.ini"
        self._file = QSettings(str(self.path), QSettings.Format.IniFormat)
        if fresh:
            # What was open lately rescues nobody by being lost.
            self._file.remove("window")
        self._put_by = {*self._all_captures(), *self.texts("captures/folders")} if fresh else set()

    def save(self) -> None:
        """Write to disk now rather than a moment later."""
        self._file.sync()

    # named settings

    @property
    def theme(self) -> Theme:
        """The look: "system", "light" or "dark"."""
        kept = self.text("window/theme", "system")
        return next((theme for theme in THEMES if theme == kept), "system")

    @theme.setter
    def theme(self, theme: str) -> None:
        self.set_text("window/theme", theme)

    @property
    def window_geometry(self) -> bytes:
        """What `QWidget.saveGeometry` gave; empty if never saved."""
        return self.blob("window/geometry")

    @window_geometry.setter
    def window_geometry(self, geometry: bytes) -> None:
        self.set_blob("window/geometry", geometry)

    @property
    def window_state(self) -> bytes:
        """What `QMainWindow.saveState` gave; empty if never saved."""
        return self.blob("window/state")

    @window_state.setter
    def window_state(self, state: bytes) -> None:
        self.set_blob("window/state", state)

    @property
    def docks_locked(self) -> bool:
        """Whether docks stay where they are."""
        return self.flag("window/docks_locked", True)

    @docks_locked.setter
    def docks_locked(self, locked: bool) -> None:
        self.set_flag("window/docks_locked", locked)

    @property
    def torch_threads(self) -> int:
        """Threads that torch may use; 0 leaves the choice to the program."""
        return max(0, self.whole("model/torch_threads", 0))

    @torch_threads.setter
    def torch_threads(self, threads: int) -> None:
        self.set_whole("model/torch_threads", threads)

    def recent(self, kind: str) -> tuple[str, ...]:
        """What was opened last of a kind ("models", "captures", "sessions"), the latest first."""
        return self.texts(f"recent/{kind}")[:RECENT_LIMIT]

    def add_recent(self, kind: str, name: str) -> None:
        """Put a name first among the recent ones of its kind."""
        others = [other for other in self.recent(kind) if other != name]
        self.set_texts(f"recent/{kind}", [name, *others][:RECENT_LIMIT])

    def remove_recent(self, kind: str, name: str) -> None:
        """Forget a name, such as one that no longer opens."""
        self.set_texts(f"recent/{kind}", [other for other in self.recent(kind) if other != name])

    @property
    def captures(self) -> tuple[str, ...]:
        """Folders of the captures that are listed, the latest first."""
        return tuple(folder for folder in self._all_captures() if folder not in self._put_by)

    def _all_captures(self) -> tuple[str, ...]:
        return self.texts("captures/known") or self.recent("captures")

    def add_capture(self, folder: str) -> None:
        """List a capture, before all others."""
        self._put_by.discard(folder)
        others = [other for other in self._all_captures() if other != folder]
        self.set_texts("captures/known", [folder, *others][:CAPTURES_LIMIT])

    def remove_capture(self, folder: str) -> None:
        """List a capture no longer."""
        self.set_texts("captures/known", [other for other in self._all_captures() if other != folder])
        self.remove_recent("captures", folder)

    @property
    def capture_folders(self) -> tuple[str, ...]:
        """Folders whose captures are listed, whatever comes to lie in them."""
        return tuple(folder for folder in self.texts("captures/folders") if folder not in self._put_by)

    @capture_folders.setter
    def capture_folders(self, folders: Sequence[str]) -> None:
        self._put_by.difference_update(folders)
        unseen = [folder for folder in self.texts("captures/folders") if folder in self._put_by]
        self.set_texts("captures/folders", list(dict.fromkeys([*unseen, *folders])))

    # typed accessors

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self._file.value(name)
        return value if isinstance(value, str) else default

    def set_text(self, name: str, value: str) -> None:
        """Remember a text."""
        self._file.setValue(name, value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A yes or no."""
        return {"true": True, "false": False}.get(self.text(name), default)

    def set_flag(self, name: str, value: bool) -> None:
        """Remember a yes or no."""
        self.set_text(name, "true" if value else "false")

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number."""
        try:
            return int(self.text(name))
        except ValueError:
            return default

    def set_whole(self, name: str, value: int) -> None:
        """Remember a whole number."""
        self.set_text(name, str(value))

    def texts(self, name: str) -> tuple[str, ...]:
        """Several texts, possibly none."""
        try:
            values = json.loads(self.text(name))
        except (ValueError, RecursionError):
            return ()
        if not isinstance(values, list):
            return ()
        return tuple(value for value in values if isinstance(value, str))

    def set_texts(self, name: str, values: Sequence[str]) -> None:
        """Remember several texts."""
        self.set_text(name, json.dumps(list(values)))

    def blob(self, name: str) -> bytes:
        """Bytes; empty if there are none."""
        try:
            return base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError):
            return b""

    def set_blob(self, name: str, value: bytes) -> None:
        """Remember bytes."""
        self.set_text(name, base64.b64encode(value).decode())
