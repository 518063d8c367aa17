"""What can be said before a capture job is set up, without a model: columns of its texts, and what its folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core_hooks.capture.corpus import Corpus
from core_hooks.capture.corpus_formats import FORMATS
from core_hooks.capture.durable import TEMPORARY
from core_hooks.capture.folder_lock import LOCK
from core_hooks.capture.index import INDEX, CaptureError, CaptureIndex, read_index
from core_hooks.capture.job_settings import STORED, JobSettings

# Columns that mostly hold the texts, the likeliest first.
_USUAL = ("text", "content", "document", "sentence", "body", "prompt", "question")


@dataclass(frozen=True, slots=True)
class TextsLook:
    """What a corpus offers.

    Attributes
    ----------
    columns
        Names of the fields or columns, in their order; empty for plain text and folders.
    column
        The one that most likely holds the texts, ``""`` without any.
    problem
        A sentence why it can't be read, ``""`` if its beginning can.
    """

    columns: tuple[str, ...] = ()
    column: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FolderLook:
    """What lies where a capture is to go.

    Attributes
    ----------
    state
        ``"free"``; ``"begun"``: an unfinished capture of a corpus; ``"taken"``: anything else.
    rows
        Tokens of the capture there.
    settings
        Those with which the job that was begun there goes on.
    problem
        A sentence why it can't be written to.
    """

    state: Literal["free", "begun", "taken"]
    rows: int = 0
    settings: JobSettings | None = None
    problem: str = ""


def look_at_texts(path: Path, encoding: str = "utf-8") -> TextsLook:
    """The columns of a corpus and whether its beginning can be read; never raises for what a file holds."""
    try:
        kind = path.suffix.lower().lstrip(".")
        columns = tuple(FORMATS[kind].columns(path, encoding)) if kind in FORMATS and path.is_file() else ()
        column = next((name for usual in _USUAL for name in columns if name.lower() == usual), "")
        column = column or (columns[0] if columns else "")
        next(Corpus(path, column=column or "text", encoding=encoding).texts(), None)
    except CaptureError as error:
        return TextsLook(problem=str(error))
    except (OSError, ValueError) as error:  # ValueError: a path that no system can have
        return TextsLook(problem=f"'{path}' can't be read: {getattr(error, 'strerror', None) or error}.")
    return TextsLook(columns, column)


def look_at_folder(folder: Path) -> FolderLook:
    """Whether a capture can be written to a folder, or what is there that would be gone on with."""
    try:
        if not folder.exists():
            return FolderLook("free")
        if not folder.is_dir():
            return FolderLook("taken", problem=f"'{folder}' is a file; choose another folder.")
        if not (folder / INDEX).exists():
            if all(entry.name == LOCK or entry.name.endswith(TEMPORARY) for entry in folder.iterdir()):
                return FolderLook("free")
            return FolderLook("taken", problem=f"'{folder}' holds other files; choose a new folder.")
        index = read_index(folder)
    except CaptureError as error:
        return FolderLook("taken", problem=str(error))
    except (OSError, ValueError) as error:
        return FolderLook("taken", problem=f"'{folder}' can't be read: {getattr(error, 'strerror', None) or error}.")
    settings = settings_of(index, folder)
    if settings is None:
        return FolderLook("taken", index.rows, problem=f"'{folder}' holds another capture; choose a new folder.")
    if index.finished:
        return FolderLook("taken", index.rows, problem=f"'{folder}' holds a finished capture; choose a new folder.")
    return FolderLook("begun", index.rows, settings)


def settings_of(index: CaptureIndex, folder: Path) -> JobSettings | None:
    """The settings of the job that wrote an index, None when no job of a corpus did."""
    path, batch, context = index.source.get("path"), index.settings.get("batch_tokens"), index.settings.get("context")
    if index.kind != "corpus" or not index.sites or not isinstance(path, str):
        return None
    if not all(isinstance(number, int) and number > 0 for number in (batch, context)):
        return None
    first = index.sites[0]
    column, label, encoding = (str(index.source.get(name) or "") for name in ("column", "label", "encoding"))
    return JobSettings(
        out=folder,
        texts=Path(path),
        sites=tuple(row["site"] for row in index.sites),
        dtype=first["stored_dtype"] if first["stored_dtype"] in STORED else "auto",
        batch_tokens=int(str(batch)),
        context=int(str(context)),
        column=column or "text",
        label=label,
        encoding=encoding or "utf-8",
        stage="before" if first["stage"] == "before" else "after",
    )


def new_folder(parent: Path, model: str, texts: Path) -> Path:
    """A folder for a capture that does not exist yet, named by model and corpus, numbered where that is needed."""
    words = f"{model}-{texts.stem or 'texts'}"
    plain = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in words).strip("-.") or "capture"
    number, folder = 2, parent / plain
    while folder.exists():
        folder, number = parent / f"{plain}-{number}", number + 1
    return folder
