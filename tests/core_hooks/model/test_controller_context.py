"""What a controller is told: other sites of the run, pinned runs, vectors, strength, parts; and several in one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from core_hooks.hooks.attachment import attach
from core_hooks.model.batch import TokenBatch
from core_hooks.model.captured_values import ControllerError, GivenValues, SiteValues
from core_hooks.model.controller_context import Surroundings
from core_hooks.model.tokens import TokenSequence
from core_hooks.model.user_controller import ControllerCodeError, UserController

if TYPE_CHECKING:
    from pathlib import Path

SITES = ("", "h.0", "h.0.mlp", "h.1", "h.1.mlp")
KINDS = {"h.0": "block", "h.1.mlp": "mlp"}


def sequence(*texts: str) -> TokenSequence:
    return TokenSequence(tuple(range(len(texts))), texts, (False,) * len(texts))


TOKENS = sequence("a", "b", "c")
X = torch.arange(6.0).reshape(1, 3, 2)
OTHER = torch.arange(6.0).reshape(1, 3, 2) * 10


def values(tokens: TokenSequence = TOKENS, first: int = 0, held: torch.Tensor = OTHER) -> GivenValues:
    return GivenValues(7, tokens, {"h.0": SiteValues(held.numpy(), first)}, len(tokens))


def controller(text: str, **around: object) -> UserController:
    surroundings = Surroundings("the tokenizer", KINDS, SITES)
    for name, value in around.items():
        setattr(surroundings, name, value)
    made = UserController("a", "h.1.mlp", text, surroundings=surroundings)
    made.begin(4, TOKENS)
    return made


def test_a_captured_value_of_another_site_comes_at_the_tokens_of_x_in_its_dtype() -> None:
    code = controller("lambda x, ctx: x + ctx.capture('h.0')", run=values())
    assert torch.equal(code(X), X + OTHER)
    assert code(X.half()).dtype is torch.float16
    code.set_step(1, TOKENS + sequence("d"))
    grown = torch.cat([OTHER, torch.full((1, 1, 2), 99.0)], 1)
    code._surroundings.run = values(held=grown)
    assert torch.equal(code(X[:, :1]), X[:, :1] + 99)


def test_all_tokens_so_far_can_be_asked_for_and_what_was_forgotten_is_said() -> None:
    code = controller("lambda x, ctx: x + ctx.capture('h.0', range(ctx.positions.stop)).mean(1, True)", run=values())
    assert torch.equal(code(X), X + OTHER.mean(1, keepdim=True))
    code = controller("lambda x, ctx: x * ctx.capture('h.0')", run=values(first=2, held=OTHER[:, 2:]))
    with pytest.raises(ControllerError, match="no token at position 0: it has positions 2 to 2"):
        code(X)


def test_what_a_controller_writes_into_a_captured_value_stays_its_own() -> None:
    held = OTHER.clone()
    code = controller("def control(x, ctx):\n    ctx.capture('h.0').zero_()\n    return x", run=values(held=held))
    code(X)
    assert torch.equal(held, OTHER)


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ("h.0.mlp", "no value of 'h.0.mlp' yet: tick that module"),
        ("h.0.mpl", "no layer 'h.0.mpl'. Did you mean 'h.0.mlp'"),
    ],
)
def test_a_site_that_is_not_captured_is_a_sentence_that_says_what_to_do(site: str, words: str) -> None:
    code = controller(f"def control(x, ctx):\n    return x + ctx.capture({site!r})", run=values())
    with pytest.raises(ControllerError, match=words) as caught:
        code(X)
    assert code.line_of(caught.value) == 2


def test_a_site_that_comes_later_in_the_forward_has_no_value_yet() -> None:
    code = controller("lambda x, ctx: x + ctx.capture('h.0')", run=values(held=OTHER[:, :2]))
    with pytest.raises(ControllerError, match=r"comes to it after 'h\.1\.mlp'"):
        code(X)


def test_a_pinned_run_is_asked_by_its_letter_and_the_number_stays_a_number() -> None:
    text = "def control(x, ctx):\n    assert ctx.run == 4 and ctx.run('A').tokens == ('a', 'b', 'c'), ctx.run\n"
    code = controller(text + "    return ctx.run('A').capture('h.0')", kept={"A": values()})
    assert torch.equal(code(X), OTHER)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("ctx.run('B').capture('h.0')", r"No run is pinned as 'B' \(pinned: A\)"),
        ("ctx.run('A').capture('h.1')", r"Run A has no value of 'h\.1' \(it captured 'h\.0'\)"),
        ("ctx.run('A').capture('h.0')", "prompt of run A has 2 tokens and this one 3"),
        ("ctx.run('A').capture('h.0', positions=[0, 5, 1])", "no token at position 5: it has positions 0 to 1"),
    ],
)
def test_a_pinned_run_that_cannot_be_laid_over_this_one_says_why(ask: str, words: str) -> None:
    code = controller(f"lambda x, ctx: {ask}", kept={"A": values(sequence("a", "b"), held=OTHER[:, :2])})
    with pytest.raises(ControllerError, match=words):
        code(X)


def test_tokens_of_a_run_of_another_length_are_taken_when_they_are_named() -> None:
    held = {"A": values(sequence("a", "b"), held=OTHER[:, :2])}
    code = controller("lambda x, ctx: ctx.run('A').capture('h.0', [1, 0, 1])", kept=held)
    assert torch.equal(code(X), OTHER[:, [1, 0, 1]])


def test_what_went_into_a_module_is_asked_for_by_where() -> None:
    held = GivenValues(7, TOKENS, {}, 3, {"h.0": SiteValues(OTHER)})
    code = controller("lambda x, ctx: ctx.capture('h.0', where='input')", run=held)
    assert torch.equal(code(X), OTHER)
    with pytest.raises(ControllerError, match="no value of 'h.0' yet"):
        controller("lambda x, ctx: ctx.capture('h.0')", run=held)(X)
    with pytest.raises(ControllerError, match=r"no input of 'h\.0' yet: .*see what goes in"):
        controller("lambda x, ctx: ctx.capture('h.0', where='input')", run=values())(X)


def test_in_a_batch_a_capture_lies_where_x_lies() -> None:
    short = sequence("z")
    batch = TokenBatch((TOKENS, short), "left")
    held = values(held=torch.arange(16.0).reshape(2, 4, 2))
    code = controller("lambda x, ctx: ctx.capture('h.0')", run=held)
    code.begin(1, batch)
    assert torch.equal(code(torch.zeros(2, 3, 2)), torch.arange(16.0).reshape(2, 4, 2)[:, :3])
    code.set_step(1, TokenBatch((TOKENS, short + sequence("y")), "left"), ended=(0,))
    assert torch.equal(code(torch.zeros(2, 1, 2)), torch.arange(16.0).reshape(2, 4, 2)[:, 3:])


def test_strength_changes_between_two_calls_without_a_new_function_or_state() -> None:
    text = "def control(x, ctx):\n    ctx.state['n'] = ctx.state.get('n', 0) + 1\n    return x * ctx.strength"
    code = controller(text)
    assert torch.equal(code(X), X)
    code.strength = 2.5
    assert torch.equal(code(X), X * 2.5)
    assert code.context.state == {"n": 2}


def test_kind_rows_tokenizer_and_prompt_length_are_known() -> None:
    code = controller("lambda x, ctx: x")
    context = code.context
    assert (context.kind, len(context.rows), context.tokenizer) == ("mlp", 1, "the tokenizer")
    code.set_step(2, TOKENS + sequence("d", "e"))
    assert context.prompt_length == 3


def test_a_vector_is_read_from_safetensors_by_path_or_by_name(tmp_path: Path) -> None:
    save_file({"vector": torch.tensor([1.0, -2.0])}, tmp_path / "calm.safetensors")
    for name in (str(tmp_path / "calm.safetensors"), "calm"):
        code = controller(f"lambda x, ctx: x + ctx.strength * ctx.vector({name!r})", vector_folders=(tmp_path,))
        assert torch.equal(code(X.double()), X.double() + torch.tensor([1.0, -2.0]))
    save_file({"vector": torch.tensor([5.0, 5.0])}, tmp_path / "calm.safetensors")
    assert torch.equal(code(X), X + 5), "a file that changed is read again"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (None, "There is no vector 'calm'"),
        ({"vector": torch.ones(3)}, "has 3 channels, and x 2"),
        ({"a": torch.ones(2), "b": torch.ones(2)}, "holds no vector"),
        ({"vector": torch.tensor([1.0, float("nan")])}, "holds NaN"),
        ("garbage", "no safetensors file"),
    ],
)
def test_a_vector_that_cannot_be_used_says_why(tmp_path: Path, tensors: object, words: str) -> None:
    path = tmp_path / "calm.safetensors"
    if isinstance(tensors, dict):
        save_file(tensors, path)
    elif tensors:
        path.write_bytes(b"not safetensors at all")
    with pytest.raises(ControllerError, match=words):
        controller("lambda x, ctx: ctx.vector('calm') + x", vector_folders=(tmp_path,))(X)


class Two(torch.nn.Module):
    """Adds one, then doubles."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Identity(), torch.nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x) + 1) * 2


