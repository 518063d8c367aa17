"""The system libraries that Qt needs on Linux: which are missing, and how to install them.

Runs before anything is installed, as ``python mi_crow_gui/system_libraries.py [--install] [--headless]``, so it uses
the standard library alone. Exit code 0: nothing is missing.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FONT = "a font"
_FONT_ENDINGS = (".ttf", ".otf", ".ttc", ".pfb")


@dataclass(frozen=True, slots=True)
class Library:
    """One thing that Qt needs: its name for the loader, and the packages that hold it.

    `display` is True for what only a window on a screen needs, and an offscreen one does without.
    """

    name: str
    apt: str
    dnf: str
    pacman: str
    display: bool = False


# What libQt6Core, Gui, Widgets, Svg, DBus and the "offscreen" and "xcb" platforms are linked against, without what
# every system has (libc, libstdc++, zlib, zstd). A test compares it with the Qt that is installed. Wayland's two
# libraries are left out: without them Qt falls back to X11, and a Wayland desktop has them.
LIBRARIES: tuple[Library, ...] = (
    Library("libEGL.so.1", "libegl1", "libglvnd-egl", "libglvnd"),
    Library("libGL.so.1", "libgl1", "libglvnd-glx", "libglvnd"),
    Library("libX11.so.6", "libx11-6", "libX11", "libx11"),
    Library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon", "libxkbcommon"),
    Library("libfontconfig.so.1", "libfontconfig1", "fontconfig", "fontconfig"),
    Library("libfreetype.so.6", "libfreetype6", "freetype", "freetype2"),
    Library("libdbus-1.so.3", "libdbus-1-3", "dbus-libs", "dbus"),
    Library("libglib-2.0.so.0", "libglib2.0-0", "glib2", "glib2"),
    Library("libgthread-2.0.so.0", "libglib2.0-0", "glib2", "glib2"),
    Library(FONT, "fonts-dejavu-core", "dejavu-sans-fonts dejavu-sans-mono-fonts", "ttf-dejavu"),
    Library("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb", "libx11", display=True),
    Library("libxcb.so.1", "libxcb1", "libxcb", "libxcb", display=True),
    Library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor", display=True),
    Library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm", "xcb-util-wm", display=True),
    Library("libxcb-image.so.0", "libxcb-image0", "xcb-util-image", "xcb-util-image", display=True),
    Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms", display=True),
    Library("libxcb-randr.so.0", "libxcb-randr0", "libxcb", "libxcb", display=True),
    Library("libxcb-render.so.0", "libxcb-render0", "libxcb", "libxcb", display=True),
    Library(
        "libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil", "xcb-util-renderutil", display=True
    ),
    Library("libxcb-shape.so.0", "libxcb-shape0", "libxcb", "libxcb", display=True),
    Library("libxcb-shm.so.0", "libxcb-shm0", "libxcb", "libxcb", display=True),
    Library("libxcb-sync.so.1", "libxcb-sync1", "libxcb", "libxcb", display=True),
    Library("libxcb-util.so.1", "libxcb-util1", "xcb-util", "xcb-util", display=True),
    Library("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb", "libxcb", display=True),
    Library("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb", "libxcb", display=True),
    Library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11", display=True),
)  # fmt: skip

_MANAGERS = (
    ("apt-get", "apt", "apt-get install -y --no-install-recommends"),
    ("dnf", "dnf", "dnf install -y"),
    ("pacman", "pacman", "pacman -S --needed --noconfirm"),
)


def missing(*, display: bool = True) -> list[Library]:
    """What Qt needs and this system lacks; nothing on systems other than Linux.

    With ``display=False`` only what an offscreen window needs.
    """
    if not sys.platform.startswith("linux"):
        return []
    wanted = (library for library in LIBRARIES if display or not library.display)
    return [library for library in wanted if not _is_there(library.name)]


def install_command(libraries: Sequence[Library]) -> str:
    """The one command that installs these libraries with this system's package manager; "" for none."""
    if not libraries:
        return ""
    for program, field, command in _MANAGERS:
        if shutil.which(program):
            return " ".join(["sudo" if _needs_sudo() else "", command, *_packages(libraries, field)]).strip()
    # No manager that is known here: Debian's names are the ones found most often on the web.
    return " ".join([_MANAGERS[0][2], *_packages(libraries, "apt")])


def install(libraries: Sequence[Library]) -> bool:
    """Install these libraries; False, with nothing done, unless this is root on a system with apt-get."""
    if not shutil.which("apt-get") or _needs_sudo():
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = [*_MANAGERS[0][2].split(), *_packages(libraries, "apt")]
    for step in (["apt-get", "update"], command):
        # The output goes to stderr: stdout belongs to whoever calls this.
        if subprocess.run(step, env=environment, stdout=sys.stderr, check=False).returncode != 0:
            return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what is missing, and install it where asked for and possible; 1 if something is still missing."""
    parser = argparse.ArgumentParser(description="Look for the system libraries that Qt needs.")
    parser.add_argument("--install", action="store_true", help="install them, as root on Debian or Ubuntu")
    parser.add_argument("--headless", action="store_true", help="only what an offscreen window needs")
    chosen = parser.parse_args(arguments)
    display = not chosen.headless
    lacking = missing(display=display)
    if lacking and chosen.install:
        _say(f"Installing {_names(lacking)} …")
        if install(lacking):
            lacking = missing(display=display)
    if not lacking:
        return 0
    _say(f"Qt can't open a window here: this system lacks {_names(lacking)}.")
    _say(f"Install with: {install_command(lacking)}")
    return 1


def _is_there(name: str) -> bool:
    if name == FONT:
        return _has_font()
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _has_font() -> bool:
    home = Path.home()
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = [home / ".fonts", *(Path(folder) / "fonts" for folder in (own, *shared.split(":")) if folder)]
    for folder in folders:
        for _, _, files in os.walk(folder):
            if any(file.lower().endswith(_FONT_ENDINGS) for file in files):
                return True
    return False


def _packages(libraries: Sequence[Library], field: str) -> list[str]:
    """Package names, each once, in the order of the table."""
    names = (name for library in libraries for name in str(getattr(library, field)).split())
    return list(dict.fromkeys(names))


def _names(libraries: Sequence[Library]) -> str:
    return ", ".join(library.name for library in libraries)


def _needs_sudo() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() != 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
