"""What a probe is to tell apart: a label of every text or of every token, and the vectors that go with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from core_hooks.analysis.text_search import TextQuery, matching_tokens
from core_hooks.capture.corpus_formats import FORMATS
from core_hooks.capture.index import CaptureError
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from core_hooks.capture.reader import Capture, StoredSite

    Report = Callable[[int, int], None]

Pooling = Literal["mean", "last", "tokens"]
MOST_CLASSES = 50
_TABLES = ("csv", "tsv", "jsonl", "ndjson", "parquet")


@dataclass(frozen=True, slots=True, eq=False)
class ProbeData:
    """Vectors with their labels.

    Attributes
    ----------
    vectors
        float32 ``[examples, channels]``.
    labels
        int64 ``[examples]``, places in `classes`.
    texts
        int64 ``[examples]``, the text that each is of: what is held out together.
    classes
        Names of the labels, sorted.
    of_texts
        Whether an example is a text; else it is a token.
    left_out
        Examples that were there and not used: unlabelled, with NaN, or beyond what was allowed.
    """

    vectors: np.ndarray
    labels: np.ndarray
    texts: np.ndarray
    classes: tuple[str, ...]
    of_texts: bool
    left_out: int


def read_labels(path: Path, column: str, number_column: str = "") -> dict[int, str]:
    """Read labels from a csv, tsv, jsonl or parquet file.

    Parameters
    ----------
    column
        Which column or field holds the label.
    number_column
        Which holds the number of the text; without it row n is about record n of the corpus, from 0, which is the
        order of the file that was captured.

    Raises
    ------
    CaptureError
        The file can't be read, or lacks a column, or numbers are none.
    """
    path = Path(path)
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in _TABLES:
        raise CaptureError(f"Labels are read from {', '.join(_TABLES)} files, not from '{path.name}'.")
    if not path.is_file():
        raise CaptureError(f"There is no file '{path}'.")
    if suffix in ("jsonl", "ndjson"):
        records = _json_records(path, column, number_column)
    else:
        records = FORMATS[suffix](path, column, number_column, "utf-8").records()
    found: dict[int, str] = {}
    for place, (label, number) in enumerate(records):
        if number_column and not (number.isascii() and number.strip().isdigit()):
            raise CaptureError(
                f"Row {place} of '{path.name}' has '{number[:40]}' in '{number_column}', which is no text number."
            )
        found[int(number) if number_column else place] = label
    return found


def _json_records(path: Path, column: str, number_column: str) -> Iterator[tuple[str, str]]:
    """Label and text number of every line; labels may be numbers or true and false."""
    wanted = (column, number_column) if number_column else (column,)
    with path.open(encoding="utf-8") as file:
        try:
            for place, line in enumerate(file, 1):
                value = json.loads(line) if line.strip() else dict.fromkeys(wanted, "")
                if not isinstance(value, dict):
                    raise CaptureError(f"Line {place} of '{path.name}' is not a JSON object with a '{column}'.")
                for name in wanted:
                    if name not in value:
                        known = ", ".join(f"'{key[:40]}'" for key in list(value)[:8]) or "none"
                        raise CaptureError(f"Line {place} of '{path.name}' has no '{name}'; it has {known}.")
                label = value[column]
                yield "" if label is None else str(label), str(value[number_column]) if number_column else ""
        except (ValueError, RecursionError) as error:
            raise CaptureError(f"'{path.name}' is not one JSON object a line in UTF-8; repair it.") from error


def labels_of_texts(
    capture: Capture, by_number: Mapping[int, str] | None, *, by_record: bool = False
) -> dict[int, str]:
    """Label of each text that has one: those given, else those kept while capturing.

    Parameters
    ----------
    by_record
        The numbers given are of records of the corpus, which also counts those that gave no text.

    Raises
    ------
    CaptureError
        When no text has a label.
    """
    found: dict[int, str] = {}
    for number in range(capture.texts):
        if by_number is None:
            label = capture.label(number)
        else:
            label = by_number.get(capture.record(number) if by_record else number, "")
        if label.strip():
            found[number] = label.strip()
    if not found:
        raise CaptureError(
            "No text has a label: capture with a label column, or choose a csv or jsonl file that has one a text."
        )
    return found


def data_of_texts(
    capture: Capture,
    site: StoredSite | str,
    labels: Mapping[int, str],
    *,
    pooling: Pooling = "mean",
    first_tokens: bool = False,
    at_most: int = 50_000,
    seed: int = 0,
    on_progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> ProbeData:
    """Collect the vectors of labelled texts.

    Parameters
    ----------
    pooling
        What stands for a text: the ``"mean"`` of its tokens' vectors, its ``"last"`` token, or all of its ``"tokens"``.
    first_tokens
        Whether the first token of a text counts, whose vector is of another size in many models; the only one does.
    at_most
        Examples; whole texts are left out beyond it, by lot.

    Raises
    ------
    CaptureError
        The capture is damaged, or the labels are none that can be told apart.
    RunCancelled
        `cancel` was set.
    """
    found = capture.site(site) if isinstance(site, str) else site
    numbers = np.array(sorted(labels))
    np.random.default_rng(seed).shuffle(numbers)
    vectors, names, texts = [], [], []
    examples = 0
    for done, number in enumerate(numbers.tolist()):
        _look(on_progress, cancel, done, len(numbers))
        rows = capture.rows_of(number)
        start = rows.start if first_tokens or len(rows) < 2 else rows.start + 1
        start, stop = max(start, found.first_row), min(rows.stop, found.first_row + found.rows)
        if start >= stop:
            continue
        values = capture.read(found, stop - 1 if pooling == "last" else start, stop).astype(np.float32)
        if pooling == "mean":
            values = values.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
        if examples and examples + len(values) > at_most:
            break
        examples += len(values)
        vectors.append(values)
        names += [labels[number]] * len(values)
        texts += [number] * len(values)
    return _assembled(vectors, names, texts, found.channels, len(numbers) - len(vectors), pooling != "tokens")


def data_of_tokens(
    capture: Capture,
    site: StoredSite | str,
    query: TextQuery,
    *,
    first_tokens: bool = False,
    at_most: int = 50_000,
    seed: int = 0,
    on_progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> ProbeData:
    """Collect the vectors of tokens, labelled by whether `query` matches in them; by lot, in whole texts.

    Raises
    ------
    CaptureError
        As `data_of_texts`, or the query is no expression.
    RunCancelled
        `cancel` was set.
    """
    query.pattern()
    found = capture.site(site) if isinstance(site, str) else site
    numbers = np.arange(capture.texts)
    np.random.default_rng(seed).shuffle(numbers)
    vectors, names, texts = [], [], []
    examples = 0
    for done, number in enumerate(numbers.tolist()):
        _look(on_progress, cancel, done, min(len(numbers), at_most))
        rows = capture.rows_of(number)
        start, stop = rows.start + (0 if first_tokens else 1), rows.stop
        start, stop = max(start, found.first_row), min(stop, found.first_row + found.rows)
        if start >= stop:
            continue
        if examples and examples + stop - start > at_most:
            break
        examples += stop - start
        vectors.append(capture.read(found, start, stop).astype(np.float32))
        names += [("other", "match")[int(hit)] for hit in matching_tokens(capture, query, start, stop)]
        texts += [number] * (stop - start)
    return _assembled(vectors, names, texts, found.channels, len(numbers) - len(vectors), of_texts=False)


def _look(report: Report | None, cancel: threading.Event | None, done: int, total: int) -> None:
    if cancel is not None and cancel.is_set():
        raise RunCancelled("The probe was cancelled.")
    if report is not None and done % 64 == 0:
        report(done, total)


def _assembled(
    vectors: list[np.ndarray], names: list[str], texts: list[int], channels: int, left_out: int, of_texts: bool
) -> ProbeData:
    values = np.concatenate(vectors) if vectors else np.empty((0, channels), np.float32)
    usable: np.ndarray = np.asarray(np.isfinite(values).all(axis=1))
    classes = tuple(sorted({name for name, good in zip(names, usable.tolist(), strict=True) if good}))
    if len(classes) < 2:
        raise CaptureError(
            f"A probe tells labels apart, and there is {'one, ' + repr(classes[0]) if classes else 'none'}: "
            "choose labels of which there are two or more."
        )
    if len(classes) > MOST_CLASSES:
        raise CaptureError(
            f"The labels have {len(classes):,} different values; a probe tells up to {MOST_CLASSES} apart. "
            "Is it the right column?"
        )
    place = {name: number for number, name in enumerate(classes)}
    labels = np.array([place.get(name, -1) for name in names], np.int64)
    lost = left_out + int((~usable).sum())
    return ProbeData(values[usable], labels[usable], np.array(texts, np.int64)[usable], classes, of_texts, lost)
