import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QLabel, QListWidget, QPlainTextEdit, QPushButton

from mi_crow_gui.panels.code_brackets import bracket_pair
from mi_crow_gui.panels.code_editor import CodeEditor
from mi_crow_gui.panels.editor_panel import EditorPanel

HALVE = "lambda x: x * 0.5"


@pytest.fixture
def panel(qtbot):
    panel = EditorPanel()
    qtbot.addWidget(panel)
    panel.resize(640, 300)
    panel.show()
    return panel


@pytest.fixture
def edit(panel):
    return panel.findChild(QPlainTextEdit, "controllerEdit")


@pytest.fixture
def apply(panel):
    return panel.findChild(QPushButton, "controllerApply")


def state(panel):
    return panel.findChild(QLabel, "controllerState").text()


def problems(panel):
    shown = panel.findChild(QListWidget, "controllerProblems")
    return [shown.item(row).text() for row in range(shown.count())]


def test_without_a_site_nothing_can_be_typed_and_the_panel_says_why(panel, edit, apply):
    assert not edit.isEnabled()
    assert not apply.isEnabled()
    assert "Select a module" in edit.placeholderText()


def test_typing_is_told_with_its_site_and_apply_hands_it_over(qtbot, panel, edit, apply):
    told, applied = QSignalSpy(panel.textEdited), QSignalSpy(panel.applyRequested)
    panel.set_site("h.1")
    assert state(panel) == "empty"
    qtbot.keyClicks(edit, HALVE)
    assert told.at(told.count() - 1) == ["h.1", HALVE]
    assert state(panel) == "not applied"
    qtbot.mouseClick(apply, Qt.MouseButton.LeftButton)
    assert applied.at(0) == ["h.1", HALVE]
    panel.set_site("h.1", HALVE, HALVE)
    assert state(panel) == "applied"
    assert not apply.isEnabled()


