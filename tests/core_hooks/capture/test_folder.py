"""Captures on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from core_hooks.capture import folder as folder_module
from core_hooks.capture.folder import CapturedSite, CaptureError, read_index, read_site, write_capture
from core_hooks.capture.shard import write_shard

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.random.default_rng(0).normal(size=(1, 5, 8)).astype(np.float32)


def write(path: Path) -> Path:
    return write_capture(
        path,
        [
            CapturedSite("h.0", VALUES, "float32"),
            CapturedSite("h.1.attn", VALUES[:, ::2] * 2, "bfloat16", "after", 0),
        ],
        model={"name": "tiny"},
        prompt="the cat sat",
        tokens=["the", " cat", " sat"],
        token_ids=[1, 2, 3],
        settings={"seed": 0},
    )


def test_a_capture_reads_back_exactly(tmp_path: Path) -> None:
    index = read_index(write(tmp_path / "one"))
    assert [row["site"] for row in index.sites] == ["h.0", "h.1.attn"]
    assert index.tokens == ["the", " cat", " sat"]
    np.testing.assert_array_equal(read_site(tmp_path / "one", index.sites[0]), VALUES)
    np.testing.assert_array_equal(read_site(tmp_path / "one", index.sites[1]), VALUES[:, ::2] * 2)


def test_a_capture_is_readable_with_json_and_safetensors_alone(tmp_path: Path) -> None:
    write(tmp_path / "one")
    row = json.loads((tmp_path / "one" / "capture.json").read_text())["sites"][0]
    np.testing.assert_array_equal(load_file(tmp_path / "one" / row["file"])[row["tensor"]], VALUES)


def test_a_capture_is_listed_and_read_without_importing_torch(tmp_path: Path) -> None:
    write(tmp_path / "one")
    code = (
        "import sys; from pathlib import Path; from core_hooks.capture.folder import read_index, read_site;"
        f"folder = Path({str(tmp_path / 'one')!r}); i = read_index(folder); read_site(folder, i.sites[0]);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "one")
    with pytest.raises(CaptureError, match="exists already"):
        write(tmp_path / "one")


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(folder_module, "write_shard", full)
    with pytest.raises(CaptureError, match="No space left"):
        write(tmp_path / "one")
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_save_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="attach a detector"):
        write_capture(tmp_path / "x", [], model={}, prompt="", tokens=[], token_ids=[])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"format": "other"}, "not a capture"),
        ({"version": 99}, "newer version"),
        ({"sites": [{"site": "x"}]}, "without its file"),
        ({"sites": 3}, "another type"),
    ],
)
def test_a_damaged_index_is_one_sentence(tmp_path: Path, damage: dict[str, object], words: str) -> None:
    write(tmp_path / "one")
    path = tmp_path / "one" / "capture.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(CaptureError, match=words):
        read_index(tmp_path / "one")


@pytest.mark.parametrize(("name", "value"), [("file", "../evil.safetensors"), ("file", "/etc/passwd"), ("file", "")])
def test_a_path_that_climbs_out_is_refused(tmp_path: Path, name: str, value: str) -> None:
    write(tmp_path / "one")
    path = tmp_path / "one" / "capture.json"
    data = json.loads(path.read_text())
    data["sites"][0][name] = value
    path.write_text(json.dumps(data))
    with pytest.raises(CaptureError, match="outside the capture"):
        read_index(tmp_path / "one")


@pytest.mark.parametrize("shape", [[-1, 5], [2**60], "big", [1.5]])
def test_a_shape_that_cannot_be_is_refused(tmp_path: Path, shape: object) -> None:
    write(tmp_path / "one")
    path = tmp_path / "one" / "capture.json"
    data = json.loads(path.read_text())
    data["sites"][0]["shape"] = shape
    path.write_text(json.dumps(data))
    with pytest.raises(CaptureError, match="damaged"):
        read_index(tmp_path / "one")


def test_a_shard_cut_short_is_said_to_be_damaged(tmp_path: Path) -> None:
    index = read_index(write(tmp_path / "one"))
    shard = tmp_path / "one" / index.sites[0]["file"]
    shard.write_bytes(shard.read_bytes()[:-40])
    with pytest.raises(CaptureError, match="damaged"):
        read_site(tmp_path / "one", index.sites[0])
    shard.unlink()
    with pytest.raises(CaptureError, match="missing"):
        read_site(tmp_path / "one", index.sites[0])


def test_a_folder_that_is_no_capture_says_so(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="not a capture"):
        read_index(tmp_path)


@settings(max_examples=40)
@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    dtype=st.sampled_from(["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]),
    transpose=st.booleans(),
)
def test_any_array_survives_a_shard(tmp_path: Path, shape: list[int], dtype: str, transpose: bool) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape).astype(dtype)
    array = array.T if transpose else array
    path = tmp_path / "x.safetensors"
    written = write_shard(path, {"a": array, "b": np.float32([[1.5]])}, {"k": "v"})
    assert path.stat().st_size == written
    loaded = load_file(path)
    np.testing.assert_array_equal(loaded["a"], array)
    assert loaded["a"].dtype == array.dtype


def test_a_dtype_that_safetensors_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="complex64"):
        write_shard(tmp_path / "x.safetensors", {"a": np.zeros(2, np.complex64)})
    assert list(tmp_path.iterdir()) == []
