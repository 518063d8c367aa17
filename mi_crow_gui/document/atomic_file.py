"""Writing a file so that whoever opens it finds the old content or the new, whole."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from core_hooks.capture.durable import replacing_file


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace the file's content in one step that survives a crash; on `OSError` the former file is untouched.

    A link stays a link: what it points to is replaced. An existing file keeps its permissions; a new one is
    readable as the user's umask says, or by the user alone (`private`).
    """
    path = Path(os.path.realpath(path))
    with replacing_file(path, 0o600 if private else 0o666) as file:
        file.write(content)
        with contextlib.suppress(FileNotFoundError):
            Path(file.name).chmod(stat.S_IMODE(path.stat().st_mode))
