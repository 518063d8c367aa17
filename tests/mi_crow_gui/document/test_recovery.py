from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from mi_crow_gui.document.recovery import RecoveryFile, find_orphans, recovery_folder
from mi_crow_gui.document.session_file import SessionError
from mi_crow_gui.document.workspace import Workspace

TYPED = Workspace(prompt="typed for an hour", drafts=(("h.0", "lambda x: "),))

CRASH = """
import os, sys
from pathlib import Path
from mi_crow_gui.document.recovery import RecoveryFile
from mi_crow_gui.document.workspace import Workspace
RecoveryFile(Path(sys.argv[1])).write(Workspace(prompt="typed for an hour"), origin="/sessions/mine.microw")
os._exit(1)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "recovery"


def crash(folder) -> None:
    """Let another process write its work and die."""
    assert subprocess.run([sys.executable, "-c", CRASH, str(folder)], check=False).returncode == 1


def test_work_of_a_running_instance_is_no_orphan(folder):
    recovery = RecoveryFile(folder)
    recovery.write(TYPED)
    assert recovery.path.exists()
    assert find_orphans(folder) == ()
    recovery.close()


def test_work_of_an_instance_that_died_is_offered_until_it_is_discarded(folder):
    crash(folder)
    (orphan,) = find_orphans(folder)
    loaded = orphan.read()
    assert loaded.workspace == Workspace(prompt="typed for an hour")
    assert loaded.origin == "/sessions/mine.microw"
    assert not loaded.foreign
    assert orphan.written == pytest.approx(time.time(), abs=60)
    orphan.discard()
    orphan.discard()
    assert list(folder.iterdir()) == []


def test_ending_well_leaves_nothing_behind_and_later_writes_do_nothing(folder):
    recovery = RecoveryFile(folder)
    recovery.write(TYPED)
    recovery.write(Workspace(prompt="more"))
    recovery.close()
    recovery.close()
    recovery.write(TYPED)
    assert list(folder.iterdir()) == []


def test_work_that_was_not_saved_can_be_left_for_the_next_start(folder):
    recovery = RecoveryFile(folder)
    recovery.write(TYPED)
    recovery.close(keep=True)
    (orphan,) = find_orphans(folder)
    assert orphan.read().workspace == TYPED


def test_nothing_is_made_before_the_first_write(folder):
    recovery = RecoveryFile(folder)
    recovery.clear()
    recovery.close()
    assert not folder.exists()
    assert find_orphans(folder) == ()


def test_saved_work_is_not_kept_and_new_work_is_kept_again(folder):
    recovery = RecoveryFile(folder)
    recovery.write(TYPED)
    recovery.clear()
    assert not recovery.path.exists()
    recovery.write(TYPED)
    assert recovery.path.exists()
    recovery.close()


def test_the_newest_orphan_comes_first(folder):
    crash(folder)
    crash(folder)
    newest = find_orphans(folder)[0]
    os.utime(newest.path, (1_000, 1_000))
    assert find_orphans(folder)[1].path == newest.path


def test_a_damaged_orphan_says_so_when_read(folder):
    folder.mkdir()
    (folder / "1-2.microw").write_text("{")
    (orphan,) = find_orphans(folder)
    with pytest.raises(SessionError, match="not valid JSON"):
        orphan.read()


def test_what_killed_instances_left_without_work_is_swept_after_a_day(folder):
    folder.mkdir()
    names = [".1-2.microw.ab12.tmp", "1-2.lock", "3-4.lock", "3-4.microw", "5-6.lock"]
    for name in names:
        (folder / name).write_text("{}")
        if name != "5-6.lock":
            os.utime(folder / name, (1_000, 1_000))
    find_orphans(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["3-4.lock", "3-4.microw", "5-6.lock"]


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="Can't write"):
        RecoveryFile(tmp_path / "file" / "recovery").write(TYPED)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX systems")
def test_work_is_kept_for_its_owner_alone():
    recovery = RecoveryFile()
    recovery.write(TYPED)
    assert recovery.path.parent == recovery_folder()
    assert stat.S_IMODE(recovery.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(recovery_folder().stat().st_mode) == 0o700
    recovery.close()
