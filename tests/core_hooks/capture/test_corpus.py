"""Where texts come from, and what is said when they can't be read."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from core_hooks.capture.batching import batches
from core_hooks.capture.corpus import Corpus
from core_hooks.capture.index import CaptureError
from core_hooks.capture.shard_plan import Place, plan_shards
from tests.core_hooks.capture.corpora import read_numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def texts(path: Path, **options: str) -> list[str]:
    return [text.text for text in Corpus(path, **options).texts()]


def test_each_line_of_a_text_file_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("first\r\nzweite Zeile: \u00e4\u2028still the second\n\nlast without an end".encode())
    assert texts(path) == ["first", "zweite Zeile: ä\u2028still the second", "", "last without an end"]
    assert [text.record for text in Corpus(path).texts(2)] == [2, 3]
    assert Corpus(path).measure().records == 4


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_overrules_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("größe\nzwei".encode(encoding))
    assert texts(path) == ["größe", "zwei"]


def test_another_encoding_is_named_with_the_line_and_read_when_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("plain\ngröße\n".encode("latin-1"))
    with pytest.raises(CaptureError, match=r"Line 2 of '.*' is not utf-8 \(byte 0xf6\); name its encoding"):
        Corpus(path).measure()
    assert texts(path, encoding="latin-1") == ["plain", "größe"]


def test_a_line_of_ten_megabytes_is_one_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "word " * 2_000_000}) + "\n" + json.dumps({"text": "short"}) + "\n")
    assert [len(text) for text in texts(path)] == [10_000_000, 5]
    table = tmp_path / "a.csv"
    table.write_text("text\n" + "word " * 2_000_000 + "\nshort\n")
    assert [len(text) for text in texts(table)] == [10_000_000, 5]


def test_json_lines_give_a_field_and_a_label(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "one", "mood": 1}\n\n{"body": "lone \\ud800 half", "mood": null}\n')
    found = list(Corpus(path, column="body", label="mood").texts())
    assert [(text.text, text.label) for text in found] == [("one", "1"), ("", ""), ("lone ? half", "None")]


def test_tables_give_a_column_also_with_line_ends_inside(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,text,mood\n1,"two\nlines, one text",good\n2,plain,bad\n')
    (tmp_path / "a.tsv").write_text("text\tid\nfirst, second\t1\n")
    found = list(Corpus(tmp_path / "a.csv", label="mood").texts())
    assert [(text.text, text.label) for text in found] == [("two\nlines, one text", "good"), ("plain", "bad")]
    assert texts(tmp_path / "a.tsv") == ["first, second"]


def test_a_folder_gives_a_text_a_file_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.md").write_text("deeper")
    (tmp_path / "a.txt").write_text("first\nfile")
    (tmp_path / "c.py").write_text("no text")
    (tmp_path / ".hidden.txt").write_text("hidden")
    corpus = Corpus(tmp_path)
    assert [text.text for text in corpus.texts()] == ["first\nfile", "deeper"]
    before = corpus.fingerprint()
    (tmp_path / "d.txt").write_text("more")
    assert corpus.fingerprint() != before


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("a.jsonl", '{"body": "x", "id": 3}', {}, "Line 1 .* has no 'text'; it has 'body', 'id'"),
        ("a.jsonl", '{"text": "x"}\nnot json', {}, "Line 2 .* is not JSON"),
        ("a.jsonl", '{"text": 3}', {}, "that is no text but a int"),
        ("a.jsonl", "[1]", {}, "not a JSON object"),
        ("a.csv", "id,body\n1,x\n", {}, "has no column 'text'; it has 'id', 'body'"),
        ("a.csv", "id,text\n1\n", {}, "Line 2 .* has 1 columns and the header 2"),
        ("a.csv", "id,text\n1,x\n", {"label": "mood"}, "has no column 'mood'"),
        ("a.csv", "", {}, "has no column 'text'; it has none"),
    ],
)
def test_a_record_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, content: str, options: dict[str, str], words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CaptureError, match=words):
        Corpus(tmp_path / name, **options).measure()


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(CaptureError, match="pip install pyarrow"):
        Corpus(tmp_path / "a.parquet")


def test_parquet_columns_are_read(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"id": [1, 2, 3], "text": ["one", None, "three"], "mood": ["a", "b", None]})
    parquet.write_table(table, tmp_path / "a.parquet")
    found = [(text.text, text.label) for text in Corpus(tmp_path / "a.parquet", label="mood").texts()]
    assert found == [("one", "a"), ("", "b"), ("three", "")]
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(CaptureError, match="not a whole parquet file"):
        Corpus(tmp_path / "b.parquet")


def test_what_a_parquet_file_does_not_have_is_one_sentence(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"id": [1, 2], "words": [["a"], ["b"]], "body": ["x", ""]}), path)
    assert texts(path, column="body") == ["x", ""]
    with pytest.raises(CaptureError, match="has no column 'text'; it has 'id', 'words', 'body'"):
        Corpus(path)
    for column, kind in (("id", "int"), ("words", "list")):
        with pytest.raises(CaptureError, match=f"Column '{column}' of '.*' holds no text but {kind}; choose another."):
            Corpus(path, column=column).measure()


def test_a_parquet_row_of_ten_megabytes_is_one_text_in_any_encoding_of_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    long = "wörd " * 2_000_000
    table = pyarrow.table({"text": pyarrow.array([long, "short", "short"]).dictionary_encode()})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert [len(text) for text in texts(tmp_path / "a.parquet")] == [10_000_000, 5, 5]
    large = pyarrow.table({"text": pyarrow.array(["a", None], pyarrow.large_string())})
    parquet.write_table(large, tmp_path / "b.parquet")
    assert texts(tmp_path / "b.parquet") == ["a", ""]


def test_reading_a_corpus_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\n")
    os.chmod(path, 0o444)
    stamp = path.stat().st_mtime_ns
    assert texts(path) == ["one"]
    assert path.stat().st_mtime_ns == stamp
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("shard_rows", [1, 7, 1000])
def test_plans_hold_every_token_once_and_go_on_anywhere(
    tmp_path: Path, shard_rows: int, numbers: Callable[[], Corpus]
) -> None:
    corpus = numbers()
    plans = list(plan_shards(corpus.texts(), read_numbers, shard_rows=shard_rows, context=5))
    tokens = [int(i) for plan in plans for window in plan.windows for i in window.ids]
    assert tokens == [int(word) for text in corpus.texts() for word in text.text.split()]
    assert [plan.first_row for plan in plans] == [sum(p.rows for p in plans[:n]) for n in range(len(plans))]
    assert sum(len(plan.texts) for plan in plans) == plans[-1].next.text
    assert sum(plan.empty for plan in plans) == sum(not text.text for text in corpus.texts())
    for number, plan in enumerate(plans[:-1]):
        rest = plan_shards(
            corpus.texts(plan.next.record), read_numbers, shard_rows=shard_rows, context=5,
            first_row=plan.first_row + plan.rows, place=Place.of_json(plan.next.as_json()) or Place(),
        )  # fmt: skip
        again = next(iter(rest))
        expected = plans[number + 1]
        assert (again.first_row, again.first_text, again.next) == (
            expected.first_row,
            expected.first_text,
            expected.next,
        )
        assert [w.ids.tolist() for w in again.windows] == [w.ids.tolist() for w in expected.windows]
        assert again.empty == expected.empty
        assert again.texts.records.tolist() == expected.texts.records.tolist()
        assert again.texts.data.tobytes() == expected.texts.data.tobytes()


@pytest.fixture
def numbers(tmp_path: Path) -> Callable[[], Corpus]:
    path = tmp_path / "numbers.txt"
    lines = [" ".join(str((i * 7 + j) % 40) for j in range(i % 13)) for i in range(40)]
    path.write_text("\n".join(lines) + "\n")
    return lambda: Corpus(path)


def test_batches_hold_like_lengths_up_to_their_tokens() -> None:
    lengths = [3, 9, 1, 9, 4, 20, 2, 2]
    found = batches(lengths, 12)
    assert sorted(number for batch in found for number in batch) == list(range(8))
    assert found[0] == [5]  # longer than a batch: alone
    assert all(len(batch) == 1 or len(batch) * max(lengths[n] for n in batch) <= 12 for batch in found)
    assert all(len({lengths[n] for n in batch}) == 1 for batch in batches(lengths, 12, same_length=True))
