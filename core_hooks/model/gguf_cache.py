"""GGUF files unpacked once into safetensors, so that the second opening costs what a safetensors opening costs.

Unpacking takes from ten seconds to minutes and the result is worth keeping, so this is the one place in
`core_hooks.model` that writes files, and only below the cache folder of the platform, which may be emptied at any
time. An entry is written under another name and renamed when it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.reference import OpenProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    Report = Callable[[OpenProgress], None]

LIMIT = 64 << 30
_ORIGIN = "origin.json"
_CHECKSUMS = "checksums.json"
_CHUNK = 8 << 20
_ABANDONED = 24 * 3600  # seconds after which an unfinished entry belongs to a process that died


class GgufCache:
    """Unpacked GGUF files in a folder, by their content, the least recently used dropped beyond a size.

    Parameters
    ----------
    folder
        Where the entries are; the default is the platform's cache folder.
    limit
        Bytes that all entries together may take; the newest one stays even when it alone is larger.
    """

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = folder or Path(platformdirs.user_cache_dir("mi-crow-inspector", appauthor=False)) / "gguf"
        self.limit = limit

    def find(self, source: Path, dtype: str = "auto") -> Path | None:
        """Return the entry for the file at `source` if it was unpacked before and did not change since."""
        origin = _origin(source)
        for entry in self._entries():
            if entry.name.endswith(f"-{dtype}") and _read_origin(entry) == origin:
                os.utime(entry)
                return entry
        return None

    def unpack(
        self,
        source: Path,
        dtype: str = "auto",
        on_progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> Path:
        """Return the folder with the weights of the file at `source` as safetensors, unpacking them when needed.

        The work is done by another process: it can be stopped at any moment, it holds up no thread here, and it
        gives all of its memory back.

        Raises
        ------
        ModelError
            The file is damaged or of an unsupported architecture, or the disk is full; nothing is left behind.
        OpeningCancelled
            `cancel` was set; nothing is left behind.
        """
        found = self.find(source, dtype)
        if found is not None:
            return found
        report = on_progress or (lambda progress: None)
        origin = _origin(source)
        digest = _digest(source, report, cancel)
        entry = self.folder / f"{digest}-{dtype}"
        if not entry.exists():
            self._write(source, dtype, entry, report, cancel)
        self._note_origin(entry, origin)
        self._shrink(keep=entry)
        return entry

    def is_whole(self, entry: Path, on_progress: Report | None = None, cancel: threading.Event | None = None) -> bool:
        """Whether every file of an entry is what was written when it was made; reads all of it."""
        try:
            kept = json.loads((entry / _CHECKSUMS).read_text())
        except (OSError, ValueError):
            return False
        return isinstance(kept, dict) and kept == _checksums(entry, on_progress or (lambda progress: None), cancel)

    def drop(self, entry: Path) -> None:
        """Remove an entry."""
        _remove(entry)

    def size(self) -> int:
        """Return the bytes that all entries take."""
        return sum(_folder_size(entry) for entry in self._entries())

    def clear(self) -> int:
        """Remove every entry and return the bytes that became free; models that are open stay usable.

        Where the system does not let an open file go (Windows), the entry of an open model stays.
        """
        before = self.size()
        for entry in [*self._entries(), *self.folder.glob(".*.part")]:
            _remove(entry)
        return before - self.size()

    def _entries(self) -> list[Path]:
        try:
            return [entry for entry in self.folder.iterdir() if entry.is_dir() and entry.name[0] != "."]
        except OSError:
            return []

    def _write(self, source: Path, dtype: str, entry: Path, report: Report, cancel: threading.Event | None) -> None:
        part = self.folder / f".{uuid.uuid4().hex}.part"
        try:
            self._drop_abandoned()
            part.mkdir(parents=True)
            _convert_elsewhere(source, part, dtype, report, cancel)
            (part / _CHECKSUMS).write_text(json.dumps(_checksums(part, report, cancel)))
            try:
                part.rename(entry)
            except OSError:
                if not entry.exists():  # else another process was quicker, with the same content
                    raise
        except OSError as error:
            raise ModelError(
                f"The unpacked weights of {source} can't be kept in {self.folder} ({error.strerror or error}); "
                "make room there or correct its permissions."
            ) from error
        finally:
            _remove(part)

    def _note_origin(self, entry: Path, origin: dict[str, Any]) -> None:
        # Only a short cut past hashing the file again: without it the content is looked at.
        with contextlib.suppress(OSError):
            part = entry / f".{uuid.uuid4().hex}.part"
            part.write_text(json.dumps(origin))
            part.replace(entry / _ORIGIN)
            os.utime(entry)

    def _shrink(self, keep: Path) -> None:
        entries = sorted(self._entries(), key=lambda entry: entry.stat().st_mtime, reverse=True)
        total = _folder_size(keep)
        for entry in entries:
            if entry != keep:
                total += _folder_size(entry)
                if total > self.limit:
                    _remove(entry)

    def _drop_abandoned(self) -> None:
        for part in self.folder.glob(".*.part"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > _ABANDONED:
                    _remove(part)


def _convert_elsewhere(source: Path, folder: Path, dtype: str, report: Report, cancel: threading.Event | None) -> None:
    text = f"Unpacking {source.name}, once"
    report(OpenProgress(text))
    command = [sys.executable, "-m", "core_hooks.model.gguf_conversion", str(source.absolute()), str(folder), dtype]
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    error: dict[str, Any] = {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as child:
        watcher = threading.Thread(target=_kill_when, args=(child, cancel), name="gguf-cancel")
        watcher.start()
        try:
            assert child.stdout is not None
            for line in child.stdout:
                message = _message(line)
                if "error" in message:
                    error = message
                elif "total" in message:
                    report(OpenProgress(text, message["done"], message["total"], "tensors"))
            code = child.wait()
        finally:
            child.kill()
            watcher.join()
    if cancel is not None and cancel.is_set():
        raise OpeningCancelled
    if error.get("disk_full"):
        raise ModelError(f"The disk is full: {source.name} can't be unpacked into {folder.parent}; make room there.")
    if error:
        raise ModelError(f"{source} can't be unpacked: {error['error']}.")
    if code:
        raise ModelError(
            f"Unpacking {source} ended with code {code}; the file may be damaged, or memory too small for it."
        )


def _kill_when(child: subprocess.Popen[str], cancel: threading.Event | None) -> None:
    while child.poll() is None:
        if cancel is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.5)
        elif cancel.wait(0.1):
            child.kill()


def _message(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:  # something that a library printed
        return {}
    return message if isinstance(message, dict) else {}


def _digest(source: Path, report: Report, cancel: threading.Event | None) -> str:
    digest, done, total = hashlib.blake2b(digest_size=20), 0, source.stat().st_size
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if cancel is not None and cancel.is_set():
                raise OpeningCancelled
            digest.update(chunk)
            done += len(chunk)
            report(OpenProgress(f"Looking for {source.name} in the cache", done, total, "bytes"))
    return digest.hexdigest()


def _checksums(entry: Path, report: Report, cancel: threading.Event | None) -> dict[str, str]:
    """A checksum of every file of an entry but those that are about the entry itself, by name.

    Sums of machine words, block by block, are as quick as memory is, where a cryptographic digest takes longer than
    opening the model; each block's sum counts with its place. Nobody has to be kept from forging one.
    """
    import numpy as np

    paths = [path for path in sorted(entry.iterdir()) if path.name not in (_ORIGIN, _CHECKSUMS) and path.is_file()]
    total, done = sum(path.stat().st_size for path in paths), 0
    found = {}
    for path in paths:
        digest = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if cancel is not None and cancel.is_set():
                    raise OpeningCancelled
                words = len(chunk) // 8
                digest.update(int(np.frombuffer(chunk, np.uint64, words).sum()).to_bytes(8, "little"))
                digest.update(chunk[8 * words :])
                done += len(chunk)
                report(OpenProgress("Checking the unpacked weights", done, total, "bytes"))
        found[path.name] = digest.hexdigest()
    return found


def _origin(source: Path) -> dict[str, Any]:
    status = source.stat()
    return {"path": str(source.resolve()), "size": status.st_size, "modified": status.st_mtime_ns}


def _read_origin(entry: Path) -> Any:
    try:
        return json.loads((entry / _ORIGIN).read_text())
    except (OSError, ValueError):
        return None


def _folder_size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError:  # another process removed it meanwhile
        return 0


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
