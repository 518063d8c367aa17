"""Where the texts of a capture come from: txt, jsonl, csv, tsv, parquet, or a folder of text files."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.capture.corpus_formats import FORMATS, RecordReader
from core_hooks.capture.index import CaptureError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class CorpusText:
    """One text of a corpus.

    Attributes
    ----------
    record
        Its number in the source, from 0: the line of a text file, the row of a table, the place in a folder.
    label
        Value of the label column, ``""`` without one.
    """

    record: int
    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """What a corpus holds: `records`, empty ones included, and `nbytes` of text on disk."""

    records: int
    nbytes: int


class Corpus:
    """The texts of a file or folder, read one by one as often as wanted; nothing is held in memory.

    Parameters
    ----------
    path
        A ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet`` file, any other file as text with one text a line, or a
        folder, in which each ``.txt`` and ``.md`` file is one text.
    column
        The field or column with the texts; a table that has only one column is read by that.
    label
        A column to keep beside each text, ``""`` for none.
    encoding
        Of text files; a byte order mark overrules it.

    Raises
    ------
    CaptureError
        When there is nothing to read, or no such column, encoding or library.
    """

    def __init__(self, path: Path, *, column: str = "text", label: str = "", encoding: str = "utf-8") -> None:
        self.path = Path(path)
        try:
            "".encode(encoding)
        except LookupError as error:
            raise CaptureError(f"There is no encoding '{encoding}'; use utf-8, latin-1, cp1252, ...") from error
        if not self.path.exists():
            raise CaptureError(f"There is no corpus at '{self.path}'.")
        self.kind = "folder" if self.path.is_dir() else self.path.suffix.lower().lstrip(".")
        self.column, self.label, self.encoding = column, label, encoding
        if self.kind not in FORMATS:
            self.kind = "txt"
        if label and self.kind in ("txt", "folder"):
            raise CaptureError(f"'{self.path}' has no columns, so it has no labels '{label}'; leave them out.")
        self._reader: RecordReader = FORMATS[self.kind](self.path, column, label, encoding)

    def texts(self, first_record: int = 0) -> Iterator[CorpusText]:
        """Read from a record on, empty ones included.

        Raises
        ------
        CaptureError
            When a record can't be read; the text says which and what to do.
        """
        try:
            for record, (text, label) in enumerate(self._reader.records()):
                if record >= first_record:
                    # A lone surrogate, which JSON can spell, is no text for any tokenizer.
                    clean = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
                    yield CorpusText(record, clean, label)
        except OSError as error:
            raise CaptureError(f"'{self.path}' can't be read: {error.strerror or error}.") from error

    def measure(self, cancel: threading.Event | None = None) -> CorpusSize:
        """Read everything once: how much there is, and that all of it can be read.

        Raises
        ------
        CaptureError
            As `texts` does; better now than at night.
        """
        records = nbytes = 0
        for text in self.texts():
            records += 1
            nbytes += len(text.text)
            if cancel is not None and cancel.is_set():
                break
        return CorpusSize(records, nbytes)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this corpus from another: size and a checksum of both ends, of a folder those of its listing."""
        if self.path.is_dir():
            listing = "\n".join(f"{file.name} {file.stat().st_size}" for file in self._reader.files())
            return {"bytes": sum(f.stat().st_size for f in self._reader.files()), "crc32": _crc(listing.encode())}
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            ends = file.read(_PIECE)
            file.seek(max(0, size - _PIECE), os.SEEK_SET)
            ends += file.read(_PIECE)
        return {"bytes": size, "crc32": _crc(ends)}

    def as_json(self) -> dict[str, Any]:
        """What a capture says of its source: enough to find it and to notice another."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "column": self.column if self.kind not in ("txt", "folder") else "",
            "label": self.label,
            "encoding": self.encoding,
            **self.fingerprint(),
        }


def _crc(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"
