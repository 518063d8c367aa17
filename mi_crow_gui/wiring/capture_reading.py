"""Captures on disk as the window wants them: rows for the list, frames for the plots. Called on the pool."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core_hooks.capture.folder import CaptureError, CaptureIndex, read_index, read_site
from core_hooks.capture.reader import open_capture
from mi_crow_gui.itemmodels.captures_model import CaptureRow
from mi_crow_gui.plotdata.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence


def describe_captures(paths: Sequence[str]) -> list[CaptureRow]:
    """One row a folder; those that are damaged or gone say so in theirs."""
    return [_describe(Path(path)) for path in paths]


def read_frames(folder: Path) -> tuple[Path, CaptureIndex, list[Frame]]:
    """What the plots show of a capture: a run whole, of a corpus its first text; `CaptureError` if it can't be read.

    A corpus may be larger than the memory: only the rows of that text are read.
    """
    index = read_index(folder)
    return folder, index, _text_frames(folder) if index.kind == "corpus" else _run_frames(folder, index)


def _run_frames(folder: Path, index: CaptureIndex) -> list[Frame]:
    run = index.settings.get("run", 0)
    return [
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


def _text_frames(folder: Path) -> list[Frame]:
    frames = []
    with open_capture(folder) as capture:
        rows = capture.rows_of(0)
        tokens = tuple(capture.token_texts(rows.start, rows.stop))
        for number, site in enumerate(capture.sites):
            # A run of one text, as the plots know it: a batch of one, its tokens, their channels.
            values = capture.read(site, rows.start, rows.stop)[None]
            values.flags.writeable = False
            frames.append(
                Frame(
                    run=0,
                    step=0,
                    site=site.site,
                    hook_id=f"{number}",
                    stage=site.stage,
                    values=values,
                    shape=values.shape,
                    dtype=site.dtype,
                    tokens=tokens,
                )
            )
    return frames


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
        tokens=index.rows,
        nbytes=nbytes,
        created=_local(index.created),
        finished=index.finished,
    )


def _local(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except (TypeError, ValueError):
        return str(created)
