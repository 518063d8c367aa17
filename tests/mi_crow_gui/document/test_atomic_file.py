from __future__ import annotations

import os
import stat
import sys

import pytest

from mi_crow_gui.document.atomic_file import write_atomically

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX systems")


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a.microw"
    write_atomically(path, b"one")
    write_atomically(path, b"two\r\n")
    assert path.read_bytes() == b"two\r\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_replacement_leaves_the_former_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.microw"
    write_atomically(path, b"one")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"one")
    real.chmod(0o640)
    link.symlink_to(real)
    write_atomically(link, b"two")
    assert link.is_symlink()
    assert real.read_bytes() == b"two"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@posix
def test_a_private_file_is_for_its_owner_alone(tmp_path):
    write_atomically(tmp_path / "a", b"", private=True)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
