from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mi_crow_gui import system_libraries
from mi_crow_gui.system_libraries import FONT, LIBRARIES, install, install_command, main, missing

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Qt brings its libraries on other systems")
# On every Linux system that can run Python.
EVERYWHERE = re.compile(
    r"ld-linux|linux-vdso|lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s|z|zstd)\.so|libQt6|libicu|libpyside|libshiboken"
)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names that the loader is made not to find."""
    names: set[str] = set()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(system_libraries, "_is_there", lambda name: name not in names)
    return names


def _programs(monkeypatch: pytest.MonkeyPatch, *there: str, root: bool = True) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in there else None)
    monkeypatch.setattr(system_libraries, "_needs_sudo", lambda: not root)


def _needed(file: Path) -> set[str]:
    listed = subprocess.run(["readelf", "-d", str(file)], capture_output=True, text=True, check=True).stdout
    return {name for name in re.findall(r"\(NEEDED\).*\[(.+)\]", listed) if not EVERYWHERE.search(name)}


@LINUX
@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf, of binutils")
def test_everything_the_installed_qt_is_linked_against_is_in_the_table() -> None:
    import PySide6

    folder = Path(PySide6.__file__).parent / "Qt"
    offscreen = [
        *(folder / "lib" / f"libQt6{part}.so.6" for part in ("Core", "Gui", "Widgets", "Svg", "DBus")),
        folder / "plugins/platforms/libqoffscreen.so",
    ]
    display = [folder / "lib/libQt6XcbQpa.so.6", folder / "plugins/platforms/libqxcb.so"]
    needed_offscreen = set().union(*map(_needed, offscreen))
    needed_display = set().union(*map(_needed, display))
    assert needed_offscreen
    assert needed_offscreen <= {library.name for library in LIBRARIES if not library.display}
    assert needed_display <= {library.name for library in LIBRARIES}


@LINUX
def test_nothing_is_missing_for_an_offscreen_window_where_these_tests_run() -> None:
    assert missing(display=False) == []


def test_a_missing_library_is_named_with_its_package(lacking: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _programs(monkeypatch, "apt-get")
    lacking |= {"libEGL.so.1", "libxcb-cursor.so.0"}
    found = missing()
    assert [library.name for library in found] == ["libEGL.so.1", "libxcb-cursor.so.0"]
    assert install_command(found) == "apt-get install -y --no-install-recommends libegl1 libxcb-cursor0"


def test_an_offscreen_window_does_without_the_libraries_of_a_display(lacking: set[str]) -> None:
    lacking |= {"libEGL.so.1", "libxcb-cursor.so.0"}
    assert [library.name for library in missing(display=False)] == ["libEGL.so.1"]


def test_other_systems_need_nothing(lacking: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lacking.add("libEGL.so.1")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert missing() == []


def test_a_package_that_holds_two_libraries_is_named_once(lacking: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _programs(monkeypatch, "apt-get")
    lacking |= {"libglib-2.0.so.0", "libgthread-2.0.so.0"}
    assert install_command(missing()).endswith("recommends libglib2.0-0")


def test_the_command_is_the_one_of_the_systems_own_package_manager(
    lacking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking |= {"libxcb-cursor.so.0", FONT}
    _programs(monkeypatch, "dnf", root=False)
    assert install_command(missing()) == (
        "sudo dnf install -y dejavu-sans-fonts dejavu-sans-mono-fonts xcb-util-cursor"
    )
    _programs(monkeypatch, "pacman", root=False)
    assert install_command(missing()) == "sudo pacman -S --needed --noconfirm ttf-dejavu xcb-util-cursor"


def test_nothing_missing_needs_no_command() -> None:
    assert install_command([]) == ""


def test_nothing_is_installed_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    _programs(monkeypatch, "apt-get", root=False)
    started: list[object] = []
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **_: started.append(arguments))
    assert not install(LIBRARIES[:1])
    assert started == []


def test_installing_brings_the_package_lists_up_to_date_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _programs(monkeypatch, "apt-get")
    started: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        started.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert install(LIBRARIES[:1])
    assert started == [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "libegl1"]]


def test_the_command_line_tells_names_and_command_and_fails(
    lacking: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _programs(monkeypatch, "apt-get", root=False)
    assert main([]) == 0
    lacking.add("libxcb-icccm.so.4")
    assert main(["--install"]) == 1
    told = capsys.readouterr().err
    assert "libxcb-icccm.so.4" in told
    assert "sudo apt-get install -y --no-install-recommends libxcb-icccm4" in told


def test_a_folder_without_font_files_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "shared"))
    (tmp_path / "shared/fonts/truetype").mkdir(parents=True)
    assert not system_libraries._has_font()
    (tmp_path / "shared/fonts/truetype/Some.TTF").touch()
    assert system_libraries._has_font()


def test_it_runs_as_a_script_before_anything_is_installed() -> None:
    script = Path(system_libraries.__file__)
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(script), "--headless"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == (1 if missing(display=False) else 0), ended.stderr
    assert "Traceback" not in ended.stderr
