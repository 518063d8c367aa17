"""Controller text becomes a function, and errors point at the user's own lines."""

from __future__ import annotations

import pytest
import torch

from core_hooks.model.batch import TokenBatch
from core_hooks.model.tokens import TokenSequence
from core_hooks.model.user_controller import ControllerCodeError, UserController

ONES = torch.ones(1, 3, 2)
TOKENS = TokenSequence((1, 2, 3), ("a", "b", "c"), (False, False, False))


@pytest.mark.parametrize(
    "text",
    [
        "lambda x: x * 0.5",
        "\n\n  lambda x: x * 0.5",
        "half = 0.5\nlambda x: x * half",
        "lambda x, ctx: x * 0.5",
        "lambda x, factor=0.5: x * factor",
        "def control(x):\n    return x * 0.5",
        "def control(x, ctx):\n    return x * 0.5\n",
        "import torch\ndef helper(x):\n    return torch.mul(x, 0.5)\ndef control(x, ctx=None):\n    return helper(x)",
        "def control(*arguments):\n    return arguments[0] * 0.5",
    ],
)
def test_every_way_of_writing_a_controller_works(text: str) -> None:
    assert torch.equal(UserController("a", "h.0", text)(ONES), ONES * 0.5)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("lambda x: x *", "Invalid syntax", 1),
        ("def control(x):\n    return x +\n", "Invalid syntax", 2),
        ("x = 1\ny = x.nothing\n", "nothing", 2),
        ("import no_such_module\n", "no_such_module", 1),
        ("def other(x):\n    return x", "named `control", 0),
        ("control = 5", "named `control", 0),
        ("", "Write `lambda", 0),
        ("def control(x, ctx, more):\n    return x", "takes the tensor", 0),
        ("def control():\n    return 1", "takes the tensor", 0),
        ("x = '\x00'", "null", 0),
    ],
)
def test_text_that_is_no_controller_is_refused_with_its_line(text: str, words: str, line: int) -> None:
    with pytest.raises(ControllerCodeError, match=words) as caught:
        UserController("a", "h.0", text)
    assert caught.value.line in (line, 1 if "\x00" in text else line)


def test_control_input_is_meant_for_what_goes_in() -> None:
    ingoing = UserController("a", "h.0", "def control_input(x, ctx):\n    return x * 0.5")
    assert ingoing.acts_on_input
    assert torch.equal(ingoing(ONES), ONES * 0.5)
    assert not UserController("a", "h.0", "lambda x: x").acts_on_input
    with pytest.raises(ControllerCodeError, match="not both"):
        UserController("a", "h.0", "def control(x):\n    return x\ndef control_input(x):\n    return x")


def test_a_run_time_error_names_the_users_innermost_line() -> None:
    text = "def helper(x):\n    return x.view(7)\n\ndef control(x, ctx):\n    return helper(x)\n"
    controller = UserController("a", "h.0", text)
    with pytest.raises(RuntimeError) as caught:
        controller(ONES)
    assert controller.line_of(caught.value) == 2


def test_the_context_knows_run_step_tokens_and_positions() -> None:
    seen = []
    controller = UserController("a", "h.0", "def control(x, ctx):\n    ctx.state['seen'] = ctx.step\n    return x")
    controller.begin(4, TOKENS)
    controller(ONES)
    context = controller.context
    seen.append((context.layer, context.run, context.step, context.tokens, list(context.positions)))
    controller.set_step(1, TOKENS + TokenSequence((4,), ("d",), (False,)))
    controller(ONES[:, :1])
    seen.append((context.layer, context.run, context.step, context.tokens, list(context.positions)))
    assert seen == [("h.0", 4, 0, ("a", "b", "c"), [0, 1, 2]), ("h.0", 4, 1, ("a", "b", "c", "d"), [3])]
    assert context.state == {"seen": 1}
    controller.begin(5, TOKENS)
    assert context.state == {}


@pytest.mark.parametrize(
    ("body", "words", "line"),
    [
        ("return 'tensor'", "returned a str", 4),
        ("return None", "returned nothing", 4),
        ("pass", "returned nothing", 3),
        ("return x[:, :1]", "shape 1 × 1 × 2 where 1 × 3 × 2 is needed", 4),
        ("if x is None:\n        return x\n    return x[:, :1]", "is needed", 3),
    ],
)
def test_a_result_that_cannot_replace_the_tensor_is_refused_at_the_line_that_made_it(
    body: str, words: str, line: int
) -> None:
    controller = UserController("a", "h.0", f"import math\n\ndef control(x):\n    {body}\n")
    with pytest.raises(ControllerCodeError, match=words) as caught:
        controller(ONES)
    assert controller.line_of(caught.value) == line


def test_a_controller_knows_each_prompt_of_a_batch() -> None:
    short = TokenSequence((7,), ("z",), (False,))
    code = UserController("a", "h.0", "def control(x, ctx):\n    ctx.state['rows'] = ctx.rows\n    return x")
    code.begin(1, TokenBatch((TOKENS, short), "left"))
    code(torch.ones(2, 3, 2))
    long_row, short_row = code.context.state["rows"]
    assert (long_row.positions, long_row.columns, long_row.tokens) == (range(3), range(3), ("a", "b", "c"))
    assert (short_row.index, short_row.positions, short_row.columns) == (1, range(1), range(2, 3))
    assert short_row.token_ids == (7,)
    assert (code.context.tokens, code.context.token_ids) == ((), ())


def test_a_prompt_that_has_ended_takes_no_part_in_a_step() -> None:
    code = UserController("a", "h.0", "lambda x, ctx: x")
    code.begin(1, TokenBatch((TOKENS, TOKENS), "left"))
    longer = TOKENS + TokenSequence((4,), ("d",), (False,))
    code.set_step(1, TokenBatch((longer, TOKENS), "left"), ended=(1,))
    going, ended = code.context.rows
    assert (going.positions, going.columns, going.tokens[-1]) == (range(3, 4), range(1), "d")
    assert (len(ended.positions), len(ended.columns), ended.tokens) == (0, 0, ("a", "b", "c"))


def test_a_single_prompt_is_a_batch_of_one() -> None:
    code = UserController("a", "h.0", "lambda x, ctx: x")
    code.begin(1, TOKENS)
    (row,) = code.context.rows
    assert (row.tokens, row.positions, row.columns) == (code.context.tokens, code.context.positions, range(3))
