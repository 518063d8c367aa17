"""The file formats of a corpus, one reader each: every record as its text and its label."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Protocol

from core_hooks.capture.index import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# A line longer than this is no line of text; holding it several times over would fill the memory.
LONGEST = 64 * 1024 * 1024
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_FOLDER_SUFFIXES = (".txt", ".md")


class RecordReader(Protocol):
    """Reads the records of one format."""

    def __init__(self, path: Path, column: str, label: str, encoding: str) -> None: ...

    @classmethod
    def columns(cls, path: Path, encoding: str) -> list[str]:
        """Names of the fields or columns that a file has, read from its beginning; none where it has no such things."""
        ...

    def records(self) -> Iterator[tuple[str, str]]:
        """Text and label of every record, in order; `CaptureError` names one that can't be read."""
        ...

    def files(self) -> list[Path]:
        """The files that are read, in order."""
        ...


class _Lines:
    """The lines of a text file, decoded one by one so that a wrong byte is known by its line."""

    def __init__(self, path: Path, column: str, label: str, encoding: str) -> None:
        self.path, self.column, self.label = path, column, label
        with path.open("rb") as file:
            start = file.read(4)
        mark, self.encoding = next(((m, e) for m, e in _MARKS if start.startswith(m)), (b"", encoding))
        self._skip = len(mark) if self.encoding == "utf-8" else 0

    @classmethod
    def columns(cls, path: Path, encoding: str) -> list[str]:
        """None: a line is a text."""
        return []

    def files(self) -> list[Path]:
        """The one file."""
        return [self.path]

    def records(self) -> Iterator[tuple[str, str]]:
        """One text a line."""
        for line in self.lines():
            yield line, ""

    def lines(self) -> Iterator[str]:
        """Every line without its end."""
        if self.encoding.lower().replace("_", "-") in ("utf-16", "utf-32", "utf-16-le", "utf-16-be"):
            yield from self._wide_lines()
            return
        with self.path.open("rb") as file:
            file.seek(self._skip)
            number = 0
            while line := file.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise CaptureError(f"Line {number} of '{self.path}' is longer than 64 MiB; is it a text file?")
                try:
                    yield line.decode(self.encoding).rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise _wrong_encoding(self.path, number, self.encoding, error) from error

    def _wide_lines(self) -> Iterator[str]:
        # Its line ends are several bytes, so only the decoded text can be cut.
        with self.path.open(encoding=self.encoding, newline=None) as file:
            number = 0
            while True:
                number += 1
                try:
                    line = file.readline(LONGEST)
                except UnicodeError as error:
                    raise _wrong_encoding(self.path, number, self.encoding, error) from error
                if not line:
                    return
                yield line.rstrip("\n")


class _JsonLines(_Lines):
    """An object with a text field, or a plain string, a line."""

    @classmethod
    def columns(cls, path: Path, encoding: str) -> list[str]:
        """The fields of the first object."""
        first = next((line for line in _Lines(path, "", "", encoding).lines() if line.strip()), "{}")
        try:
            value = json.loads(first)
        except (ValueError, RecursionError) as error:
            raise CaptureError(f"The first line of '{path}' is not JSON; repair or remove it.") from error
        return list(value) if isinstance(value, dict) else []

    def records(self) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(self.lines(), 1):
            if not line.strip():
                yield "", ""
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise CaptureError(f"Line {number} of '{self.path}' is not JSON; repair or remove it.") from error
            if isinstance(value, str) and not self.label:
                yield value, ""
                continue
            if not isinstance(value, dict):
                raise CaptureError(f"Line {number} of '{self.path}' is not a JSON object with a '{self.column}'.")
            where = f"Line {number} of '{self.path}'"
            text = _field(value, self.column, where)
            if not isinstance(text, str):
                raise CaptureError(f"{where} has a '{self.column}' that is no text but a {type(text).__name__}.")
            yield text, str(_field(value, self.label, where)) if self.label else ""


class _Table(_Lines):
    """Rows under a header, the text in a column."""

    separator = ","

    @classmethod
    def columns(cls, path: Path, encoding: str) -> list[str]:
        """The names in the header."""
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        lines = (line + "\n" for line in _Lines(path, "", "", encoding).lines())
        try:
            return [name.strip() for name in next(csv.reader(lines, delimiter=cls.separator), [])]
        except csv.Error as error:
            raise CaptureError(f"The first line of '{path}' is no header ({error}); repair it.") from error

    def records(self) -> Iterator[tuple[str, str]]:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        rows = csv.reader((line + "\n" for line in self.lines()), delimiter=self.separator)
        try:
            header = [name.strip() for name in next(rows, [])]
            text = column_number(header, self.column, self.path)
            label = column_number(header, self.label, self.path) if self.label else -1
            for row in rows:
                if not row:
                    yield "", ""
                    continue
                if max(text, label) >= len(row):
                    raise CaptureError(
                        f"Line {rows.line_num} of '{self.path}' has {len(row)} columns and the header {len(header)}; "
                        "repair it."
                    )
                yield row[text], row[label] if label >= 0 else ""
        except csv.Error as error:
            raise CaptureError(
                f"Line {rows.line_num} of '{self.path}' is no table row ({error}); repair it."
            ) from error


