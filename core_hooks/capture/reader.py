"""Reading a capture without the model: its sites, texts and tokens, and any range of rows, from the mapped files."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.channel_statistics import ChannelAccumulator, ChannelStatistics
from core_hooks.capture.index import STATISTICS, VOCABULARY, CaptureError, CaptureIndex, read_index
from core_hooks.capture.mapped_shard import MappedShard, widened
from core_hooks.capture.packed_strings import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_ROWS = 1 << 14
_KINDS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


@dataclass(frozen=True, slots=True)
class StoredSite:
    """One site of a capture.

    Attributes
    ----------
    dtype, stored_dtype
        What the model gave and what the files hold.
    row_shape
        Shape of one token's values, mostly ``(channels,)``.
    first_row, rows
        Which rows of the capture it has; all of them in a corpus.
    """

    site: str
    stage: str
    dtype: str
    stored_dtype: str
    row_shape: tuple[int, ...]
    tensor: str
    first_row: int
    rows: int
    file: str = ""

    @property
    def channels(self) -> int:
        """Values of one row."""
        return int(np.prod(self.row_shape, dtype=np.int64))


class Capture:
    """An open capture, of a corpus or of one run; a row is a token. A context manager.

    Opening reads the index alone. Files are mapped when something in them is asked for.

    Attributes
    ----------
    folder, index
        Where it lies and what it says of itself.
    sites
        Those that have a row for each token; in the capture of a run others can be read with
        `core_hooks.capture.folder.read_site`.
    rows, texts
        How many tokens and texts there are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.index: CaptureIndex = read_index(self.folder)
        self.rows = self.index.rows
        self.texts = self.index.texts
        self.sites = tuple(_sites(self.index))
        self._first_rows = [shard["first_row"] for shard in self.index.shards if "first_row" in shard]
        self._first_texts = [shard["first_text"] for shard in self.index.shards if "first_text" in shard]
        self._files: dict[str, MappedShard] = {}
        self._views: dict[tuple[str, str], np.ndarray] = {}
        self._column: tuple[tuple[StoredSite, int], np.ndarray] | None = None

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; arrays that were read from them stay valid."""
        self._views.clear()
        self._files.clear()
        self._column = None

    def site(self, name: str, stage: str = "") -> StoredSite:
        """The site of a module; CaptureError lists those that there are."""
        found = next((s for s in self.sites if s.site == name and stage in ("", s.stage)), None)
        if found is None:
            known = ", ".join(f"'{site.site}'" for site in self.sites[:8])
            raise CaptureError(f"'{self.folder}' has no site '{name}'; it has {known or 'none'}.")
        return found

    def read(self, site: StoredSite | str, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop` of a site, read-only.

        Returns
        -------
        numpy.ndarray
            [rows, channels] in the stored dtype, a view of the file if they lie in one shard; bfloat16 as float32,
            which is exact.

        Raises
        ------
        CaptureError
            There are no such rows, or the file is missing or damaged.
        """
        found = self.site(site) if isinstance(site, str) else site
        if not found.first_row <= start <= stop <= found.first_row + found.rows:
            raise CaptureError(
                f"'{found.site}' has rows {found.first_row} to {found.first_row + found.rows}, not {start} to {stop}."
            )
        if self.index.kind == "run":
            values = self._run_values(found)[start - found.first_row : stop - found.first_row]
        else:
            parts = [self._values(found, shard)[a:b] for shard, a, b in self._spans(start, stop)]
            if not parts:
                parts = [np.empty((0, found.channels), np.dtype(_plain(found.stored_dtype)))]
            values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if found.stored_dtype == "bfloat16":
            values = widened(values)
        values.flags.writeable = False
        return values

    def pieces(self, site: StoredSite | str, rows: int = _PIECE_ROWS) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the whole site in pieces, each with the number of its first row."""
        found = self.site(site) if isinstance(site, str) else site
        for start in range(found.first_row, found.first_row + found.rows, rows):
            yield start, self.read(found, start, min(start + rows, found.first_row + found.rows))

    def column(self, site: StoredSite | str, channel: int) -> np.ndarray:
        """One channel over all rows, float32 [rows], read-only; CaptureError for a channel that is not there.

        The last one is kept: who looks at a channel asks for it several times, and reading it touches every page.
        """
        found = self.site(site) if isinstance(site, str) else site
        if not 0 <= channel < found.channels:
            raise CaptureError(f"'{found.site}' has channels 0 to {found.channels - 1}, not {channel}.")
        kept = self._column
        if kept is not None and kept[0] == (found, channel):
            return kept[1]
        values = self._read_column(found, channel)
        values.flags.writeable = False
        self._column = ((found, channel), values)
        return values

    def _read_column(self, found: StoredSite, channel: int) -> np.ndarray:
        values = np.empty(found.rows, np.float32)
        if self.index.kind == "run":
            values[:] = self._run_values(found)[:, channel]
            return values
        for number, shard in enumerate(self.index.shards):
            raw = self._values(found, number)[:, channel]
            part = values[shard["first_row"] : shard["first_row"] + shard["rows"]]
            part[:] = widened(np.ascontiguousarray(raw)) if found.stored_dtype == "bfloat16" else raw
        return values

    def statistics(self, site: StoredSite | str) -> ChannelStatistics:
        """Statistics of every channel: those kept while capturing, or, of a run, worked out now."""
        found = self.site(site) if isinstance(site, str) else site
        if self.index.kind == "run":
            accumulator = ChannelAccumulator(found.channels)
            for start, values in self.pieces(found):
                accumulator.add(values.astype(np.float32), np.arange(start, start + len(values)))
            return accumulator.result()
        if STATISTICS in self.index.files:
            file = self._file(STATISTICS)
            return ChannelStatistics.of_tensors(found.tensor, file.tensor)
        parts = [
            ChannelStatistics.of_tensors(f"statistics.{found.tensor}", self._file(shard["file"]).tensor)
            for shard in self.index.shards
        ]
        return ChannelStatistics.merged([ChannelStatistics.of_nothing(found.channels), *parts])

    def token_ids(self, start: int, stop: int) -> np.ndarray:
        """Token ids of rows, int32."""
        return self._table("rows.token_id", self.index.token_ids, start, stop)

    def positions(self, start: int, stop: int) -> np.ndarray:
        """Positions of rows in their texts, int32."""
        of_run = [place for rows in self._prompts() for place in range(len(rows))]
        return self._table("rows.position", of_run, start, stop)

    def text_numbers(self, start: int, stop: int) -> np.ndarray:
        """Number of the text of each row, int32."""
        prompts = self._prompts()
        of_run = np.repeat(np.arange(len(prompts)), [len(rows) for rows in prompts])
        return self._table("rows.text", of_run, start, stop)

    def token_texts(self, start: int, stop: int) -> list[str]:
        """The text of each row's token."""
        if self.index.kind == "run":
            self._check_rows(start, stop)
            return self.index.tokens[start:stop]
        return [self.token_text(int(token_id)) for token_id in self.token_ids(start, stop)]

    def token_text(self, token_id: int) -> str:
        """The text of a token id; the id itself where the model had no tokenizer."""
        if VOCABULARY not in self.index.files:
            return str(token_id)
        data, offsets = self._tensor(VOCABULARY, "vocabulary.utf8"), self._tensor(VOCABULARY, "vocabulary.offsets")
        return unpack(data, offsets, token_id) if 0 <= token_id < len(offsets) - 1 else str(token_id)

    def text(self, number: int) -> str:
        """A text as it stood in the corpus, or the prompt of a run."""
        if self.index.kind == "run":
            self._check_text(number)
            return self.index.prompts[number]
        return self._string("texts.utf8", "texts.offsets", number)

    def label(self, number: int) -> str:
        """Label of a text, ``""`` where none was kept."""
        self._check_text(number)
        if self.index.kind == "run" or not self.index.source.get("label"):
            return ""
        shard = self._file(self.index.shards[self._shard_of_text(number)]["file"])
        return self._string("texts.label_utf8", "texts.label_offsets", number) if "texts.label_utf8" in shard else ""

    def record(self, number: int) -> int:
        """Number of a text in its source, from 0."""
        self._check_text(number)
        if self.index.kind == "run":
            return number
        at = self._shard_of_text(number)
        records = self._tensor(self.index.shards[at]["file"], "texts.record")
        return int(records[number - self._first_texts[at]])

    def rows_of(self, number: int) -> range:
        """Rows of a text."""
        self._check_text(number)
        if self.index.kind == "run":
            return self.index.prompt_rows(number)
        at = self._shard_of_text(number)
        start = stop = None
        for shard in range(at, len(self.index.shards)):
            texts = self._tensor(self.index.shards[shard]["file"], "rows.text")
            low, high = np.searchsorted(texts, [number, number + 1]).tolist()
            if start is None:
                start = self._first_rows[shard] + low
            stop = self._first_rows[shard] + high
            if high < len(texts):
                break
        assert start is not None
        assert stop is not None
        return range(start, stop)

    def row_at(self, row: int) -> tuple[int, int]:
        """Text number and position of a row."""
        return int(self.text_numbers(row, row + 1)[0]), int(self.positions(row, row + 1)[0])

    def _prompts(self) -> list[range]:
        """Rows of each prompt of a run."""
        return [self.index.prompt_rows(number) for number in range(self.texts)] if self.index.kind == "run" else []

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Shards that hold rows `start` to `stop`, and which of their rows."""
        at = max(0, bisect_right(self._first_rows, start) - 1)
        while at < len(self._first_rows) and self._first_rows[at] < stop:
            first = self._first_rows[at]
            low, high = max(start - first, 0), min(stop - first, self.index.shards[at]["rows"])
            if high > low:
                yield at, low, high
            at += 1

    def _values(self, site: StoredSite, number: int) -> np.ndarray:
        """The rows of a site in a shard, [rows, channels], bfloat16 as bits."""
        shard = self.index.shards[number]
        view = self._views.get((shard["file"], site.tensor))
        if view is None:
            file = self._file(shard["file"])
            expected = (shard["rows"], *site.row_shape)
            if file.shape(site.tensor) != expected or file.dtype(site.tensor) != _KINDS[site.stored_dtype]:
                raise CaptureError(
                    f"'{file.path}' holds '{site.site}' as {file.dtype(site.tensor)} {list(file.shape(site.tensor))}, "
                    f"the index says {site.stored_dtype} {list(expected)}; it is damaged."
                )
            view = file.tensor(site.tensor).reshape(shard["rows"], site.channels)
            self._views[shard["file"], site.tensor] = view
        return view

    def _run_values(self, site: StoredSite) -> np.ndarray:
        view = self._tensor(site.file, site.tensor)
        batch = self.index.batch
        expected = (1, site.rows, *site.row_shape)
        if batch:
            expected = (len(batch), max(row["column"] + row["tokens"] for row in batch), *site.row_shape)
        if view.shape != expected:
            raise CaptureError(f"'{self.folder}' holds '{site.site}' as {list(view.shape)}, not {list(expected)}.")
        if batch:
            # Prompt behind prompt, without what was padding.
            spans = ((row["column"], row["column"] + row["tokens"]) for row in batch)
            view = np.concatenate([values[start:stop] for values, (start, stop) in zip(view, spans, strict=True)])
        return view.reshape(site.rows, site.channels)

    def _table(self, name: str, of_run: Any, start: int, stop: int) -> np.ndarray:
        self._check_rows(start, stop)
        if self.index.kind == "run":
            return np.asarray(of_run[start:stop], np.int32)
        parts = []
        for shard, low, high in self._spans(start, stop):
            entry = self.index.shards[shard]
            table = self._tensor(entry["file"], name)
            if table.shape != (entry["rows"],):
                raise CaptureError(f"'{entry['file']}' of '{self.folder}' has {name} of another length; it is damaged.")
            parts.append(table[low:high])
        if not parts:
            return np.empty(0, np.int32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _string(self, data: str, offsets: str, number: int) -> str:
        self._check_text(number)
        at = self._shard_of_text(number)
        shard = self.index.shards[at]
        places = self._tensor(shard["file"], offsets)
        if len(places) != shard["texts"] + 1:
            raise CaptureError(f"'{shard['file']}' of '{self.folder}' has another number of texts; it is damaged.")
        return unpack(self._tensor(shard["file"], data), places, number - shard["first_text"])

    def _shard_of_text(self, number: int) -> int:
        return bisect_right(self._first_texts, number) - 1

    def _tensor(self, file: str, name: str) -> np.ndarray:
        view = self._views.get((file, name))
        if view is None:
            view = self._views[file, name] = self._file(file).tensor(name)
        return view

    def _file(self, name: str) -> MappedShard:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = MappedShard(self.folder / name)
        return file

    def _check_rows(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.rows:
            raise CaptureError(f"'{self.folder}' has rows 0 to {self.rows}, not {start} to {stop}.")

    def _check_text(self, number: int) -> None:
        if not 0 <= number < self.texts:
            raise CaptureError(f"'{self.folder}' has texts 0 to {self.texts - 1}, not {number}.")


def open_capture(folder: Path) -> Capture:
    """Open a capture; CaptureError in one sentence when it can't be."""
    return Capture(folder)


