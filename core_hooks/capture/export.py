"""A capture, or some sites of it, in one file for other programs; written piece by piece, whatever its size."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.capture.durable import TEMPORARY, sync_folder
from core_hooks.capture.index import CaptureError
from core_hooks.capture.shard import ShardWriter, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from core_hooks.capture.reader import Capture, StoredSite

    Report = Callable[[int, int], None]

FORMATS = ("safetensors", "npz", "csv", "parquet")
_ROWS = 4096


def export_capture(
    capture: Capture,
    path: Path,
    format: str,
    *,
    sites: Sequence[str] = (),
    rows: tuple[int, int] | None = None,
    replace: bool = False,
    on_progress: Report | None = None,
) -> Path:
    """Write rows of `sites` (none named: all) with text number, position, token id and token text.

    Parameters
    ----------
    path
        Must not exist yet, unless `replace` is set; the new file is there only once it is whole.
    format
        ``"safetensors"`` and ``"npz"``: a tensor [rows, channels] a site and ``text``, ``position``, ``token_id``;
        npz and the tables hold bfloat16 as float32. ``"csv"``: a row a token, a column a channel, named
        ``<site>.<channel>``. ``"parquet"``: a row a token, a column of lists a site; needs pyarrow.
    rows
        From and to, without the last; all of them by default.
    on_progress
        Called with the rows done and their number; what it raises ends the export, and nothing of it is left.

    Raises
    ------
    CaptureError
        There is no such format, site or row, `path` exists, the capture is damaged, or the disk refuses.
    """
    path = Path(path)
    if format not in FORMATS:
        raise CaptureError(f"Captures are exported as {', '.join(FORMATS)}, not as '{format}'.")
    if path.exists() and not replace:
        raise CaptureError(f"'{path}' exists already; choose another name for the export.")
    chosen = [capture.site(name) for name in sites] if sites else list(capture.sites)
    if not chosen:
        raise CaptureError(f"'{capture.folder}' has no site with a row for each token; there is nothing to export.")
    start, stop = rows if rows is not None else (0, capture.rows)
    if not 0 <= start <= stop <= capture.rows:
        raise CaptureError(f"'{capture.folder}' has rows 0 to {capture.rows}, not {start} to {stop}.")
    span = range(start, stop)
    report = on_progress or (lambda done, total: None)
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        temporary.unlink(missing_ok=True)
        if format == "safetensors":
            _write_safetensors(capture, path, chosen, span, report)
        else:
            write = {"npz": _write_npz, "csv": _write_csv, "parquet": _write_parquet}[format]
            write(capture, temporary, chosen, span, report)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise CaptureError(f"'{path}' can't be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write_safetensors(capture: Capture, path: Path, sites: Sequence[StoredSite], span: range, report: Report) -> None:
    names = _names(sites)
    specs = [TensorSpec(name, "int32", (len(span),)) for name in ("text", "position", "token_id")]
    specs += [TensorSpec(names[s], s.stored_dtype, (len(_rows_of(s, span)), *s.row_shape)) for s in sites]
    writer = ShardWriter(path, specs)
    try:
        writer.write("text", np.ascontiguousarray(capture.text_numbers(span.start, span.stop)))
        writer.write("position", np.ascontiguousarray(capture.positions(span.start, span.stop)))
        writer.write("token_id", np.ascontiguousarray(capture.token_ids(span.start, span.stop)))
        done, total = 0, sum(len(_rows_of(site, span)) for site in sites)
        for site in sites:
            offset = 0
            for values in _pieces(capture, site, span):
                piece = _narrowed(values) if site.stored_dtype == "bfloat16" else np.ascontiguousarray(values)
                writer.write(names[site], piece, offset)
                offset += piece.nbytes
                done += len(piece)
                report(done, total)
        writer.finish()
    finally:
        writer.discard()


def _write_npz(capture: Capture, path: Path, sites: Sequence[StoredSite], span: range, report: Report) -> None:
    names = _names(sites)
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, table in (
            ("text", capture.text_numbers(span.start, span.stop)),
            ("position", capture.positions(span.start, span.stop)),
            ("token_id", capture.token_ids(span.start, span.stop)),
        ):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(table), allow_pickle=False)
        done, total = 0, sum(len(_rows_of(site, span)) for site in sites)
        for site in sites:
            dtype = np.dtype("float32" if site.stored_dtype == "bfloat16" else site.stored_dtype)
            header = {
                "descr": np.lib.format.dtype_to_descr(dtype),
                "fortran_order": False,
                "shape": (len(_rows_of(site, span)), *site.row_shape),
            }
            with archive.open(f"{names[site]}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                for values in _pieces(capture, site, span):
                    member.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
                    done += len(values)
                    report(done, total)


def _write_csv(capture: Capture, path: Path, sites: Sequence[StoredSite], span: range, report: Report) -> None:
    names = _names(sites)
    first, stop = _common_rows(sites, span)
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        header = ["text", "position", "token_id", "token"]
        writer.writerow(header + [f"{names[site]}.{channel}" for site in sites for channel in range(site.channels)])
        for start in range(first, stop, 256):
            end = min(start + 256, stop)
            tables = (capture.text_numbers(start, end), capture.positions(start, end), capture.token_ids(start, end))
            values = [capture.read(site, start, end) for site in sites]
            buffer = io.StringIO()
            rows = csv.writer(buffer)
            for at, token in enumerate(capture.token_texts(start, end)):
                # numpy writes the shortest digits that give the stored number back.
                numbers = [str(value) for block in values for value in block[at]]
                rows.writerow([*(int(table[at]) for table in tables), token, *numbers])
            file.write(buffer.getvalue())
            report(end - first, stop - first)


def _write_parquet(capture: Capture, path: Path, sites: Sequence[StoredSite], span: range, report: Report) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CaptureError(
            "Exporting to parquet needs pyarrow; install it with `pip install pyarrow`, or export to npz."
        ) from error
    names = _names(sites)
    first, stop = _common_rows(sites, span)
    fields: list[Any] = [(name, pyarrow.int32()) for name in ("text", "position", "token_id")]
    fields.append(("token", pyarrow.string()))
    for site in sites:
        value = pyarrow.float16() if site.stored_dtype == "float16" else pyarrow.float32()
        fields.append((names[site], pyarrow.list_(value, site.channels)))
    schema = pyarrow.schema(fields)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(first, stop, _ROWS):
            end = min(start + _ROWS, stop)
            columns = [capture.text_numbers(start, end), capture.positions(start, end), capture.token_ids(start, end)]
            arrays = [pyarrow.array(np.ascontiguousarray(column)) for column in columns]
            arrays.append(pyarrow.array(capture.token_texts(start, end), pyarrow.string()))
            for site in sites:
                flat = np.ascontiguousarray(capture.read(site, start, end)).reshape(-1)
                arrays.append(pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), site.channels))
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            report(end - first, stop - first)


def _names(sites: Sequence[StoredSite]) -> dict[StoredSite, str]:
    """What each site is called in the file: its dotted name, with the stage where two would be the same."""
    plain = [site.site or "model" for site in sites]
    taken = {"text", "position", "token_id", "token"}
    return {
        site: name if plain.count(name) == 1 and name not in taken else f"{name}.{site.stage}"
        for site, name in zip(sites, plain, strict=True)
    }


def _rows_of(site: StoredSite, span: range) -> range:
    """Those of some rows that a site has."""
    start = max(span.start, site.first_row)
    return range(start, max(start, min(span.stop, site.first_row + site.rows)))


def _pieces(capture: Capture, site: StoredSite, span: range) -> Iterator[np.ndarray]:
    rows = _rows_of(site, span)
    for start in range(rows.start, rows.stop, _ROWS):
        yield capture.read(site, start, min(start + _ROWS, rows.stop))


def _common_rows(sites: Sequence[StoredSite], span: range) -> tuple[int, int]:
    every = [_rows_of(site, span) for site in sites]
    return max(rows.start for rows in every), min(rows.stop for rows in every)


def _narrowed(values: np.ndarray) -> np.ndarray:
    """The bits of float32 values that came from bfloat16: nothing is rounded."""
    return (np.ascontiguousarray(values).view(np.uint32) >> 16).astype(np.uint16)
