"""Captures on disk as the list of the window wants them. Called on the pool."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFile, QStandardPaths

from core_hooks.capture.annotations import read_annotations
from core_hooks.capture.folder import CaptureError, CaptureIndex, read_index, read_site
from core_hooks.capture.index import INDEX
from core_hooks.capture.verify import verify_capture
from mi_crow_gui.itemmodels.captures_model import CaptureRow
from mi_crow_gui.plotdata.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core_hooks.capture.verify import FileCheck
    from mi_crow_gui.engine.long_jobs import Desk


def describe_captures(paths: Sequence[str], folders: Sequence[str] = ()) -> list[CaptureRow]:
    """One row a capture: those that are named, and those in `folders`; damaged and missing ones say so in theirs."""
    found = dict.fromkeys(paths)
    for folder in folders:
        found.update(dict.fromkeys(_captures_in(Path(folder))))
    return [_describe(Path(path)) for path in found]


def verify_all(paths: Sequence[str], desk: Desk) -> list[tuple[str, str, str]]:
    """Check every byte of some captures: path, state in a word or two, and the first problem as a sentence."""
    total = sum(_size(Path(path)) for path in paths)
    done = 0

    def on_file(check: FileCheck) -> None:
        nonlocal done
        done += check.nbytes
        desk.progress(done, total)

    answers = []
    for path in paths:
        if not Path(path).exists():
            answers.append((path, "missing", f"'{path}' is not there: it was moved or deleted, or its disk is away."))
            continue
        try:
            found = verify_capture(Path(path), on_file, desk.cancel)
            bad = [check.problem for check in found if check.problem]
        except CaptureError as error:
            bad = [str(error)]
        desk.check()
        answers.append((path, "damaged" if bad else "verified", bad[0] if bad else ""))
    return answers


def move_to_bin(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Move captures to the system's bin: those that went, and a sentence for each that did not."""
    # Qt makes the bin where the desktop keeps it, but not the folder that this stands in.
    home = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    with contextlib.suppress(OSError):
        Path(home).mkdir(parents=True, exist_ok=True)
    gone, refused = [], []
    for path in paths:
        folder = Path(path)
        if not folder.exists():
            gone.append(path)
        elif not _is_capture(folder):
            # Nothing but a capture is ever moved away, whatever the list says.
            refused.append(f"'{folder}' is no capture any more, so it stays where it is.")
        elif QFile(str(folder)).moveToTrash():
            gone.append(path)
        else:
            refused.append(
                f"The system has no bin for '{folder}', so it stays where it is; delete the folder yourself."
            )
    return gone, refused


def run_frames(folder: Path, index: CaptureIndex) -> list[Frame]:
    """What the plots show of the capture of a run: every site, whole, whatever its shape."""
    run = index.settings.get("run", 0)
    rows = tuple(tuple(index.tokens[at] for at in index.prompt_rows(number)) for number in range(len(index.batch)))
    spans = tuple(range(entry["column"], entry["column"] + entry["tokens"]) for entry in index.batch)
    return [
        Frame(
            run=run if isinstance(run, int) else 0,
            step=max(0, max(map(len, rows), default=len(index.tokens)) - 1),
            site=row["site"],
            hook_id=row["tensor"],
            stage=row["stage"],
            values=read_site(folder, row),
            shape=tuple(row["shape"]),
            dtype=row["dtype"],
            first_token=int(row.get("first_token", 0)),
            tokens=rows[0] if rows else tuple(index.tokens),
            dropped=int(row.get("dropped", 0)),
            rows=rows or _alike(index, row["shape"]),
            spans=spans,
            dropped_prompts=max(0, len(rows) - row["shape"][0]) if rows and len(row["shape"]) > 2 else 0,
            origin=f"capture {folder.name}",
        )
        for row in index.sites
    ]


def _alike(index: CaptureIndex, shape: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """The prompts of a tensor whose writer said nothing of a batch: any has the tokens that are known."""
    return (tuple(index.tokens),) * shape[0] if len(shape) == 3 and shape[0] > 1 else ()


def _captures_in(folder: Path) -> list[str]:
    """The captures right in a folder, and the folder itself if it is one."""
    if _is_capture(folder):
        return [str(folder)]
    try:
        inside: Iterable[Path] = sorted(folder.iterdir())
    except OSError:
        return []
    return [str(path) for path in inside if _is_capture(path)]


def _is_capture(folder: Path) -> bool:
    try:
        return (folder / INDEX).is_file()
    except OSError:
        return False


def _size(folder: Path) -> int:
    try:
        return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    except OSError:
        return 0


def _describe(folder: Path) -> CaptureRow:
    try:
        index = read_index(folder)
        notes = read_annotations(folder)
        lacking = _lacking(folder, index)
        nbytes = _size(folder)
    except (CaptureError, OSError) as error:
        return CaptureRow(str(folder), folder.name, finished=False, problem=str(error), state=_word(folder, str(error)))
    return CaptureRow(
        path=str(folder),
        name=folder.name,
        model=str(index.model.get("name", "")),
        layers=tuple(str(row["site"]) for row in index.sites),
        tokens=index.rows,
        nbytes=nbytes,
        created=_local(index.created),
        finished=index.finished,
        problem=lacking,
        state="damaged" if lacking else "",
        tags=notes.tags,
        notes=notes.notes,
    )


def _lacking(folder: Path, index: CaptureIndex) -> str:
    """What is wrong with the files of a capture by their sizes alone: nothing is read; "" when nothing is."""
    listed = [(str(shard["file"]), shard) for shard in index.shards] + list(index.files.items())
    for name, entry in listed:
        path = folder / name
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return f"'{path}' is missing; the capture is incomplete."
        if size != entry["bytes"]:
            return f"'{path}' has {size:,} bytes and the index says {entry['bytes']:,}; it is cut short or damaged."
    return ""


def _word(folder: Path, problem: str) -> str:
    if not folder.exists():
        return "missing"
    if "newer version" in problem:
        return "newer version"
    return "not a capture" if "not a capture" in problem else "damaged"


def _local(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except (TypeError, ValueError):
        return str(created)
