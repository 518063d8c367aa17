"""The capture that is open is kept in a session, and comes back with it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines


def save(offline: Offlines, qtbot: QtBot, path: Path) -> None:
    offline.composition._session.save_file(str(path))
    qtbot.waitUntil(path.exists, timeout=10_000)


def test_a_session_brings_its_capture_back(offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path) -> None:
    offline.open(stored)
    assert not offline.window.isWindowModified()  # looking at something is no change
    save(offline, qtbot, tmp_path / "with.microw")
    browse = offline.wiring.browse
    browse.close()
    assert browse.capture is None
    save(offline, qtbot, tmp_path / "without.microw")
    offline.composition._session.open_file(str(tmp_path / "with.microw"))
    qtbot.waitUntil(lambda: browse.capture is not None and browse.text is not None, timeout=10_000)
    assert browse.capture.folder == stored


def test_a_session_whose_capture_is_gone_says_so(offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(stored, folder)
    offline.open(folder)
    save(offline, qtbot, tmp_path / "s.microw")
    offline.wiring.browse.close()
    shutil.rmtree(folder)
    offline.composition._session.open_file(str(tmp_path / "s.microw"))
    qtbot.waitUntil(lambda: "'" + str(folder) + "' is not a capture" in offline.message(), timeout=10_000)
    assert offline.wiring.browse.capture is None
