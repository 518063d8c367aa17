"""The list of captures: what they are, what was written about them, whether they are whole, and away with them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QTableView

from core_hooks.capture.annotations import read_annotations
from mi_crow_gui.itemmodels.captures_model import CaptureColumn
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three captures, one of which is damaged and one from the future."""
    for name in ("good", "short", "newer"):
        write_corpus_capture(tmp_path / "all" / name, number_texts(20))
    shard = next((tmp_path / "all" / "short").glob("shard-*"))
    shard.write_bytes(shard.read_bytes()[:-9])
    index = tmp_path / "all" / "newer" / "capture.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "version": 99}))
    (tmp_path / "all" / "no-capture").mkdir()
    return tmp_path / "all"


class Listed:
    def __init__(self, offline: Offlines) -> None:
        self.offline, self.panel = offline, offline.window.captures

    def add(self, folder: Path, count: int) -> None:
        self.offline.wiring.list.add_folder(str(folder))
        self.offline.qtbot.waitUntil(lambda: len(self.panel.rows()) == count)

    def row(self, name: str) -> Any:
        return next(row for row in self.panel.rows() if row.name == name)

    def select(self, name: str) -> Any:
        table = self.offline.find(QTableView, "capturesTable")
        place = [row.name for row in self.panel.rows()].index(name)
        table.selectRow(place)
        return table.model().index(place, 0)

    def press(self, name: str) -> None:
        self.offline.find(QAbstractButton, name).click()


@pytest.fixture
def listed(offline: Offlines) -> Listed:
    return Listed(offline)


def test_what_is_damaged_newer_or_gone_is_marked_and_not_hidden(listed: Listed, folder: Path, qtbot: QtBot) -> None:
    listed.add(folder, 3)
    assert listed.row("good").state_words == "whole"
    assert listed.row("good").model == "stand-in"
    assert listed.row("short").state_words == "⚠ damaged"
    assert "cut short" in listed.row("short").problem
    assert listed.row("newer").state_words == "⚠ newer version"
    listed.offline.open(folder / "good")
    shutil.rmtree(folder / "good")
    listed.offline.wiring.list.refresh()
    qtbot.waitUntil(lambda: listed.row("good").state_words == "⚠ missing")


def test_folders_are_remembered(listed: Listed, folder: Path, qtbot: QtBot) -> None:
    from mi_crow_gui.state.settings import Settings

    listed.add(folder, 3)
    listed.offline.composition._parts.settings.save()
    assert Settings().capture_folders == (str(folder),)
    write_corpus_capture(folder / "new", number_texts(3))
    listed.offline.wiring.list.refresh()
    qtbot.waitUntil(lambda: len(listed.panel.rows()) == 4)


def test_tags_and_notes_are_typed_and_kept_beside_the_capture(listed: Listed, folder: Path, qtbot: QtBot) -> None:
    listed.add(folder, 3)
    index = listed.select("good")
    model = index.model()
    tags = model.index(index.row(), CaptureColumn.TAGS)
    assert model.flags(tags) & Qt.ItemFlag.ItemIsEditable
    model.setData(tags, "base, night run, base")
    qtbot.waitUntil(lambda: listed.row("good").tags == ("base", "night run"))
    index = listed.select("good")
    model.setData(model.index(index.row(), CaptureColumn.NOTES), "look at channel 3")
    qtbot.waitUntil(lambda: listed.row("good").notes == "look at channel 3")
    assert read_annotations(folder / "good").tags == ("base", "night run")


def test_verify_finds_a_flipped_bit_from_the_table(listed: Listed, folder: Path, qtbot: QtBot) -> None:
    listed.add(folder, 3)
    listed.select("good")
    listed.press("captureVerify")
    qtbot.waitUntil(lambda: listed.row("good").state_words == "verified")
    shard = next((folder / "good").glob("shard-*"))
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 2] ^= 4
    shard.write_bytes(bytes(raw))
    listed.select("good")
    listed.press("captureVerify")
    qtbot.waitUntil(lambda: listed.row("good").state_words == "⚠ damaged")
    assert "was changed" in listed.offline.message()


def test_a_capture_goes_to_the_bin_and_can_be_taken_back(listed: Listed, folder: Path, qtbot: QtBot) -> None:
    listed.add(folder, 3)
    listed.select("good")
    listed.press("captureTrash")
    qtbot.waitUntil(lambda: len(listed.panel.rows()) == 2)
    assert not (folder / "good").exists()
    binned = [path for path in folder.parent.rglob("capture.json") if "Trash" in str(path)]
    assert len(binned) == 1


def test_nothing_but_a_capture_is_ever_moved_away(listed: Listed, folder: Path, qtbot: QtBot) -> None:
    listed.offline.wiring.list.move_to_bin([str(folder / "no-capture"), str(folder)])
    qtbot.waitUntil(lambda: "no capture any more" in listed.offline.message())
    assert (folder / "no-capture").is_dir()


def test_what_is_taken_off_the_list_stays_on_the_disk(listed: Listed, folder: Path, qtbot: QtBot) -> None:
    listed.offline.open(folder / "good")
    qtbot.waitUntil(lambda: [row.name for row in listed.panel.rows()] == ["good"])
    listed.panel.removeRequested.emit([str(folder / "good")])
    qtbot.waitUntil(lambda: listed.panel.rows() == [])
    assert (folder / "good").is_dir()
