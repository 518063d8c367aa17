"""Captures of a corpus are read without a model, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file

from core_hooks.capture.folder import (
    CapturedPrompt,
    CapturedSite,
    CaptureError,
    read_index,
    read_site,
    write_capture,
)
from core_hooks.capture.reader import open_capture
from tests.core_hooks.capture.corpora import number_texts, stored, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = number_texts(30)
ROWS = [(t, p, token) for t, text in enumerate(TEXTS) for p, token in enumerate(text)]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_range_of_rows_reads_back_as_it_was_stored(tmp_path: Path, dtype: str) -> None:
    values = write_corpus_capture(tmp_path / "c", TEXTS, dtype=dtype)
    bits = stored(values, dtype)
    expected = (bits.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else bits
    with open_capture(tmp_path / "c") as capture:
        assert len(capture.index.shards) > 5
        for start in range(0, len(ROWS), 7):
            for stop in (start, start + 1, min(start + 40, len(ROWS)), len(ROWS)):
                found = capture.read("h.0", start, stop)
                np.testing.assert_array_equal(found, expected[start:stop])
                assert not found.flags.writeable
        np.testing.assert_array_equal(capture.column("h.0", 3), expected[:, 3].astype(np.float32))
        assert capture.site("rows.x").row_shape == (2, 3)


def test_texts_tokens_and_positions_are_known_for_every_row(tmp_path: Path) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS, labels=True)
    with open_capture(tmp_path / "c") as capture:
        assert (capture.rows, capture.texts) == (len(ROWS), len(TEXTS))
        assert capture.text_numbers(0, capture.rows).tolist() == [row[0] for row in ROWS]
        assert capture.positions(0, capture.rows).tolist() == [row[1] for row in ROWS]
        assert capture.token_ids(0, capture.rows).tolist() == [row[2] for row in ROWS]
        for number, text in enumerate(TEXTS):
            rows = capture.rows_of(number)
            assert capture.token_ids(rows.start, rows.stop).tolist() == text
            assert capture.text(number) == " ".join(map(str, text))
            assert capture.label(number) == f"mood {number % 2}"
            assert capture.record(number) == number
            assert capture.token_texts(rows.start, rows.stop) == [f"<{token}>" for token in text]
        assert capture.token_text(7_000) == "7000"


def test_a_shard_is_readable_with_safetensors_alone(tmp_path: Path) -> None:
    values = write_corpus_capture(tmp_path / "c", TEXTS)
    shard = read_index(tmp_path / "c").shards[1]
    tensors = load_file(tmp_path / "c" / shard["file"])
    first = shard["first_row"]
    np.testing.assert_array_equal(tensors["h.0"], values[first : first + shard["rows"]])
    assert tensors["rows.token_id"].tolist() == [row[2] for row in ROWS[first : first + shard["rows"]]]


def test_statistics_are_those_of_all_rows_and_top_rows_lead_to_their_values(tmp_path: Path) -> None:
    values = write_corpus_capture(tmp_path / "c", TEXTS).astype(np.float64)
    with open_capture(tmp_path / "c") as capture:
        found = capture.statistics("h.0")
    np.testing.assert_allclose(found.mean, values.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.variance, values.var(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(found.maximum, values.max(axis=0))
    np.testing.assert_array_equal(found.top_values[:, 0], values.max(axis=0))
    np.testing.assert_array_equal(np.take_along_axis(values.T, found.top_rows, axis=1), found.top_values)


def test_an_unfinished_capture_is_readable_as_far_as_it_goes(tmp_path: Path) -> None:
    values = write_corpus_capture(tmp_path / "whole", TEXTS)
    write_corpus_capture(tmp_path / "c", TEXTS)
    path = tmp_path / "c" / "capture.json"
    import json

    data = json.loads(path.read_text())
    del data["crc32"], data["shards"][4:], data["files"]["statistics.safetensors"]
    rows = sum(shard["rows"] for shard in data["shards"])
    for site in data["sites"]:
        site["shape"][0] = rows
    path.write_text(json.dumps(data | {"finished": False}))
    with open_capture(tmp_path / "c") as capture:
        np.testing.assert_array_equal(capture.read("h.0", 0, rows), values[:rows])
        np.testing.assert_allclose(capture.statistics("h.0").maximum, values[:rows].max(axis=0))


def test_the_capture_of_a_run_is_read_the_same_way(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    write_capture(
        tmp_path / "run",
        [CapturedSite("h.0", values, "float32"), CapturedSite("h.1", values[:, 2:], "float32", "after", 2)],
        model={}, prompt="a b c d", tokens=["a", "b", "c", "d"], token_ids=[1, 2, 3, 4],
    )  # fmt: skip
    with open_capture(tmp_path / "run") as capture:
        assert (capture.rows, capture.texts, capture.text(0)) == (4, 1, "a b c d")
        np.testing.assert_array_equal(capture.read("h.0", 1, 3), values[0, 1:3])
        np.testing.assert_array_equal(capture.read("h.1", 2, 4), values[0, 2:])
        with pytest.raises(CaptureError, match="rows 2 to 4"):
            capture.read("h.1", 0, 4)
        np.testing.assert_allclose(capture.statistics("h.0").mean, values[0].mean(axis=0))


def test_a_site_of_a_corpus_is_read_whole_for_the_window(tmp_path: Path) -> None:
    values = write_corpus_capture(tmp_path / "c", TEXTS)
    index = read_index(tmp_path / "c")
    np.testing.assert_array_equal(read_site(tmp_path / "c", index.sites[0]), values)


def test_reading_never_imports_torch(tmp_path: Path) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS)
    code = (
        "import sys; from pathlib import Path; from core_hooks.capture.reader import open_capture;"
        "import core_hooks.capture.channels, core_hooks.capture.verify, core_hooks.capture.export;"
        f"c = open_capture(Path({str(tmp_path / 'c')!r})); c.read('h.0', 3, 9); c.statistics('h.0'); c.text(2);"
        "assert not {'torch', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda c: c.read("h.9", 0, 1), "has no site 'h.9'; it has 'h.0'"),
        (lambda c: c.read("h.0", 0, 10**9), "rows 0 to"),
        (lambda c: c.read("h.0", 5, 2), "rows 0 to"),
        (lambda c: c.column("h.0", 6), "channels 0 to 5"),
        (lambda c: c.text(-1), "texts 0 to"),
        (lambda c: c.rows_of(30), "texts 0 to"),
        (lambda c: c.token_ids(-1, 2), "rows 0 to"),
    ],
)
def test_what_is_not_there_is_one_sentence(tmp_path: Path, ask: object, words: str) -> None:
    write_corpus_capture(tmp_path / "c", TEXTS)
    with open_capture(tmp_path / "c") as capture, pytest.raises(CaptureError, match=words):
        ask(capture)  # type: ignore[operator]


def test_a_batch_is_read_prompt_behind_prompt_without_padding(tmp_path: Path) -> None:
    values = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
    write_capture(
        tmp_path / "run", [CapturedSite("h.0", values, "float32")], model={}, prompt="", tokens=(), token_ids=(),
        batch=[CapturedPrompt("a b", ("a", "b"), (1, 2), 2), CapturedPrompt("c d e f", tuple("cdef"), (3, 4, 5, 6), 0)],
    )  # fmt: skip
    index = read_index(tmp_path / "run")
    assert (index.prompts, index.batch) == (
        ["a b", "c d e f"], [{"tokens": 2, "column": 2}, {"tokens": 4, "column": 0}],
    )  # fmt: skip
    with open_capture(tmp_path / "run") as capture:
        assert (capture.rows, capture.texts, capture.text(1)) == (6, 2, "c d e f")
        assert [capture.rows_of(number) for number in range(2)] == [range(2), range(2, 6)]
        np.testing.assert_array_equal(capture.read("h.0", 0, 6), np.concatenate([values[0, 2:], values[1]]))
        assert capture.token_texts(1, 4) == ["b", "c", "d"]
        assert capture.positions(0, 6).tolist() == [0, 1, 0, 1, 2, 3]
        assert capture.text_numbers(0, 6).tolist() == [0, 0, 1, 1, 1, 1]
        assert capture.row_at(3) == (1, 1)


@pytest.mark.parametrize("batch", [[{"tokens": 6}], [{"tokens": 5, "column": 0}, {"tokens": 5, "column": 0}], [3, 4]])
def test_an_index_whose_batch_does_not_fit_its_tokens_is_damaged(tmp_path: Path, batch: list[object]) -> None:
    write_capture(
        tmp_path / "run", [CapturedSite("h.0", np.zeros((2, 3, 1), np.float32), "float32")], model={}, prompt="",
        tokens=(), token_ids=(), batch=[CapturedPrompt(text, (text,) * 3, (1,) * 3) for text in "ab"],
    )  # fmt: skip
    path = tmp_path / "run" / "capture.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"batch": batch}))
    with pytest.raises(CaptureError, match="does not tell the prompts of its batch apart"):
        read_index(tmp_path / "run")
