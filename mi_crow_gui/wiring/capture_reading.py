"""Captures on disk as the window wants them: rows for the list, frames for the plots. Called on the pool."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core_hooks.capture.folder import CaptureError, CaptureIndex, read_index, read_site
from mi_crow_gui.itemmodels.captures_model import CaptureRow
from mi_crow_gui.plotdata.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence


def describe_captures(paths: Sequence[str]) -> list[CaptureRow]:
    """One row a folder; those that are damaged or gone say so in theirs."""
    return [_describe(Path(path)) for path in paths]


def read_frames(folder: Path) -> tuple[Path, CaptureIndex, list[Frame]]:
    """Everything a capture holds, as frames that any plot can show; `CaptureError` when it can't be read."""
    index = read_index(folder)
    run = index.settings.get("run", 0)
    frames = [
        Frame(
            run=run if isinstance(run, int) else 0,
            step=max(0, len(index.tokens) - 1),
            site=row["site"],
            hook_id=row["tensor"],
            stage=row["stage"],
            values=read_site(folder, row),
            shape=tuple(row["shape"]),
            dtype=row["dtype"],
            first_token=int(row.get("first_token", 0)),
            tokens=tuple(index.tokens),
            dropped=int(row.get("dropped", 0)),
        )
        for row in index.sites
    ]
    return folder, index, frames


def _describe(folder: Path) -> CaptureRow:
    try:
        index = read_index(folder)
        nbytes = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    except (CaptureError, OSError) as error:
        return CaptureRow(str(folder), folder.name, finished=False, problem=str(error))
    return CaptureRow(
        path=str(folder),
        name=folder.name,
        model=str(index.model.get("name", "")),
        layers=tuple(str(row["site"]) for row in index.sites),
        tokens=len(index.tokens),
        nbytes=nbytes,
        created=_local(index.created),
        finished=index.finished,
    )


def _local(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except (TypeError, ValueError):
        return str(created)
