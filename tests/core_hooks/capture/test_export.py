"""What other programs read of an export is what the capture holds."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from core_hooks.capture.export import export_capture
from core_hooks.capture.index import CaptureError
from core_hooks.capture.reader import open_capture
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = number_texts(20)
IDS = [token for text in TEXTS for token in text]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_npz_and_safetensors_hold_every_row(tmp_path: Path, dtype: str) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS, dtype=dtype)
    with open_capture(tmp_path / "c") as capture:
        values = capture.read("h.0", 0, capture.rows)
        export_capture(capture, tmp_path / "x.npz", "npz")
        export_capture(capture, tmp_path / "x.safetensors", "safetensors", sites=["h.0"])
    archive = np.load(tmp_path / "x.npz", allow_pickle=False)
    np.testing.assert_array_equal(archive["h.0"], values)
    assert archive["h.0"].dtype == values.dtype
    assert archive["rows.x"].shape == (len(IDS), 2, 3)
    assert archive["token_id"].tolist() == IDS
    with safe_open(tmp_path / "x.safetensors", "numpy") as file:
        assert file.get_slice("h.0").get_dtype() == {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}[dtype]
    if dtype != "bfloat16":
        tensors = load_file(tmp_path / "x.safetensors")
        np.testing.assert_array_equal(tensors["h.0"], values)
        assert set(tensors) == {"h.0", "text", "position", "token_id"}


def test_csv_has_a_row_a_token_and_gives_the_numbers_back(tmp_path: Path) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS, dtype="float16")
    with open_capture(tmp_path / "c") as capture:
        values = capture.read("h.0", 0, capture.rows)
        export_capture(capture, tmp_path / "x.csv", "csv", sites=["h.0"])
    with (tmp_path / "x.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["text", "position", "token_id", "token", *(f"h.0.{i}" for i in range(6))]
    assert [int(row[2]) for row in rows] == IDS
    assert rows[0][3] == f"<{IDS[0]}>"
    np.testing.assert_array_equal(np.array([row[4:] for row in rows], np.float16), values)


def test_parquet_holds_a_list_a_token(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_corpus_capture(tmp_path / "c", TEXTS)
    with open_capture(tmp_path / "c") as capture:
        values = capture.read("h.0", 0, capture.rows)
        export_capture(capture, tmp_path / "x.parquet", "parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table["token_id"].to_pylist() == IDS
    np.testing.assert_array_equal(np.array(table["h.0"].to_pylist(), np.float32), values)


def test_a_refused_export_leaves_nothing_behind(tmp_path: Path) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS)
    shard = sorted((tmp_path / "c").glob("shard-*"))[2]
    shard.write_bytes(shard.read_bytes()[:-5])
    before = sorted(tmp_path.iterdir())
    with open_capture(tmp_path / "c") as capture:
        for format in ("npz", "csv", "safetensors"):
            with pytest.raises(CaptureError, match="cut short"):
                export_capture(capture, tmp_path / f"x.{format}", format)
        with pytest.raises(CaptureError, match="not as 'docx'"):
            export_capture(capture, tmp_path / "x.docx", "docx")
        with pytest.raises(CaptureError, match="no site 'nope'"):
            export_capture(capture, tmp_path / "x.npz", "npz", sites=["nope"])
        with pytest.raises(CaptureError, match="exists already"):
            export_capture(capture, tmp_path / "c", "npz")
        with pytest.raises(CaptureError, match="can't be written"):
            export_capture(capture, tmp_path / "no" / "x.npz", "npz")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("format", ["safetensors", "npz", "csv", "parquet"])
def test_a_range_of_rows_is_exported_and_nothing_else(tmp_path: Path, format: str) -> None:
    values = write_corpus_capture(tmp_path / "c", TEXTS)
    path = tmp_path / f"x.{format}"
    with open_capture(tmp_path / "c") as capture:
        export_capture(capture, path, format, sites=["h.0"], rows=(11, 47))
        with pytest.raises(CaptureError, match="not 0 to 1000000"):
            export_capture(capture, tmp_path / "y", format, rows=(0, 10**6))
    if format == "csv":
        with path.open(newline="") as file:
            rows = list(csv.reader(file))[1:]
        ids, found = [int(row[2]) for row in rows], np.array([row[4:] for row in rows], np.float32)
    elif format == "parquet":
        table = pytest.importorskip("pyarrow.parquet").read_table(path)
        ids, found = table["token_id"].to_pylist(), np.array(table["h.0"].to_pylist(), np.float32)
    else:
        file = np.load(path) if format == "npz" else load_file(path)
        ids, found = file["token_id"].tolist(), file["h.0"]
    assert ids == IDS[11:47]
    np.testing.assert_array_equal(found, values[11:47])


def test_an_export_that_is_given_up_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS)
    path = tmp_path / "x.npz"
    path.write_bytes(b"old")

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with open_capture(tmp_path / "c") as capture:
        for format in ("npz", "safetensors", "csv"):
            with pytest.raises(RuntimeError, match="enough"):
                export_capture(capture, path, format, replace=True, on_progress=stop)
        assert path.read_bytes() == b"old"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "x.npz"]
        export_capture(capture, path, "npz", replace=True)
    assert np.load(path)["h.0"].shape[0] == len(IDS)
