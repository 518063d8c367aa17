from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from mi_crow_gui.document.recovery import RecoveryFile, find_orphans
from mi_crow_gui.document.session_file import SessionError, load
from mi_crow_gui.state.autosave import Autosave
from mi_crow_gui.state.store import DocumentStore

if TYPE_CHECKING:
    from mi_crow_gui.document.workspace import Workspace


class SlowDisk(RecoveryFile):
    """Writes only when let, and remembers what by which thread."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.let = threading.Event()
        self.let.set()
        self.prompts: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.error: Exception | None = None

    def write(self, workspace: Workspace, origin: str = "") -> None:
        assert self.let.wait(10)
        self.prompts.append(workspace.prompt)
        self.threads.add(threading.current_thread())
        if self.error is not None:
            raise self.error
        super().write(workspace, origin)


@pytest.fixture
def disk(tmp_path):
    return SlowDisk(tmp_path / "recovery")


@pytest.fixture
def store(qapp):
    return DocumentStore()


@pytest.fixture
def autosave(store, disk):
    made = Autosave(store, disk)
    made._timer.setInterval(0)
    yield made
    disk.let.set()
    made.close()


def test_what_is_typed_is_written_by_another_thread(qtbot, store, disk, autosave):
    autosave.origin = "/sessions/mine.microw"
    store.set_prompt("typed")
    store.set_draft("h.0", "lambda x: ")
    qtbot.waitUntil(disk.path.exists)
    autosave.flush()
    loaded = load(disk.path)
    assert loaded.workspace == store.workspace
    assert loaded.origin == "/sessions/mine.microw"
    assert threading.main_thread() not in disk.threads


def test_while_a_write_is_slow_the_workspaces_in_between_are_skipped(qtbot, store, disk, autosave):
    disk.let.clear()
    store.set_prompt("0")
    qtbot.waitUntil(lambda: autosave._writing)
    for number in range(1, 50):
        store.set_prompt(str(number))
        qtbot.waitUntil(lambda: not autosave._timer.isActive())
    disk.let.set()
    qtbot.waitUntil(lambda: len(disk.prompts) == 2)
    assert disk.prompts == ["0", "49"]


def test_typing_without_a_pause_is_still_written(qtbot, store, disk, autosave):
    autosave._timer.setInterval(30)

    def typed_on_and_written() -> bool:
        store.set_prompt(store.workspace.prompt + "a")
        return bool(disk.prompts)

    qtbot.waitUntil(typed_on_and_written)


def test_looking_around_writes_nothing(qtbot, store, autosave):
    store.select_site("h.0")
    assert not autosave._timer.isActive()


def test_saved_work_is_not_kept_for_recovery(qtbot, store, disk, autosave):
    store.set_prompt("typed")
    qtbot.waitUntil(disk.path.exists)
    store.mark_saved()
    qtbot.waitUntil(lambda: not disk.path.exists())


def test_flushing_writes_at_once(store, disk, autosave):
    autosave._timer.setInterval(1_000_000)
    store.set_prompt("typed")
    autosave.flush()
    assert load(disk.path).workspace.prompt == "typed"
    assert not autosave._timer.isActive()


def test_closing_leaves_no_file_and_later_edits_write_nothing(store, disk, autosave):
    store.set_prompt("typed")
    autosave.flush()
    autosave.close()
    autosave.close()
    autosave.flush()
    store.set_prompt("typed after")
    assert not autosave._timer.isActive()
    assert list(disk.path.parent.iterdir()) == []


def test_closing_can_leave_unsaved_work_for_the_next_start(store, disk, autosave):
    store.set_prompt("typed")
    autosave.close(keep=True)
    (orphan,) = find_orphans(disk.path.parent)
    assert orphan.read().workspace.prompt == "typed"


def test_a_disk_that_refuses_is_told_once_until_it_works_again(qtbot, store, disk, autosave, caplog):
    said = []
    autosave.failed.connect(said.append)
    for error in (SessionError("Can't write x: No space left."), OSError("again"), None, OSError("anew")):
        disk.error = error
        amount = len(disk.prompts)
        store.set_prompt(store.workspace.prompt + "a")
        qtbot.waitUntil(lambda amount=amount: len(disk.prompts) > amount and not autosave._writing)
    assert said == [
        "Unsaved work can't be kept for recovery: Can't write x: No space left.",
        "Unsaved work can't be kept for recovery: anew",
    ]
    assert store.workspace.prompt == "aaaa"
