"""Whether every byte of a capture is what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.capture.durable import checksum
from core_hooks.capture.index import INDEX, CaptureError, CaptureIndex, has_checksum, read_index
from core_hooks.capture.mapped_shard import MappedShard

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file of a capture: `problem` is ``""`` when it is whole, else a sentence; `note` says what can't be told."""

    file: str
    nbytes: int
    problem: str = ""
    note: str = ""


def verify_capture(
    folder: Path,
    on_file: Callable[[FileCheck], None] | None = None,
    cancel: threading.Event | None = None,
) -> list[FileCheck]:
    """Read the index and every file that it lists and compare sizes, checksums and headers.

    Parameters
    ----------
    on_file
        Called after each file.
    cancel
        Once set, no further file is read.

    Raises
    ------
    CaptureError
        The index itself can't be read.
    """
    folder = Path(folder)
    index = read_index(folder)
    found: list[FileCheck] = []

    def tell(check: FileCheck) -> None:
        found.append(check)
        if on_file is not None:
            on_file(check)

    raw = (folder / INDEX).read_bytes()
    note = "" if has_checksum(raw) else f"'{folder / INDEX}' has no checksum, so what it says can't be checked."
    tell(FileCheck(INDEX, len(raw), note=note))
    listed = [(shard["file"], shard) for shard in index.shards] + list(index.files.items())
    if not listed:  # a run saved before checksums were kept
        listed = [(name, {}) for name in dict.fromkeys(row["file"] for row in index.sites if "file" in row)]
    for name, entry in listed:
        if cancel is not None and cancel.is_set():
            break
        problem = _problem(folder / name, entry, index)
        note = "" if entry or problem else f"'{folder / name}' has no checksum in the index; its header is whole."
        tell(FileCheck(name, entry.get("bytes", 0), problem, note))
    return found


def _problem(path: Path, entry: dict[str, Any], index: CaptureIndex) -> str:
    try:
        shard = MappedShard(path)
        size = path.stat().st_size
        if not entry:
            return ""
        if size != entry["bytes"]:
            return f"'{path}' has {size:,} bytes and the index says {entry['bytes']:,}."
        crc = checksum(path)
        if crc != entry["crc32"]:
            return f"'{path}' was changed: its checksum is {crc} and should be {entry['crc32']}."
        rows = entry.get("rows")
        if rows is not None:
            for site in index.sites:
                if shard.shape(site["tensor"])[:1] != (rows,):
                    return f"'{path}' has another number of rows for '{site['site']}' than the index says."
    except CaptureError as error:
        return str(error)
    except OSError as error:
        return f"'{path}' can't be read: {error.strerror or error}."
    return ""
