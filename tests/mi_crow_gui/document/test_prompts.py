"""Which prompts a text stands for, and those of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mi_crow_gui.document.prompts import blank_lines, lines_of, prompt_at, prompts_of
from mi_crow_gui.document.prompts_file import LARGEST, PromptsError, read_prompts
from mi_crow_gui.document.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "prompts", "blank"),
    [
        ("", (), 0),
        (" \n\n", (), 0),
        ("one", ("one",), 0),
        ("one\ntwo\n", ("one", "two"), 0),
        ("one\r\n\r\n  two ", ("one", "  two "), 1),
        ("\n\none", ("one",), 2),
        ("a\x0bb\u2028c", ("a\x0bb\u2028c",), 0),
    ],
)
def test_a_prompt_is_a_line_that_is_not_blank(text: str, prompts: tuple[str, ...], blank: int) -> None:
    assert lines_of(text) == prompts
    assert blank_lines(text) == blank


def test_a_workspace_means_its_lines_or_all_of_its_text() -> None:
    workspace = Workspace(prompt="one\ntwo", batch=True)
    assert prompts_of(workspace) == ("one", "two")
    assert [prompt_at(workspace, number) for number in (0, 1, 9)] == ["one", "two", "two"]
    assert prompts_of(Workspace(prompt="one\ntwo")) == ("one\ntwo",)
    assert prompt_at(Workspace(batch=True), 3) == ""


def test_prompts_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffnaïve\r\n\r\ntwo".encode())
    assert read_prompts(path) == ("naïve", "two")


def test_a_file_that_holds_no_prompts_says_so(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    for content, words in (
        (b"\n \n", "holds no prompt"),
        (b"ab\xff", "not UTF-8 text .byte 2"),
        (b"x" * (LARGEST + 1), "Capture a corpus"),
    ):
        path.write_bytes(content)
        with pytest.raises(PromptsError, match=words):
            read_prompts(path)
    with pytest.raises(PromptsError, match="can't be read"):
        read_prompts(tmp_path / "nowhere.txt")
