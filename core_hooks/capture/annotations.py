"""Tags and notes of a capture: a small file beside its index that nothing else depends on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from core_hooks.capture.durable import write_durably
from core_hooks.capture.index import INDEX, CaptureError

ANNOTATIONS = "notes.json"
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a person wrote about a capture: tags to find it by, and notes."""

    tags: tuple[str, ...] = ()
    notes: str = ""


def read_annotations(folder: Path) -> Annotations:
    """Read the tags and notes of a capture; none where there are none, or where the file can't be understood."""
    path = Path(folder) / ANNOTATIONS
    try:
        if path.stat().st_size > _LONGEST:
            return Annotations()
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Annotations()
    if not isinstance(data, dict):
        return Annotations()
    tags, notes = data.get("tags", []), data.get("notes", "")
    kept = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return Annotations(clean_tags(kept), notes if isinstance(notes, str) else "")


def write_annotations(folder: Path, annotations: Annotations) -> None:
    """Keep tags and notes in the folder of a capture; neither its index nor its tensors are touched.

    Raises
    ------
    CaptureError
        The folder holds no capture, or the disk refuses; what was written before is then still there.
    """
    folder = Path(folder)
    if not (folder / INDEX).exists():
        raise CaptureError(f"'{folder}' is not a capture: there is nothing to write notes about.")
    data = {"tags": list(clean_tags(annotations.tags)), "notes": annotations.notes}
    text = json.dumps(data, ensure_ascii=False, indent=1)
    try:
        write_durably(folder / ANNOTATIONS, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise CaptureError(
            f"The notes can't be written to '{folder}' ({error.strerror or error}); check that it is writable."
        ) from error


def clean_tags(tags: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Tags without spaces around them, each once, none empty."""
    return tuple(dict.fromkeys(tag for tag in (" ".join(tag.split()) for tag in tags) if tag))
