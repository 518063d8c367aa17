"""`capture.json`: what a capture says of itself, read without a tensor and checked before it is believed."""

from __future__ import annotations

import json
import math
import re
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from core_hooks.capture.durable import write_durably

FORMAT = "mi-crow-capture"
VERSION = 1
INDEX = "capture.json"
VOCABULARY = "vocabulary.safetensors"
STATISTICS = "statistics.safetensors"
# An index describes tensors, it does not hold them: anything larger was not written by us.
_MAX_INDEX_BYTES = 64 * 1024 * 1024
_MAX_ROWS = 2**40
# One plain file name: no separators, no drive letters, nothing hidden, no control characters.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}")
_CHECKSUM = b',\n "crc32": "%08x"\n}'  # the last line of an index, over the bytes before it
_ITEM_SIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


class CaptureError(Exception):
    """One sentence: which capture, what is wrong with it, what to do."""


@dataclass(frozen=True, slots=True)
class CaptureIndex:
    """What `capture.json` says.

    Attributes
    ----------
    model
        Name, architecture, dtype, ... of the model, as the writer knew it.
    prompts, tokens, token_ids
        The text that was run and its tokens, generated ones included; empty for a corpus, whose texts and tokens
        are in its shards.
    sites
        One mapping a site: ``site, stage, dtype, stored_dtype, shape, tensor``; that of a run also has
        ``first_token, dropped, file``.
    settings
        How it was run (seed, temperature, run number, controllers; of a corpus batch size, context, ...).
    kind
        ``"run"``: one prompt, or a batch of them. ``"corpus"``: many texts, a row a token.
    batch
        Of a run over several prompts one mapping each: ``tokens`` is how many of `tokens`, which has one prompt behind
        the other, are its, and ``column`` where the first of them lies along the token axis of the tensors
        ``[prompts, columns, channels]``; what lies before and behind is padding.
    source
        Where the texts of a corpus came from.
    shards
        One mapping a finished shard: ``file, bytes, crc32``, of a corpus also ``rows, first_row, texts, first_text``.
    files
        ``bytes`` and ``crc32`` of the other files by name: the vocabulary, the statistics.
    notes
        Sentences for the person about what is not as expected.
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
    kind: str = "run"
    batch: list[dict[str, Any]] = field(default_factory=list)
    source: dict[str, Any] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def prompt_rows(self, number: int) -> range:
        """Which of `tokens` are those of a prompt."""
        if not self.batch:
            return range(len(self.tokens))
        first = sum(row["tokens"] for row in self.batch[:number])
        return range(first, first + self.batch[number]["tokens"])

    @property
    def rows(self) -> int:
        """Tokens that the capture holds."""
        return sum(shard["rows"] for shard in self.shards) if self.kind == "corpus" else len(self.tokens)

    @property
    def texts(self) -> int:
        """Texts that the capture holds."""
        return sum(shard["texts"] for shard in self.shards) if self.kind == "corpus" else len(self.prompts)


_NEEDED = ("created", "finished", "model", "prompts", "tokens", "token_ids", "sites", "settings")
_TYPES: dict[str, type] = {
    "created": str,
    "finished": bool,
    "model": dict,
    "prompts": list,
    "tokens": list,
    "token_ids": list,
    "sites": list,
    "settings": dict,
    "kind": str,
    "batch": list,
    "source": dict,
    "shards": list,
    "files": dict,
    "notes": list,
}


def write_index(folder: Path, index: CaptureIndex) -> None:
    """Put `index` into `folder` in place of an earlier one; OSError leaves the earlier one as it was."""
    IndexFile(folder).write(index)


class IndexFile:
    """`capture.json` of a folder, written again and again while shards are added.

    A job of ten thousand shards writes its index as often: each shard is put into words once and kept.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX
        self._shards = bytearray()
        self._known: list[dict[str, Any]] = []

    def write(self, index: CaptureIndex) -> None:
        """Put `index` in place of an earlier one, in one step; OSError leaves the earlier one as it was."""
        known = len(self._known)
        if known > len(index.shards) or (known and index.shards[known - 1] is not self._known[-1]):
            self._shards, known = bytearray(), 0
        for shard in index.shards[known:]:
            self._shards += (b",\n  " if self._shards else b"  ") + _words(shard, None)
        self._known = index.shards
        rest = {name: value for name, value in _plain(index).items() if name != "shards"}
        head = _words(rest, 1).removesuffix(b"\n}") + b',\n "shards": [\n'
        body = b"".join((head, self._shards, b"\n ]"))
        write_durably(self._path, body + _CHECKSUM % zlib.crc32(body))