def test_several_controllers_in_one_text_act_each_on_its_site_and_share_their_state() -> None:
    text = (
        "@site('first')\ndef keep(x, ctx):\n    ctx.state['kept'] = x\n    return x * 10\n\n"
        "@site('sec*', where='input')\ndef change(x, ctx):\n    return x + ctx.state['kept']\n\n"
        "def control(x, ctx):\n    assert ctx.layer == ''\n    return -x\n"
    )
    model = Two()
    code = UserController("a", "", text, surroundings=Surroundings(sites=("", "first", "second")))
    code.begin(1, TOKENS)
    assert [(one.site, one.acts_on_input) for one in code.placed] == [("first", False), ("second", True), ("", False)]
    with attach(model, code.hooks()):
        assert torch.equal(model(X), -((X * 10 + 1 + X) * 2))
    assert torch.equal(model(X), (X + 1) * 2)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("@site('h.7')\ndef one(x):\n    return x", r"no layer 'h\.7'", 1),
        ("x = 1\n@site('h.0', where='middle')\ndef one(x):\n    return x", "where=", 2),
        ("@site\ndef one(x):\n    return x", "takes a dotted name", 1),
    ],
)
def test_a_site_that_is_none_is_refused_with_its_line(text: str, words: str, line: int) -> None:
    with pytest.raises(ControllerCodeError, match=words) as caught:
        _ = UserController("a", "h.0", text, surroundings=Surroundings(sites=SITES)).placed
    assert caught.value.line == line


