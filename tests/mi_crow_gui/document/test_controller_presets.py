"""Every preset, run as the engine runs it and computed a second way with numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core_hooks.model.batch import TokenBatch
from core_hooks.model.captured_values import ControllerError, GivenValues, SiteValues
from core_hooks.model.controller_context import Surroundings
from core_hooks.model.tokens import TokenSequence
from core_hooks.model.user_controller import UserController
from mi_crow_gui.document.controller_presets import HEAD, PRESETS, SITE, STEPS, TOKENS, Scope, preset_text
from mi_crow_gui.document.controller_source import check

NAMES = [one.name for one in PRESETS]
SCOPES = [Scope(SITE), Scope(TOKENS), Scope(STEPS), Scope(HEAD, head=2, head_dim=4)]
LENGTH, WIDTH = 6, 16
OTHER = np.random.default_rng(1).normal(size=(1, LENGTH + 1, WIDTH)).astype(np.float32)
DIRECTION = np.arange(WIDTH, dtype=np.float32) + 1


class Known(Surroundings):
    """Where any vector that is named can be found."""

    def vector(self, name_or_path: str) -> torch.Tensor:
        return torch.from_numpy(DIRECTION)


def values(length: int = LENGTH) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(1, length, WIDTH)) * 3).astype(np.float32)


def controller(name: str, scope: Scope) -> UserController:
    tokens = one_more()
    around = Known()
    kept = {"h.0": SiteValues(OTHER)}
    around.kept = {"A": GivenValues(3, tokens, kept, LENGTH, kept)}
    made = UserController("preset", "h.0", preset_text(name, scope), strength=2.0, surroundings=around)
    made.begin(1, TokenSequence(tuple(range(LENGTH)), ("a",) * LENGTH, (False,) * LENGTH))
    return made


def one_more() -> TokenSequence:
    return TokenSequence(tuple(range(LENGTH + 1)), ("a",) * (LENGTH + 1), (False,) * (LENGTH + 1))


def by_numpy(name: str, scope: Scope, part: np.ndarray) -> np.ndarray:
    if name == "vector":
        return part + 2 * (DIRECTION[8:12] if scope.kind == HEAD else DIRECTION)
    if name == "replace":
        return part_of(scope, OTHER[:, :LENGTH])
    if name == "scale":
        return part / 2
    if name == "zero":
        return 0 * part
    if name == "mean":
        return np.broadcast_to(part.sum(axis=1, keepdims=True) / part.shape[1], part.shape)
    if name == "clamp":
        return np.minimum(np.maximum(part, -3), 3)
    if name == "noise":
        noise = torch.randn(part.shape, generator=torch.Generator().manual_seed(0)).numpy()
        return part + 0.1 * part.std() * noise
    result = part.copy()
    result[..., 0] = part[..., 0] + 4 if name == "add" else 0
    return result


def part_of(scope: Scope, array: np.ndarray) -> np.ndarray:
    if scope.kind == HEAD:
        return array[..., 8:12]
    return array[:, :4] if scope.kind == TOKENS else array


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.kind)
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_has_no_problem_and_does_what_it_says_to_its_part_alone(name: str, scope: Scope) -> None:
    assert check(preset_text(name, scope)) == ()
    x = values()
    expected = x.copy()
    part_of(scope, expected)[...] = by_numpy(name, scope, part_of(scope, x))
    given = torch.from_numpy(x.copy())
    result = controller(name, scope)(given)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(given.numpy(), x, "the tensor that came in is not written to")
    assert not np.array_equal(result.numpy(), x)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_of_a_head_acts_on_what_goes_in_and_any_other_on_what_comes_out(name: str) -> None:
    assert [controller(name, scope).acts_on_input for scope in SCOPES] == [False, False, False, True]


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.kind)
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_keeps_working_in_half_precision_and_while_tokens_are_generated(name: str, scope: Scope) -> None:
    made = controller(name, scope)
    made(torch.from_numpy(values()).to(torch.bfloat16))
    made.set_step(1, one_more())
    last = torch.from_numpy(values(1)).to(torch.bfloat16)
    result = made(last)
    assert result.dtype == torch.bfloat16
    assert bool(torch.isfinite(result).all())
    assert torch.equal(result, last) == (scope.kind in (TOKENS, STEPS)), "the new token is no part of either"


def test_the_mean_of_the_prompt_stays_in_place_for_generated_tokens() -> None:
    made, x = controller("mean", Scope(SITE)), values()
    made(torch.from_numpy(x))
    made.set_step(1, one_more())
    result = made(torch.from_numpy(values(1)))
    np.testing.assert_allclose(result.numpy()[0, 0], x[0].mean(axis=0), rtol=1e-5, atol=1e-6)


def test_a_saved_vector_is_named_in_the_text_whatever_its_path_holds() -> None:
    text = preset_text("vector", Scope(SITE), vector='C:\\my "best"\\calm.safetensors')
    assert check(text) == ()
    assert 'VECTOR = "C:\\\\my \\"best\\"\\\\calm.safetensors"' in text


def test_noise_is_the_same_in_every_run() -> None:
    x = torch.from_numpy(values())
    assert torch.equal(controller("noise", Scope(SITE))(x), controller("noise", Scope(SITE))(x))


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.kind)
def test_what_is_replaced_in_a_batch_follows_the_tokens_of_each_prompt_however_the_runs_are_padded(
    scope: Scope,
) -> None:
    rows = tuple(TokenSequence(tuple(range(n)), ("a",) * n, (False,) * n) for n in (5, 2, 4))
    now, then = TokenBatch(rows, "right"), TokenBatch(rows, "left")
    kept = np.random.default_rng(1).normal(size=(3, 5, WIDTH)).astype(np.float32)
    held = {"h.0": SiteValues(kept)}
    around = Surroundings()
    around.kept = {"A": GivenValues(3, rows[0], held, 5, held, then.spans)}
    made = UserController("preset", "h.0", preset_text("replace", scope), surroundings=around)
    made.begin(1, now)
    x = np.random.default_rng(2).normal(size=(3, 5, WIDTH)).astype(np.float32)
    expected = x.copy()
    for number, row in enumerate(rows):
        for at in range(len(row)):
            if scope.kind == TOKENS and at > 3:
                continue
            channels = slice(8, 12) if scope.kind == HEAD else slice(None)
            expected[number, at, channels] = kept[number, 5 - len(row) + at, channels]
    np.testing.assert_array_equal(made(torch.from_numpy(x)).numpy(), expected)


def test_a_prompt_that_the_other_run_has_none_for_or_of_another_length_is_refused_in_a_sentence() -> None:
    rows = tuple(TokenSequence(tuple(range(n)), ("a",) * n, (False,) * n) for n in (3, 2))
    held = {"h.0": SiteValues(OTHER)}
    around = Surroundings()
    made = UserController("preset", "h.0", preset_text("replace", Scope(SITE)), surroundings=around)
    made.begin(1, TokenBatch(rows))
    around.kept = {"A": GivenValues(3, rows[0], held, 3)}
    with pytest.raises(ControllerError, match="has a single prompt, and there is none to lay over prompt 2"):
        made(torch.zeros(2, 3, WIDTH))
    around.kept = {"A": GivenValues(3, rows[0], held, 3, spans=(range(3), range(3)))}
    with pytest.raises(ControllerError, match="Prompt 2 of run A has 3 tokens and this one 2"):
        made(torch.zeros(2, 3, WIDTH))
