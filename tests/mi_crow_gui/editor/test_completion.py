"""Names in the editor: which ones, where they come from, and that typing never waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPlainTextEdit

from mi_crow_gui.engine.completion import CompletionRequest, complete
from mi_crow_gui.engine.completion_process import CompletionProcess
from mi_crow_gui.panels.code_editor import CodeEditor
from tests.mi_crow_gui.stopwatch import within

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver


def names(text: str) -> tuple[str, ...]:
    """Names that fit at the end of a text."""
    lines = text.split("\n")
    return complete(CompletionRequest(text, len(lines), len(lines[-1])))


# The first one reads the stubs of torch, which takes several seconds.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lambda x: x.clam", "clamp"),
        ("lambda t, c: c.posi", "positions"),
        ("lambda x: (x * 0.5).ab", "abs"),
        ("lambda x: x[..., 2].ab", "abs"),
        ("lambda x: torch.nn.functional.rel", "relu"),
        ("lambda x: math.sq", "sqrt"),
        ("def control(x, ctx):\n    y = x.clone()\n    return y.flat", "flatten"),
        ("def control(x, ctx): return ctx.st", "state"),
        ("def control_input(x):\n    x = x.clone()\n    return x.ab", "abs"),
        ("FACTOR = 2\nlambda x: x * FAC", "FACTOR"),
        ("def control(x, ctx):\n    return ctx.run('A').cap", "capture"),
        ("def control(x, ctx):\n    return ctx.capture('h.0').ab", "abs"),
        ("@site('h.0')\ndef one(x, ctx):\n    return x\n\n@site('h.1')\ndef two(y, c):\n    return y.ab", "abs"),
    ],
)
def test_the_names_of_tensor_context_libraries_and_the_text_itself_are_known(text: str, expected: str) -> None:
    assert expected in names(text)


def test_private_names_come_only_after_an_underscore() -> None:
    assert not [name for name in names("lambda x: x.") if name.startswith("_")]
    assert "__abs__" in names("lambda x: x.__ab")


def test_a_text_is_read_and_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    assert "FACTOR" in names(f"open({str(trace)!r}, 'w').close()\nFACTOR = 2\nlambda x: x * FAC")
    assert not trace.exists()


@pytest.mark.parametrize("text", ["", "(((", "def control(x, ctx):\n", "lambda x: '", "\n\n  x.", "lambda x: 0."])
def test_broken_text_is_completed_without_an_error(text: str) -> None:
    assert isinstance(names(text), tuple)


@pytest.fixture
def editor(qtbot: QtBot) -> CodeEditor:
    made = CodeEditor()
    qtbot.addWidget(made)
    made.show()
    made.setFocus()
    qtbot.waitUntil(made.hasFocus)
    return made


def asked(editor: CodeEditor) -> list[tuple[str, int, int]]:
    questions: list[tuple[str, int, int]] = []
    editor.completion.wanted.connect(lambda *question: questions.append(question))
    return questions


def test_a_dot_and_ctrl_space_ask_and_a_number_or_a_comment_does_not(qtbot: QtBot, editor: CodeEditor) -> None:
    questions = asked(editor)
    qtbot.keyClicks(editor, "lambda x: 0.5 * x.")
    assert questions == [("lambda x: 0.5 * x.", 1, 18)]
    qtbot.keyClicks(editor, "ab # see torch.")
    assert len(questions) == 1
    editor.setPlainText("")
    qtbot.keyClick(editor, Qt.Key.Key_Space, Qt.KeyboardModifier.ControlModifier)
    assert questions[1:] == [("", 1, 0)]
    assert editor.toPlainText() == ""
    qtbot.keyClick(editor, Qt.Key.Key_Escape)


def test_what_was_typed_while_names_were_looked_for_narrows_them_down(qtbot: QtBot, editor: CodeEditor) -> None:
    questions = asked(editor)
    qtbot.keyClicks(editor, "lambda x: x.")
    qtbot.keyClicks(editor, "cl")
    editor.completion.offer(("abs", "clamp", "clone"), *questions[0])
    assert editor.completion.shown
    assert editor.completion.completionCount() == 2
    qtbot.keyClicks(editor, "o")
    qtbot.keyClick(editor.completion.popup(), Qt.Key.Key_Return)
    assert editor.toPlainText() == "lambda x: x.clone"
    editor.undo()
    assert editor.toPlainText() == "lambda x: x.clo"


def test_names_for_a_place_that_was_left_are_not_shown(qtbot: QtBot, editor: CodeEditor) -> None:
    questions = asked(editor)
    qtbot.keyClicks(editor, "lambda x: x.")
    qtbot.keyClicks(editor, "abs() ")
    editor.completion.offer(("abs", "clamp"), *questions[0])
    assert not editor.completion.shown


def test_escape_closes_the_list_and_keeps_the_text(qtbot: QtBot, editor: CodeEditor) -> None:
    questions = asked(editor)
    qtbot.keyClicks(editor, "x.")
    editor.completion.offer(("abs", "clamp"), *questions[0])
    qtbot.keyClick(editor.completion.popup(), Qt.Key.Key_Escape)
    assert not editor.completion.shown
    assert editor.toPlainText() == "x."


def test_in_the_window_the_newest_question_wins_and_typing_goes_on(driver: Driver, qtbot: QtBot) -> None:
    driver.open_demo()
    driver.select("transformer.h.1.mlp")
    edit: Any = driver.find(QPlainTextEdit, "controllerEdit")
    driver.window.activateWindow()
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    qtbot.keyClicks(edit, "lambda x, ctx: torch.")
    qtbot.keyClick(edit, Qt.Key.Key_Backspace)
    qtbot.keyClicks(edit, " * x.clam")
    qtbot.keyClick(edit, Qt.Key.Key_Space, Qt.KeyboardModifier.ControlModifier)
    assert edit.toPlainText() == "lambda x, ctx: torch * x.clam"
    qtbot.waitUntil(lambda: edit.completion.shown, timeout=90_000)
    assert edit.completion.currentCompletion() == "clamp"
    # A key without Ctrl: Qt would go on believing that Ctrl is held.
    qtbot.keyClick(edit.completion.popup(), Qt.Key.Key_Escape)
    assert not edit.completion.shown


def test_closing_while_names_are_looked_for_ends_at_once_and_leaves_no_process(driver: Driver, qtbot: QtBot) -> None:
    import psutil

    driver.open_demo()
    driver.select("transformer.h.1.mlp")
    edit: Any = driver.find(QPlainTextEdit, "controllerEdit")
    driver.window.activateWindow()
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    qtbot.keyClicks(edit, "lambda x: x.")
    ours = psutil.Process()

    def servers() -> list[psutil.Process]:
        return [child for child in ours.children() if "completion_server" in " ".join(child.cmdline())]

    qtbot.waitUntil(lambda: len(servers()) == 1)
    with within(2):
        driver.window.close()
    assert servers() == []


@pytest.mark.timeout(500)  # torch's stubs are read twice, and a busy machine takes its time
def test_a_completion_process_that_ends_by_itself_is_started_again(qtbot: QtBot) -> None:
    process = CompletionProcess()
    question = CompletionRequest("lambda x: math.sq", 1, 17)
    try:
        with qtbot.waitSignal(process.ready, timeout=240_000):
            process.warm_up()
        with qtbot.waitSignal(process._process.finished):
            process._process.kill()
        with qtbot.waitSignal(process.completed, timeout=240_000) as blocker:
            process.ask(CompletionRequest("lambda x: x.overtaken", 1, 5))
            process.ask(question)
        assert blocker.args == [question, ("sqrt",)]
    finally:
        process.close()
    process.warm_up()
    assert not process.running