def test_ctrl_return_applies_and_adds_no_line(qtbot, panel, edit):
    applied = QSignalSpy(panel.applyRequested)
    panel.set_site("h.1", HALVE)
    qtbot.keyClick(edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert applied.at(0) == ["h.1", HALVE]
    assert edit.toPlainText() == HALVE


def test_a_text_that_can_not_work_is_not_applied_and_its_line_is_named(qtbot, panel, edit, apply):
    panel.set_site("h.1")
    qtbot.keyClicks(edit, "lambda x: x *")
    assert not apply.isEnabled()
    qtbot.waitUntil(lambda: problems(panel) != [])
    assert problems(panel)[0].startswith("Line 1: ")
    assert edit.problem_at(5) != ""
    qtbot.keyClicks(edit, " 2")
    assert apply.isEnabled()
    qtbot.waitUntil(lambda: problems(panel) == [])
    assert edit.problem_at(5) == ""


def test_a_warning_does_not_keep_a_text_from_being_applied(panel, apply):
    panel.set_site("h.1", "lambda x: x * scale")
    assert "`scale` is not defined" in problems(panel)[0]
    assert apply.isEnabled()


def test_what_went_wrong_when_it_ran_is_shown_until_the_text_is_changed(qtbot, panel, edit, apply):
    text = "def control(x, ctx):\n    return x + y\n"
    panel.set_site("h.1", text, text)
    panel.set_runtime_error(2, "name 'y' is not defined")
    assert state(panel) == "applied, but failed"
    assert "Line 2 when it ran: name 'y' is not defined" in problems(panel)
    assert apply.isEnabled()
    qtbot.keyClicks(edit, "#")
    qtbot.waitUntil(lambda: not any("when it ran" in problem for problem in problems(panel)))


def test_a_problem_leads_to_its_line(panel, edit):
    panel.set_site("h.1", "def control(x):\n    x = x.clone()\n    return x +\n")
    shown = panel.findChild(QListWidget, "controllerProblems")
    shown.itemActivated.emit(shown.item(0))
    assert edit.textCursor().blockNumber() == 2


def test_revert_is_asked_for_only_when_there_is_something_to_go_back_from(qtbot, panel, edit):
    asked = QSignalSpy(panel.revertRequested)
    button = panel.findChild(QPushButton, "controllerRevert")
    panel.set_site("h.1", HALVE, HALVE)
    assert not button.isEnabled()
    qtbot.keyClicks(edit, " ")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert asked.at(0) == ["h.1"]


def test_an_example_is_one_click_away_while_the_text_is_empty(qtbot, panel, apply):
    panel.set_site("h.1")
    examples = panel._examples.findChildren(QPushButton)
    assert len(examples) == 2
    for example in examples:
        panel.set_site("h.1", "")
        assert panel._examples.isVisible()
        qtbot.mouseClick(example, Qt.MouseButton.LeftButton)
        assert not panel._examples.isVisible()
        assert apply.isEnabled()


def test_another_site_has_its_own_undo_and_the_same_one_keeps_the_cursor(qtbot, panel, edit):
    panel.set_site("h.1")
    qtbot.keyClicks(edit, "lambda x: x")
    edit.moveCursor(edit.textCursor().MoveOperation.Start)
    panel.set_site("h.1", "lambda x: x", "")
    assert edit.textCursor().position() == 0
    panel.set_site("h.2", "lambda x: -x")
    edit.undo()
    assert edit.toPlainText() == "lambda x: -x"


@pytest.fixture
def code(qtbot):
    code = CodeEditor()
    qtbot.addWidget(code)
    code.show()
    return code


def test_enter_keeps_the_indentation_and_deepens_it_after_a_colon(qtbot, code):
    qtbot.keyClicks(code, "def control(x):")
    qtbot.keyClick(code, Qt.Key.Key_Return)
    qtbot.keyClicks(code, "y = x  # not: deeper")
    qtbot.keyClick(code, Qt.Key.Key_Return)
    qtbot.keyClicks(code, "return y")
    assert code.toPlainText() == "def control(x):\n    y = x  # not: deeper\n    return y"


def test_tab_and_shift_tab_move_the_selected_lines(qtbot, code):
    code.setPlainText("a\nb\n\nc")
    code.selectAll()
    qtbot.keyClick(code, Qt.Key.Key_Tab)
    assert code.toPlainText() == "    a\n    b\n\n    c"
    code.selectAll()
    qtbot.keyClick(code, Qt.Key.Key_Backtab)
    assert code.toPlainText() == "a\nb\n\nc"
    code.undo()
    assert code.toPlainText() == "    a\n    b\n\n    c"


def test_backspace_takes_back_a_whole_indentation(qtbot, code):
    code.setPlainText("        x")
    cursor = code.textCursor()
    cursor.setPosition(8)
    code.setTextCursor(cursor)
    qtbot.keyClick(code, Qt.Key.Key_Backspace)
    assert code.toPlainText() == "    x"


@pytest.mark.parametrize(
    ("text", "cursor", "pair"),
    [
        ("f(x[0])", 2, (1, 6)),
        ("f(x[0])", 7, (6, 1)),
        ("f(x[0]", 1, (1, -1)),
        ("(]", 2, (1, -1)),
        ("('(')", 5, (4, 0)),
        ("# (", 3, None),
        ('"""(\n"""()', 9, (8, 9)),
        ("abc", 1, None),
    ],
)
def test_a_bracket_finds_its_partner_outside_of_text_and_comments(text, cursor, pair):
    assert bracket_pair(text, cursor) == pair


def formats(code, line):
    layout = code.document().findBlockByNumber(line).layout()
    return [(part.start, part.length, part.format.foreground().color().name()) for part in layout.formats()]


def test_a_text_over_several_lines_is_coloured_to_its_end(code):
    code.setPlainText('def f():\n    """one\n    two"""\n    return 1')
    first, second, last = formats(code, 1), formats(code, 2), formats(code, 3)
    assert first[0][:2] == (4, 6)
    assert second[0][:2] == (0, 10)
    assert first[0][2] == second[0][2] != last[0][2]
