"""A capture on disk: a folder with `capture.json` and safetensors shards that anyone can read."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.capture.shard import write_shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

FORMAT = "mi-crow-capture"
VERSION = 1
INDEX = "capture.json"
# An index describes tensors, it does not hold them: anything larger was not written by us.
_MAX_INDEX_BYTES = 64 * 1024 * 1024


class CaptureError(Exception):
    """One sentence: which capture, what is wrong with it, what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class CapturedSite:
    """The values of one site: ``[batch, tokens, channels]`` or whatever the site gives, and where they begin."""

    site: str
    values: np.ndarray
    dtype: str
    stage: str = "before"
    first_token: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class CaptureIndex:
    """What `capture.json` says.

    Attributes
    ----------
    model
        Name, architecture, dtype, ... of the model, as the writer knew it.
    prompts, tokens, token_ids
        The text that was run and its tokens, generated ones included.
    sites
        One mapping a site: ``site, stage, dtype, shape, first_token, dropped, file, tensor``.
    settings
        How it was run (seed, temperature, run number, controllers).
    """

    format: str
    version: int
    created: str
    finished: bool
    model: dict[str, Any]
    prompts: list[str]
    tokens: list[str]
    token_ids: list[int]
    sites: list[dict[str, Any]]
    settings: dict[str, Any]


def write_capture(
    folder: Path,
    sites: Sequence[CapturedSite],
    *,
    model: dict[str, Any],
    prompt: str,
    tokens: Sequence[str],
    token_ids: Sequence[int],
    settings: dict[str, Any] | None = None,
) -> Path:
    """Write a capture so that `folder` exists only once it is whole.

    Parameters
    ----------
    folder
        Must not exist yet. The files are written to a sibling named ``.<folder>.part`` and renamed.
    sites
        At least one.

    Raises
    ------
    CaptureError
        When `folder` exists, there is nothing to write, or the disk refuses.
    """
    folder = Path(folder)
    if not sites:
        raise CaptureError("There is nothing to save: attach a detector and run the model first.")
    if folder.exists():
        raise CaptureError(f"'{folder}' exists already; choose another name for the capture.")
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        tensors, rows = {}, []
        for number, captured in enumerate(sites):
            name = f"{number:04d}.{captured.site or 'model'}.{captured.stage}"
            tensors[name] = captured.values
            rows.append(
                {
                    "site": captured.site,
                    "stage": captured.stage,
                    "dtype": captured.dtype,
                    "stored_dtype": captured.values.dtype.name,
                    "shape": list(captured.values.shape),
                    "first_token": captured.first_token,
                    "dropped": captured.dropped,
                    "file": "shard-00000.safetensors",
                    "tensor": name,
                }
            )
        write_shard(part / "shard-00000.safetensors", tensors, {"format": FORMAT})
        index = CaptureIndex(
            format=FORMAT,
            version=VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            finished=True,
            model=model,
            prompts=[prompt],
            tokens=list(tokens),
            token_ids=list(token_ids),
            sites=rows,
            settings=settings or {},
        )
        _write_synced(part / INDEX, json.dumps(asdict(index), indent=2, ensure_ascii=False))
        part.rename(folder)
        _sync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        reason = error.strerror or str(error)
        raise CaptureError(f"The capture could not be written to '{folder}': {reason}.") from error
    return folder


def read_index(folder: Path) -> CaptureIndex:
    """Read and check `capture.json`; no tensor is touched.

    Raises
    ------
    CaptureError
        When the folder is not a capture, is from a newer version, or its index can't be what a writer wrote.
    """
    path = Path(folder) / INDEX
    try:
        if path.stat().st_size > _MAX_INDEX_BYTES:
            raise CaptureError(f"'{path}' is too large to be the index of a capture.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CaptureError(f"'{folder}' is not a capture: it has no {INDEX}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CaptureError(f"'{path}' can't be read as JSON; the capture is damaged.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CaptureError(f"'{folder}' is not a capture: its {INDEX} is of another format.")
    version = data.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise CaptureError(
            f"'{folder}' was written by a newer version (format {version!r}, this one reads {VERSION}); "
            "update the inspector."
        )
    try:
        index = CaptureIndex(**{name: data[name] for name in CaptureIndex.__slots__})
    except KeyError as error:
        raise CaptureError(f"'{path}' lacks {error}; the capture is damaged.") from error
    _check(index, Path(folder))
    return index


def _check(index: CaptureIndex, folder: Path) -> None:
    if not all(isinstance(part, list) for part in (index.prompts, index.tokens, index.token_ids, index.sites)):
        raise CaptureError(f"The index of '{folder}' has lists of another type; the capture is damaged.")
    for row in index.sites:
        if not isinstance(row, dict) or not {"site", "stage", "dtype", "shape", "file", "tensor"} <= row.keys():
            raise CaptureError(f"The index of '{folder}' describes a site without its file or shape; it is damaged.")
        name = row["file"]
        if not isinstance(name, str) or not name or Path(name).name != name or name in (".", ".."):
            raise CaptureError(f"The index of '{folder}' names the file {name!r}, which lies outside the capture.")
        shape = row["shape"]
        if not isinstance(shape, list) or not all(isinstance(size, int) and 0 <= size < 2**40 for size in shape):
            raise CaptureError(f"The index of '{folder}' gives '{row['site']}' the shape {shape!r}; it is damaged.")


def read_site(folder: Path, row: dict[str, Any]) -> np.ndarray:
    """Values of one site of a capture, read without torch; `row` is an entry of `CaptureIndex.sites`.

    Raises
    ------
    CaptureError
        When the shard is missing or damaged, or holds another shape than the index says.
    """
    # safetensors raises its own error type, and plain ones for values it never expected.
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / row["file"]
    try:
        with safe_open(str(path), framework="numpy") as shard:
            values: np.ndarray = shard.get_tensor(row["tensor"])
    except FileNotFoundError as error:
        raise CaptureError(f"'{path}' is missing; the capture is incomplete.") from error
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CaptureError(f"'{path}' is damaged: {error}.") from error
    if list(values.shape) != row["shape"]:
        raise CaptureError(
            f"'{path}' holds '{row['site']}' as {list(values.shape)}, the index says {row['shape']}; it is damaged."
        )
    values.flags.writeable = False
    return values


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename survive power loss, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
