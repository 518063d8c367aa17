"""A probe reads a label that is there, reads none that is not, and its numbers are those of a second computation."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.analysis.probe import accuracy_interval, split_by_text, train_probe
from core_hooks.analysis.probe_labels import (
    ProbeData,
    data_of_texts,
    data_of_tokens,
    labels_of_texts,
    read_labels,
)
from core_hooks.analysis.text_search import TextQuery
from core_hooks.capture.index import CaptureError
from core_hooks.capture.reader import open_capture
from core_hooks.hooks.errors import RunCancelled
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core_hooks.capture.reader import Capture

TEXTS = number_texts(120, seed=4)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Capture]:
    folder = tmp_path_factory.mktemp("captures") / "c"
    write_corpus_capture(folder, TEXTS, labels=True)
    with open_capture(folder) as opened:
        yield opened


def made_data(separation: float, seed: int = 0, texts: int = 200, each: int = 1) -> ProbeData:
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(0, 2, texts), each)
    vectors = rng.standard_normal((texts * each, 12)).astype(np.float32)
    vectors[:, 3] = vectors[:, 3] * 5 + 100
    vectors[:, 7] += separation * labels
    return ProbeData(vectors, labels, np.repeat(np.arange(texts), each), ("no", "yes"), each == 1, 0)


def test_a_label_that_is_there_is_read_from_texts_it_never_saw_along_its_direction() -> None:
    pytest.importorskip("sklearn")
    probe = train_probe(made_data(8.0))
    assert probe.accuracy > 0.95
    assert probe.low < probe.accuracy <= probe.high
    assert probe.chance < 0.7
    assert probe.converged
    assert abs(probe.directions[0, 7]) > 4 * np.delete(np.abs(probe.directions[0]), 7).max()
    assert probe.directions[0, 7] > 0


def test_a_label_that_is_not_there_is_at_chance() -> None:
    pytest.importorskip("sklearn")
    probe = train_probe(made_data(0.0, texts=800))
    assert probe.low <= 0.5 <= probe.high or abs(probe.accuracy - probe.chance) < 0.1
    assert probe.train_accuracy < 0.65


def test_the_numbers_are_those_of_scikit_learn_alone() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = made_data(1.5, each=3)
    probe = train_probe(data, seed=3)
    train, test = split_by_text(data.texts, 0.25, 3)
    mean, scale = data.vectors[train].mean(0, dtype=np.float64), data.vectors[train].std(0, dtype=np.float64)
    plain = linear_model.LogisticRegression(C=1.0, max_iter=1000).fit(
        (data.vectors[train] - mean) / scale, data.labels[train]
    )
    said = plain.predict((data.vectors[test] - mean) / scale)
    assert probe.accuracy == pytest.approx((said == data.labels[test]).mean(), abs=0.01)
    np.testing.assert_allclose(probe.directions, plain.coef_ / scale, rtol=0.02, atol=1e-3)
    np.testing.assert_array_equal(
        probe.confusion, [[((data.labels[test] == a) & (probe.predict(data.vectors[test]) == b)).sum() for b in (0, 1)]
                          for a in (0, 1)],
    )  # fmt: skip
    assert probe.chance == max((data.labels[test] == k).mean() for k in (0, 1)) or probe.chance <= 0.5


def test_no_text_is_on_both_sides() -> None:
    texts = np.repeat(np.arange(40), 5)
    train, test = split_by_text(texts, 0.25, 1)
    assert not set(texts[train]) & set(texts[test])
    assert len(set(texts[test])) == 10
    assert (train ^ test).all()


def test_the_interval_is_wilsons_and_wider_where_tokens_of_a_text_are_alike() -> None:
    right = np.array([True] * 80 + [False] * 20)
    low, high = accuracy_interval(right, np.arange(100))
    np.testing.assert_allclose((low, high), (0.7112, 0.8666), atol=1e-4)  # as published tables have it
    alike = np.repeat(np.arange(20), 5)
    wide_low, wide_high = accuracy_interval(np.repeat(np.array([True] * 16 + [False] * 4), 5), alike)
    assert wide_low < low
    assert wide_high > high
    one_each = accuracy_interval(np.array([True] * 16 + [False] * 4), np.arange(20))
    np.testing.assert_allclose((wide_low, wide_high), one_each, atol=0.02)
    assert accuracy_interval(np.ones(30, bool), np.repeat(np.arange(3), 10))[0] < 0.5


def test_texts_are_pooled_as_asked(capture: Capture) -> None:
    labels = labels_of_texts(capture, None)
    assert labels[3] == "mood 1"
    assert len(labels) == 120
    for pooling in ("mean", "last", "tokens"):
        data = data_of_texts(capture, "h.0", labels, pooling=pooling, first_tokens=True)
        assert set(data.classes) == {"mood 0", "mood 1"}
        for number in (5, 60):
            rows = capture.rows_of(number)
            values = capture.read("h.0", rows.start, rows.stop)
            wanted = {"mean": values.mean(0, keepdims=True), "last": values[-1:], "tokens": values}[pooling]
            np.testing.assert_allclose(data.vectors[data.texts == number], wanted, rtol=1e-5, atol=1e-6)
    few = data_of_texts(capture, "h.0", labels, pooling="tokens", at_most=30)
    assert len(few.vectors) <= 30
    assert few.left_out > 0


def test_tokens_are_labelled_by_an_expression(capture: Capture) -> None:
    data = data_of_tokens(capture, "h.0", TextQuery(r"^<[1-4]\d>$", is_regex=True), first_tokens=True)
    assert data.classes == ("match", "other")
    assert len(data.labels) == capture.rows
    assert (data.labels == 0).sum() == sum(token >= 10 for text in TEXTS for token in text)
    with pytest.raises(CaptureError, match="tells labels apart"):
        data_of_tokens(capture, "h.0", TextQuery("zzz"))


def test_labels_are_joined_by_number_or_by_order(capture: Capture, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("n,mood\n4,sad\n2,glad\n")
    assert read_labels(tmp_path / "l.csv", "mood", "n") == {4: "sad", 2: "glad"}
    assert read_labels(tmp_path / "l.csv", "mood") == {0: "sad", 1: "glad"}
    (tmp_path / "l.jsonl").write_text("\n".join(json.dumps({"ok": i % 2 == 0, "n": i}) for i in range(4)))
    assert read_labels(tmp_path / "l.jsonl", "ok", "n") == {0: "True", 1: "False", 2: "True", 3: "False"}
    assert labels_of_texts(capture, {2: "glad", 4: " "}) == {2: "glad"}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.txt", "x", "Labels are read from"),
        ("a.csv", "a,b\n1,2\n", "no column 'mood'"),
        ("a.jsonl", '{"x": 1}\n', "has no 'mood'; it has 'x'"),
        ("a.jsonl", "{\n", "not one JSON object a line"),
        ("b.csv", "n,mood\nx,sad\n", "no text number"),
    ],
)
def test_a_file_of_labels_that_is_none_is_one_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CaptureError, match=sentence):
        read_labels(tmp_path / name, "mood", "n" if name == "b.csv" else "")


def test_too_few_texts_and_too_many_labels_are_refused(capture: Capture) -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(CaptureError, match="too few to hold some out"):
        train_probe(made_data(1.0, texts=1, each=1))
    with pytest.raises(CaptureError, match="up to 50 apart"):
        data_of_texts(capture, "h.0", {number: str(number) for number in range(100)})


def test_training_can_be_given_up() -> None:
    pytest.importorskip("sklearn")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RunCancelled):
        train_probe(made_data(1.0), cancel=cancel)
