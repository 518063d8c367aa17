import pytest
from PySide6.QtGui import QAction
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QDoubleSpinBox, QPlainTextEdit, QPushButton, QSpinBox

from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.panels.output_view import OutputView
from mi_crow_gui.panels.prompt_panel import PromptPanel

EXAMPLES = [("Twice", "a b a b", "The second a b is guessed."), ("Once", "a b", "Nothing repeats.")]


@pytest.fixture
def panel(qtbot):
    panel = PromptPanel()
    qtbot.addWidget(panel)
    panel.resize(600, 800)
    panel.show()
    return panel


@pytest.fixture
def edit(panel):
    return panel.findChild(QPlainTextEdit, "promptEdit")


def test_typing_is_told_and_what_is_set_is_not(qtbot, panel, edit):
    told = QSignalSpy(panel.promptChanged)
    panel.set_prompt("one ")
    assert told.count() == 0
    edit.moveCursor(edit.textCursor().MoveOperation.End)
    qtbot.keyClicks(edit, "two")
    assert told.at(told.count() - 1) == ["one two"]
    assert panel.prompt == "one two"


def test_showing_what_is_there_already_leaves_the_cursor(qtbot, panel, edit):
    qtbot.keyClicks(edit, "abc")
    edit.moveCursor(edit.textCursor().MoveOperation.Start)
    panel.set_prompt("abc")
    assert edit.textCursor().position() == 0


def test_the_field_grows_with_its_text_to_four_lines(panel, edit):
    heights = []
    for lines in (1, 2, 4, 9):
        panel.set_prompt("\n".join(["x"] * lines))
        heights.append(edit.sizeHint().height())
    assert heights[0] < heights[1] < heights[2] == heights[3]


def test_settings_are_told_as_one_value_and_keep_what_is_not_shown(panel):
    told = QSignalSpy(panel.generationChanged)
    panel.set_generation(GenerationSettings(max_new_tokens=7, temperature=0.5, top_k=20, seed=3))
    assert told.count() == 0
    panel.findChild(QSpinBox, "maxNewTokens").setValue(12)
    panel.findChild(QDoubleSpinBox, "temperature").setValue(0.8)
    panel.findChild(QSpinBox, "seed").setValue(9)
    assert told.at(2) == [GenerationSettings(max_new_tokens=12, temperature=0.8, top_k=20, seed=9)]
    assert panel.generation == told.at(2)[0]


def test_an_example_is_taken_over_and_says_what_to_look_for(qtbot, panel, edit):
    told = QSignalSpy(panel.promptChanged)
    panel.set_examples(EXAMPLES)
    menu = panel.findChild(QPushButton, "examplePrompts").menu()
    assert [action.text() for action in menu.actions()] == ["Twice", "Once"]
    action = menu.actions()[0]
    assert isinstance(action, QAction)
    action.trigger()
    assert panel.prompt == "a b a b"
    assert told.at(told.count() - 1) == ["a b a b"]
    assert panel._hint.text() == "The second a b is guessed."
    assert panel._hint.isVisible()
    qtbot.keyClicks(edit, "!")
    assert not panel._hint.isVisible()
    edit.undo()
    edit.undo()
    assert panel.prompt == ""


def test_a_low_window_keeps_to_two_rows_of_tokens_short_labels_and_the_advice_in_a_tooltip(qtbot, panel, edit):
    panel.set_examples(EXAMPLES)
    panel.set_prompt("a b a b")
    panel.set_tokens([f"word{n}" for n in range(60)])
    strip = panel._strip
    assert strip.heightForWidth(500) > 80
    panel.resize(600, 700)
    qtbot.waitUntil(lambda: strip.heightForWidth(500) < 64)
    assert [label.text() for label, _, _ in panel._labels] == ["New", "Temp.", "Seed"]
    assert not panel._hint.isVisible()
    assert edit.toolTip() == "The second a b is guessed."
    panel.resize(600, 900)
    qtbot.waitUntil(lambda: panel._hint.isVisible())
    assert [label.text() for label, _, _ in panel._labels] == ["New tokens", "Temperature", "Seed"]


def test_the_legend_is_there_only_with_a_measure(panel):
    panel.set_tokens(["a", "b"])
    assert not panel._legend.isVisible()
    panel.set_measure("loss", [0.5, 3.0], "nats")
    assert panel._legend.isVisible()
    assert panel._legend.accessibleName() == "Tokens are coloured by loss, nats, 0.5000 to 3.000"
    panel.set_tokens(["other"])
    assert not panel._legend.isVisible()


def test_output_comes_token_by_token_and_starts_anew_with_a_prompt(qtbot):
    view = OutputView()
    qtbot.addWidget(view)
    view.set_text("When Mary")
    view.append_token(" went")
    view.append_token(" home")
    assert view.toPlainText() == "When Mary went home"
    assert view.generated == " went home"
    first, last = view.textCursor(), view.textCursor()
    first.setPosition(3)
    last.setPosition(15)
    assert first.charFormat().foreground() != last.charFormat().foreground()
    view.set_text("Next")
    assert view.toPlainText() == "Next"
    assert view.generated == ""