def _plain(index: CaptureIndex) -> dict[str, Any]:
    return {field.name: getattr(index, field.name) for field in fields(index)}


def _words(value: object, indent: int | None) -> bytes:
    # A lone surrogate, as broken prompts hold, has no UTF-8; JSON has an escape for it.
    return json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace")


def read_index(folder: Path) -> CaptureIndex:
    """Read and check `capture.json`; no tensor is touched.

    Raises
    ------
    CaptureError
        When the folder is not a capture, is from a newer version, or its index can't be what a writer wrote.
    """
    folder = Path(folder)
    path = folder / INDEX
    try:
        if path.stat().st_size > _MAX_INDEX_BYTES:
            raise CaptureError(f"'{path}' is too large to be the index of a capture.")
        raw = path.read_bytes()
        data = json.loads(raw.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CaptureError(f"'{folder}' is not a capture: it has no {INDEX}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CaptureError(f"'{path}' can't be read as JSON; the capture is damaged.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CaptureError(f"'{folder}' is not a capture: its {INDEX} is of another format.")
    version = data.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CaptureError(f"The index of '{folder}' has no version; the capture is damaged.")
    if version > VERSION:
        raise CaptureError(
            f"'{folder}' was written by a newer version (format {version!r}, this one reads {VERSION}); "
            "update the inspector."
        )
    missing = next((name for name in _NEEDED if name not in data), None)
    if missing is not None:
        raise CaptureError(f"'{path}' lacks '{missing}'; the capture is damaged.")
    known = {name: data[name] for name in CaptureIndex.__dataclass_fields__ if name in data}
    wrong = next((name for name, kind in _TYPES.items() if not isinstance(known.get(name, kind()), kind)), None)
    if wrong is not None:
        raise CaptureError(f"The index of '{folder}' has '{wrong}' of another type; the capture is damaged.")
    index = CaptureIndex(**known)
    _check(index, folder)
    # What a check above can name is named by it; whatever else was changed, by this.
    if "crc32" in data and not has_checksum(raw):
        raise CaptureError(
            f"'{path}' was changed since it was written, so what it says of the capture can't be trusted; copy the "
            "capture again, or, if you changed it yourself, remove its line with crc32."
        )
    return index


def has_checksum(raw: bytes) -> bool:
    """Whether the bytes of an index end with their own checksum, and it holds."""
    body, mark, end = raw.rpartition(_CHECKSUM[:12])
    return bool(mark) and mark + end == _CHECKSUM % zlib.crc32(body)


def itemsize(stored_dtype: str) -> int:
    """Bytes of one value as a corpus stores it."""
    return _ITEM_SIZES[stored_dtype]


def _check(index: CaptureIndex, folder: Path) -> None:
    if index.kind not in ("run", "corpus"):
        raise CaptureError(f"'{folder}' is a capture of the unknown kind {index.kind!r}; update the inspector.")
    _check_texts(index, folder)
    _check_batch(index, folder)
    for name, entry in index.files.items():
        _check_file(name, folder)
        _check_entry(entry, folder)
    for shard in index.shards:
        _check_entry(shard, folder)
        _check_file(shard.get("file"), folder)
    if index.kind == "corpus":
        _check_shards(index, folder)
    needed = {"site", "stage", "dtype", "shape", "tensor"} | ({"file"} if index.kind == "run" else {"stored_dtype"})
    seen: set[tuple[str, str]] = set()
    for row in index.sites:
        if not isinstance(row, dict) or not needed <= row.keys():
            raise CaptureError(f"The index of '{folder}' describes a site without its file or shape; it is damaged.")
        if not all(isinstance(row[name], str) for name in needed - {"shape"}):
            raise CaptureError(f"The index of '{folder}' describes a site with numbers for names; it is damaged.")
        if index.kind == "run":
            _check_file(row["file"], folder)
        _check_shape(row, folder)
        for name in ("first_token", "dropped"):
            if not _is_count(row.get(name, 0)):
                raise CaptureError(f"The index of '{folder}' gives '{row['site']}' the {name} {row[name]!r}; damaged.")
        if index.kind == "corpus":
            _check_corpus_site(row, index, folder)
            if (row["site"], row["stage"]) in seen:
                raise CaptureError(f"The index of '{folder}' describes '{row['site']}' twice; it is damaged.")
            seen.add((row["site"], row["stage"]))


def _check_texts(index: CaptureIndex, folder: Path) -> None:
    if not all(isinstance(text, str) for part in (index.prompts, index.tokens, index.notes) for text in part):
        raise CaptureError(f"The index of '{folder}' has tokens or prompts that are no text; it is damaged.")
    if not all(isinstance(token, int) and not isinstance(token, bool) for token in index.token_ids):
        raise CaptureError(f"The index of '{folder}' has token ids that are no numbers; it is damaged.")


def _check_batch(index: CaptureIndex, folder: Path) -> None:
    if not index.batch:
        return
    sane = all(
        isinstance(row, dict) and _is_count(row.get("tokens")) and _is_count(row.get("column")) for row in index.batch
    )
    if not sane or len(index.batch) != len(index.prompts) or sum(row["tokens"] for row in index.batch) != index.rows:
        raise CaptureError(f"The index of '{folder}' does not tell the prompts of its batch apart; it is damaged.")


def _check_entry(entry: object, folder: Path) -> None:
    if not isinstance(entry, dict) or not _is_count(entry.get("bytes")) or not isinstance(entry.get("crc32"), str):
        raise CaptureError(f"The index of '{folder}' lists a file without its size and checksum; it is damaged.")


def _check_file(name: object, folder: Path) -> None:
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        raise CaptureError(f"The index of '{folder}' names the file {name!r}, which lies outside the capture.")


def _check_shape(row: dict[str, Any], folder: Path) -> None:
    shape = row["shape"]
    sane = isinstance(shape, list) and len(shape) <= 32 and all(map(_is_count, shape))
    if not sane or math.prod(shape) >= 2**60:
        text = repr(shape)
        raise CaptureError(f"The index of '{folder}' gives '{row['site']}' the shape {text[:80]}; it is damaged.")


def _check_shards(index: CaptureIndex, folder: Path) -> None:
    row = text = 0
    for shard in index.shards:
        if not all(_is_count(shard.get(name)) for name in ("rows", "first_row", "texts", "first_text", "bytes")):
            raise CaptureError(f"The index of '{folder}' has a shard without its rows; the capture is damaged.")
        if (shard["first_row"], shard["first_text"]) != (row, text):
            raise CaptureError(f"The shards of '{folder}' leave gaps or overlap; the capture is damaged.")
        row, text = row + shard["rows"], text + shard["texts"]
    if len({shard["file"] for shard in index.shards}) != len(index.shards):
        raise CaptureError(f"The index of '{folder}' names one shard twice; the capture is damaged.")


def _check_corpus_site(row: dict[str, Any], index: CaptureIndex, folder: Path) -> None:
    if row["stored_dtype"] not in ("float32", "float16", "bfloat16"):
        raise CaptureError(
            f"The index of '{folder}' stores '{row['site']}' as {row['stored_dtype']!r}; the capture is damaged."
        )
    if len(row["shape"]) < 2 or row["shape"][0] != index.rows:
        raise CaptureError(
            f"The index of '{folder}' gives '{row['site']}' {row['shape'][:1]} rows and its shards hold {index.rows}; "
            "it is damaged."
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_ROWS
