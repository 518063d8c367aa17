"""The machine's own key, by which it knows again the code that it wrote into a session file."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
from typing import TYPE_CHECKING

from mi_crow_gui.document.folders import data_folder

if TYPE_CHECKING:
    from pathlib import Path

_LOG = logging.getLogger(__name__)
_KEY_BYTES = 32


def sign(content: bytes) -> str:
    """HMAC-SHA256 of `content` with the machine's key, in hexadecimal; "" if the key can't be kept."""
    try:
        key = _read_or_make(data_folder() / "session.key")
    except OSError as error:
        _LOG.warning(
            "Sessions can't be signed, so their code opens switched off: the key in %s can't be used (%s).",
            data_folder(),
            error.strerror or error,
        )
        return ""
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def is_signed(content: bytes, signature: object) -> bool:
    """Whether this machine gave this signature to this content."""
    if not isinstance(signature, str) or not signature.isascii() or not signature:
        return False
    return hmac.compare_digest(sign(content), signature)


def _read_or_make(path: Path) -> bytes:
    for _ in range(2):
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            _make(path)
            continue
        if len(key) == _KEY_BYTES:
            return key
        # Cut short by a full disk: it signed nothing, so a new one loses nothing
        path.unlink()
        _make(path)
    return path.read_bytes()


def _make(path: Path) -> None:
    """Write a new key for the owner alone; of two instances at once, the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        except OSError:  # a file system without hard links
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
