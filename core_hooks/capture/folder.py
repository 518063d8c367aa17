"""Writing what a run captured to a folder with `capture.json` and a safetensors shard, and reading its sites."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.capture.durable import checksum, sync_folder
from core_hooks.capture.index import FORMAT, INDEX, VERSION, CaptureError, CaptureIndex, read_index, write_index
from core_hooks.capture.mapped_shard import MappedShard, widened
from core_hooks.capture.shard import write_shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = [
    "FORMAT",
    "INDEX",
    "VERSION",
    "CaptureError",
    "CaptureIndex",
    "CapturedPrompt",
    "CapturedSite",
    "read_index",
    "read_site",
    "write_capture",
]
_SHARD = "shard-00000.safetensors"
_LARGEST_WHOLE = 1 << 30


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
class CapturedPrompt:
    """One prompt of a batch, generated tokens included; `column` is where the first lies in the tensors."""

    text: str
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    column: int = 0


def write_capture(
    folder: Path,
    sites: Sequence[CapturedSite],
    *,
    model: dict[str, Any],
    prompt: str,
    tokens: Sequence[str],
    token_ids: Sequence[int],
    settings: dict[str, Any] | None = None,
    batch: Sequence[CapturedPrompt] = (),
) -> Path:
    """Write a capture so that `folder` exists only once it is whole.

    Parameters
    ----------
    folder
        Must not exist yet. The files are written to a sibling named ``.<folder>.part`` and renamed.
    sites
        At least one.
    batch
        The prompts of a batch, in place of `prompt`, `tokens` and `token_ids`.

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
                    "file": _SHARD,
                    "tensor": name,
                }
            )
        nbytes = write_shard(part / _SHARD, tensors, {"format": FORMAT})
        index = CaptureIndex(
            format=FORMAT,
            version=VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            finished=True,
            model=model,
            prompts=[row.text for row in batch] or [prompt],
            tokens=[text for row in batch for text in row.tokens] if batch else list(tokens),
            token_ids=[token for row in batch for token in row.token_ids] if batch else list(token_ids),
            batch=[{"tokens": len(row.tokens), "column": row.column} for row in batch],
            sites=rows,
            settings=settings or {},
            shards=[{"file": _SHARD, "bytes": nbytes, "crc32": checksum(part / _SHARD)}],
        )
        write_index(part, index)
        part.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        reason = error.strerror or str(error)
        raise CaptureError(f"The capture could not be written to '{folder}': {reason}.") from error
    return folder


def read_site(folder: Path, row: dict[str, Any]) -> np.ndarray:
    """Values of one site of a run's capture, read without torch; `row` is an entry of `CaptureIndex.sites`.

    The site of a corpus comes whole as ``[rows, channels]`` up to a gigabyte; `core_hooks.capture.reader` reads
    ranges of any.

    Raises
    ------
    CaptureError
        When the shard is missing or damaged, or holds another shape than the index says.
    """
    if "file" not in row:
        return _read_corpus_site(Path(folder), row)
    path = Path(folder) / row["file"]
    shard = MappedShard(path)
    found = list(shard.shape(row["tensor"]))
    if found != row["shape"]:
        raise CaptureError(f"'{path}' holds '{row['site']}' as {found}, the index says {row['shape']}; it is damaged.")
    values = shard.tensor(row["tensor"])
    values = widened(values) if shard.dtype(row["tensor"]) == "BF16" else values.copy()
    values.flags.writeable = False
    return values


def _read_corpus_site(folder: Path, row: dict[str, Any]) -> np.ndarray:
    from core_hooks.capture.reader import open_capture

    with open_capture(folder) as capture:
        site = capture.site(row["site"], row["stage"])
        if capture.rows * site.channels * 4 > _LARGEST_WHOLE:
            raise CaptureError(
                f"'{folder}' holds {capture.rows:,} tokens of '{site.site}', too many to show at once; choose a text."
            )
        values = capture.read(site, 0, capture.rows).copy()
    values.flags.writeable = False
    return values