class _TabTable(_Table):
    separator = "\t"


class _Parquet:
    """A column of a parquet file, read in batches of rows; needs pyarrow."""

    def __init__(self, path: Path, column: str, label: str, encoding: str) -> None:
        self.path = path
        self._file = _opened(path)
        names = list(self._file.schema_arrow.names)
        self._columns = [names[column_number(names, column, path)]]
        if label:
            self._columns.append(names[column_number(names, label, path)])

    @classmethod
    def columns(cls, path: Path, encoding: str) -> list[str]:
        """Those that hold text; all of them where none does."""
        schema = _opened(path).schema_arrow
        texts = [field.name for field in schema if str(field.type) in ("string", "large_string", "string_view")]
        return texts or list(schema.names)

    def files(self) -> list[Path]:
        """The one file."""
        return [self.path]

    def records(self) -> Iterator[tuple[str, str]]:
        """One text a row; a missing value is an empty text."""
        try:
            for batch in self._file.iter_batches(batch_size=1024, columns=self._columns):
                texts = batch.column(0).to_pylist()
                labels = batch.column(1).to_pylist() if len(self._columns) > 1 else [""] * len(texts)
                for text, label in zip(texts, labels, strict=True):
                    if text is not None and not isinstance(text, str):
                        raise CaptureError(
                            f"Column '{self._columns[0]}' of '{self.path}' holds no text but {type(text).__name__}; "
                            "choose another."
                        )
                    yield text or "", "" if label is None else str(label)
        except (OSError, ValueError) as error:
            raise CaptureError(f"'{self.path}' is not a whole parquet file.") from error


def _opened(path: Path) -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise CaptureError(
            f"Reading '{path}' needs pyarrow; install it with `pip install pyarrow`, or convert the file to jsonl."
        ) from error
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these types
        raise CaptureError(f"'{path}' is not a whole parquet file.") from error


class _Folder:
    """Each text file of a folder, and of those in it, as one text, by name."""

    @classmethod
    def columns(cls, path: Path, encoding: str) -> list[str]:
        """None: a file is a text."""
        return []

    def __init__(self, path: Path, column: str, label: str, encoding: str) -> None:
        self.path, self._encoding = path, encoding
        if not self.files():
            raise CaptureError(f"There is no .txt or .md file in '{path}'.")

    def files(self) -> list[Path]:
        """The files in the order of their names; hidden ones are left out."""
        found = (file for file in self.path.rglob("*") if file.suffix.lower() in _FOLDER_SUFFIXES and file.is_file())
        return sorted(f for f in found if not any(p.startswith(".") for p in f.relative_to(self.path).parts))

    def records(self) -> Iterator[tuple[str, str]]:
        """One text a file."""
        for file in self.files():
            if file.stat().st_size > LONGEST:
                raise CaptureError(f"'{file}' is longer than 64 MiB, too long for one text; split it.")
            yield "\n".join(_Lines(file, "", "", self._encoding).lines()), ""


def column_number(names: Sequence[str], wanted: str, path: Path) -> int:
    """Place of a column; the only one of a table with one column. `CaptureError` lists those that there are."""
    if wanted in names:
        return names.index(wanted)
    if len(names) == 1:
        return 0
    raise CaptureError(f"'{path}' has no column '{wanted}'; it has {_listed(names)}.")


def _field(value: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in value:
        raise CaptureError(f"{where} has no '{name}'; it has {_listed(list(value))}.")
    return value[name]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:40]}'" for name in names[:8])
    return f"{shown}, ..." if len(names) > 8 else shown or "none"


def _wrong_encoding(path: Path, line: int, encoding: str, error: UnicodeError) -> CaptureError:
    byte = f" (byte 0x{error.object[error.start]:02x})" if isinstance(error, UnicodeDecodeError) else ""
    return CaptureError(f"Line {line} of '{path}' is not {encoding}{byte}; name its encoding, such as latin-1.")


FORMATS: dict[str, type[RecordReader]] = {
    "txt": _Lines,
    "jsonl": _JsonLines,
    "ndjson": _JsonLines,
    "csv": _Table,
    "tsv": _TabTable,
    "parquet": _Parquet,
    "folder": _Folder,
}
