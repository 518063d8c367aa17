"""The folder of a capture job: what lies in it when the job begins, and whether it may go on with that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core_hooks.capture.corpus_writer import write_vocabulary
from core_hooks.capture.durable import TEMPORARY
from core_hooks.capture.folder_lock import LOCK
from core_hooks.capture.index import INDEX, VOCABULARY, CaptureError, CaptureIndex, read_index, write_index
from core_hooks.capture.shard_plan import Place
from core_hooks.capture.tokenizing import vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from core_hooks.model.opened import OpenedModel


def existing(folder: Path, resume: bool) -> CaptureIndex | None:
    """The index that lies in the folder, None where there is none yet."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise CaptureError(f"'{folder}' is a file; choose another folder for the capture.")
    if not (folder / INDEX).exists():
        if all(entry.name == LOCK or entry.name.endswith(TEMPORARY) for entry in folder.iterdir()):
            return None  # empty, or a job that was killed before it had begun
        raise CaptureError(f"'{folder}' exists already and is no capture; choose another folder.")
    if not resume:
        raise CaptureError(f"'{folder}' holds a capture already; resume it or choose another folder.")
    index = read_index(folder)
    if index.kind != "corpus":
        raise CaptureError(f"'{folder}' holds the capture of a run, not of a corpus; choose another folder.")
    return index


def begun(folder: Path, wanted: CaptureIndex, found: CaptureIndex | None, opened: OpenedModel) -> CaptureIndex:
    """The index to go on from: the one found, if it is of the same job, else `wanted`; written, with a vocabulary."""
    try:
        if found is not None:
            _check_same(found, wanted, folder)
            index = found
        else:
            index = wanted
            write_index(folder, index)
        if VOCABULARY not in index.files and opened.tokenizer is not None:
            entry = write_vocabulary(folder, vocabulary(opened))
            index = replace(index, files={**index.files, VOCABULARY: entry})
            write_index(folder, index)
    except OSError as error:
        raise CaptureError(f"'{folder}' can't be written: {error.strerror or error}.") from error
    return index


def clean(folder: Path) -> None:
    """Remove what a killed job had not finished."""
    for entry in folder.iterdir():
        if entry.name.endswith(TEMPORARY) and not entry.is_dir():
            entry.unlink(missing_ok=True)


def _check_same(found: CaptureIndex, wanted: CaptureIndex, folder: Path) -> None:
    """Raise a CaptureError that says what differs, unless both are of the same job."""

    def sites(index: CaptureIndex) -> list[Any]:
        return [{**row, "shape": row["shape"][1:]} for row in index.sites]

    def source(index: CaptureIndex) -> dict[str, Any]:
        return {key: value for key, value in index.source.items() if key != "path"}

    pairs = {
        "another model": (found.model.get("fingerprint"), wanted.model["fingerprint"]),
        "another corpus, or this one changed": (source(found), source(wanted)),
        "other layers or another dtype": (sites(found), sites(wanted)),
        "other settings": (found.settings, wanted.settings),
    }
    different = next((what for what, (one, other) in pairs.items() if one != other), None)
    if different is None and found.shards and Place.of_json(found.shards[-1].get("next")) is None:
        different = "a writer that did not say where it stopped"
    if different is not None:
        raise CaptureError(f"'{folder}' can't be resumed: it was begun with {different}; choose another folder.")