def _sites(index: CaptureIndex) -> Iterator[StoredSite]:
    for row in index.sites:
        shape = tuple(row["shape"])
        stored = row.get("stored_dtype", row["dtype"])
        if index.kind == "corpus":
            yield StoredSite(row["site"], row["stage"], row["dtype"], stored, shape[1:], row["tensor"], 0, index.rows)
        elif index.batch:
            # Where some token has no values, as the last of a generation, rows can't be told by tokens.
            columns = max(entry["column"] + entry["tokens"] for entry in index.batch)
            if len(shape) >= 3 and shape[:2] == (len(index.batch), columns) and not row.get("first_token", 0):
                yield StoredSite(
                    row["site"],
                    row["stage"],
                    row["dtype"],
                    stored,
                    shape[2:],
                    row["tensor"],
                    0,
                    index.rows,
                    row["file"],
                )
        elif len(shape) >= 3 and shape[0] == 1:
            first = int(row.get("first_token", 0))
            if first + shape[1] <= len(index.tokens):
                yield StoredSite(
                    row["site"], row["stage"], row["dtype"], stored, shape[2:], row["tensor"], first, shape[1],
                    row["file"],
                )  # fmt: skip


def _plain(stored_dtype: str) -> str:
    return "uint16" if stored_dtype == "bfloat16" else stored_dtype
