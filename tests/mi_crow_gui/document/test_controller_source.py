from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_crow_gui.document.controller_source import LARGEST_TEXT, check, describe

GOOD = [
    "lambda x: x * 0.5",
    "lambda x, ctx: x if ctx.step else -x",
    "lambda x, scale=2, *, k=1: scale * x",
    "def control(x):\n    return x",
    "def control(x, ctx):\n    return x * math.sqrt(2)",
    "def control(*everything):\n    return everything[0]",
    "import torch.nn.functional as F\nlambda x: F.relu(x)",
    "def twice(x):\n    return 2 * x\n\ndef control(x):\n    return twice(x)",
    "control = lambda x: torch.tanh(x)",
    "import functools\n\n@functools.cache\ndef control(a, b, c):\n    return a",
    "    def control(x):\n        return x",
    "lambda x: (\n    x  # half of it\n    * 0.5\n)",
    "k = 2\ndef control(x):\n    return [y * k for y in x][0]",
    "def control(x):\n    global seen\n    seen = x\n    return seen",
    "def control(x):\n    raise ValueError('never')",
    "if True:\n    def control(x):\n        return x",
    "from math import *\nlambda x: x * tau",
    "def control(x):\r\n    return x\r\n",
]

NOT_ONE = [
    ("", 1, "There is no controller yet"),
    ("# nothing but a comment", 1, "There is no controller yet"),
    ("x * 0.5", 1, "This is an expression, not a function"),
    ("k = 2", 1, "Nothing here can act on a tensor"),
    ("import math\ndef steer(x):\n    return x", 2, "Name the function that acts `control`, not `steer`"),
    ("lambda x: x\nprint(1)", 2, "The lambda must be the last statement"),
    ("lambda: 3", 1, "this takes 0"),
    ("lambda x, y, z: x", 1, "this takes 3"),
    ("def control(x, *, k):\n    return x", 1, "must take the tensor"),
    ("k = 1\nasync def control(x):\n    return x", 2, "can't be async"),
    ("def control(x):\n    yield x", 1, "can't use yield"),
    ("lambda x: (x", 1, "was never closed"),
    ("def control(x)\n    return x", 1, "Expected ':'"),
    ("def control(x):\n    return x +\n", 2, "Python does not understand this"),
    ("def control(x):\n    k = 1\n      return x", 3, "indented further"),
    ("return 3", 1, "outside function"),
    ("lambda x: 'a\0b'", 1, "character that no program text can hold"),
    ("lambda x: x +\\\n'\ud800'", 2, "character that no program text can hold"),
]

WARNED = [
    ("def control(x):\n    x * 2", 1, "has no return"),
    ("lambda x: np.tanh(x)", 1, "`np` is not defined here"),
    ("lambda x: x\nlambda x: 2 * x", 1, "This lambda is not used"),
    ("lambda x: x is 0", 1, 'Did you mean "=="?'),
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_editor_takes_has_no_problems(text):
    assert check(text) == ()


@pytest.mark.parametrize(("text", "line", "words"), NOT_ONE)
def test_what_cannot_act_is_said_in_words_with_its_line(text, line, words):
    problem = check(text)[0]
    assert (problem.line, problem.severity) == (line, "error")
    assert words in problem.message


@pytest.mark.parametrize(("text", "line", "words"), WARNED)
def test_what_is_odd_is_a_warning(text, line, words):
    (problem,) = check(text)
    assert (problem.line, problem.severity) == (line, "warning")
    assert words in problem.message


def test_a_problem_marks_the_users_own_columns_in_spite_of_indentation_and_accents():
    text = "    def control(x):\n        é = x\n        return é * gone"
    (problem,) = check(text)
    assert text.splitlines()[2][problem.column : problem.end_column] == "gone"


def test_a_syntax_error_marks_where_python_found_it():
    text = "    lambda x: (x"
    (problem,) = check(text)
    assert text[problem.column : problem.end_column] == "("


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1000,
        "-" * 100_000 + "1",
        "lambda x: x" + ".a" * 90_000,
        "lambda x: " + "+".join(["x"] * 60_000),
        "lambda x: " + "[" * 150 + "x" + "]" * 150 + "(",
        "".join(" " * depth + "if 1:\n" for depth in range(200)),
    ],
    ids=["parentheses", "signs", "attributes", "sums", "brackets", "blocks"],
)
def test_text_nested_too_deeply_is_one_problem(text):
    problems = check(text)
    assert [problem.severity for problem in problems] == ["error"]


def test_a_huge_text_is_refused_without_being_read():
    (problem,) = check("lambda x: x\n" + "#" * LARGEST_TEXT)
    assert "longer than 200,000 characters" in problem.message


def test_checking_runs_nothing():
    text = "import antigravity_of_nobody\nraise SystemExit\nlambda x: x"
    assert check(text) == ()


pieces = st.lists(
    st.sampled_from(
        ["lambda x: ", "def control(x, ctx):", "\n", "    ", "return ", "x", "(", ")", "é", "'", "\r", "\t", "if ", "=",
         "yield ", "class A:", "global x", "import y", "*", ":", "\\", "#", "\0", "\f",
         "async ", "nonlocal x", "control"]
    ),
    max_size=20,
).map("".join)  # fmt: skip


@given(pieces | st.text(max_size=40))
def test_any_text_gives_problems_that_lie_within_it(text):
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in check(text):
        assert 1 <= problem.line <= len(lines)
        assert 0 <= problem.column <= problem.end_column <= len(lines[problem.line - 1]) + 1
        assert problem.message[-1] in ".?!"
    assert "\n" not in describe(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lambda x: x * 0.5", "lambda x: x * 0.5"),
        ("import math\n\nlambda x: (\n    x * 2\n)", "lambda x: ( x * 2 )"),
        ("def control(x, ctx):\n    return x", "control(x, ctx), 2 lines"),
        ("def control(x): return x", "control(x), 1 line"),
        ('def control(x):\n    """Halve it.\n\n    Always.\n    """\n    return x / 2', "Halve it."),
        ("\n  broken (", "broken ("),
        ("  \n", "empty"),
    ],
)
def test_a_controller_is_described_in_one_line(text, line):
    assert describe(text) == line


def test_a_function_for_the_input_is_a_controller_too() -> None:
    assert check("def control_input(x, ctx):\n    return x * 0\n") == ()
    assert describe("def control_input(x):\n    return x\n") == "control_input(x), 2 lines"
