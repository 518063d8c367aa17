"""Tags and notes are kept beside a capture and nothing else of it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core_hooks.capture.annotations import ANNOTATIONS, Annotations, read_annotations, write_annotations
from core_hooks.capture.index import CaptureError
from core_hooks.capture.verify import verify_capture
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_written_is_read_and_the_capture_stays_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    write_corpus_capture(folder, number_texts(5))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert read_annotations(folder) == Annotations()
    write_annotations(folder, Annotations((" base ", "base", "", "two words"), "ça va\n\ud800"))
    assert read_annotations(folder) == Annotations(("base", "two words"), "ça va\n\ud800")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ANNOTATIONS} == before
    assert not any(check.problem for check in verify_capture(folder))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"tags": 3, "notes": []}', '{"tags": [1, null]}', "[" * 100_000])
def test_a_file_that_is_not_understood_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ANNOTATIONS).write_text(text)
    assert read_annotations(tmp_path) == Annotations()


def test_a_folder_without_a_capture_gets_no_notes(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="not a capture"):
        write_annotations(tmp_path, Annotations(("a",)))
    assert list(tmp_path.iterdir()) == []