@pytest.mark.parametrize("ending", ["exit()", "import sys; sys.exit(1)", "quit()", "raise SystemExit", "input()"])
def test_a_controller_that_would_end_the_program_raises_on_its_line_instead(ending: str) -> None:
    code = controller(f"def control(x):\n    {ending}\n    return x")
    with pytest.raises(ControllerCodeError) as caught:
        code(X)
    assert code.line_of(caught.value) == 2
    with pytest.raises(ControllerCodeError) as caught:
        UserController("a", "h.0", f"y = 1\n{ending}\nlambda x: x")
    assert caught.value.line == 2


def test_an_exception_of_its_own_that_no_except_catches_is_told_too() -> None:
    text = "class Stubborn(BaseException):\n    pass\ndef control(x):\n    raise Stubborn"
    with pytest.raises(ControllerCodeError, match="It raised Stubborn"):
        controller(text)(X)


def test_what_a_text_changes_of_the_built_in_names_is_changed_for_nobody_else() -> None:
    text = "import builtins\nbuiltins.len = lambda x: 77\ndef control(x):\n    return x * len(x)"
    assert torch.equal(controller(text)(X), X * 77)
    assert len([1]) == 1


def test_what_is_written_into_x_before_it_fails_leaves_the_tensor_alone() -> None:
    held = X.clone()
    with pytest.raises(ZeroDivisionError):
        controller("def control(x):\n    x.zero_()\n    return x / (1 // 0)")(held)
    assert torch.equal(held, X)
