"""Errors are kept and written down, however much recursion led to them."""

from __future__ import annotations

import gc
import time
import traceback
import weakref

import pytest
import torch
from torch import nn

from core_hooks import FunctionController, attach
from core_hooks.hooks.error_chain import forget_values, shorten


def recursing(depth: int, value: torch.Tensor) -> None:
    """Raise an error behind a chain of `depth` others."""
    try:
        if depth:
            recursing(depth - 1, value)
        raise ValueError("deepest")
    except ValueError:
        raise ValueError(f"at {depth}")  # noqa: B904 - a chain of contexts is what is wanted


def raised(depth: int, value: torch.Tensor) -> BaseException:
    try:
        recursing(depth, value)
    except ValueError as error:
        return error
    raise AssertionError


def chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__context__
    return found


def test_a_chain_of_hundreds_keeps_the_nearest() -> None:
    error = raised(300, torch.zeros(2))
    whole = [str(one) for one in chain(error)]
    assert len(whole) > 300
    shorten(error)
    assert [str(one) for one in chain(error)] == whole[:9]
    assert len(traceback.format_exception(error)) < 100


def test_a_long_traceback_keeps_its_ends_and_an_error_that_hides_its_context_goes_on_hiding_it() -> None:
    def down(depth: int) -> None:
        if not depth:
            raise KeyError("bottom") from None
        down(depth - 1)

    with pytest.raises(KeyError) as caught:
        down(500)
    error = caught.value
    before = traceback.extract_tb(error.__traceback__)
    shorten(error)
    after = traceback.extract_tb(error.__traceback__)
    assert error.__suppress_context__
    assert len(before) == 502
    assert [entry.lineno for entry in after] == [entry.lineno for entry in (*before[:24], *before[-24:])]


def test_what_is_short_stays_as_it_is() -> None:
    error = raised(2, torch.zeros(2))
    before = traceback.format_exception(error)
    shorten(error)
    assert traceback.format_exception(error) == before


def test_no_tensor_lives_on_in_the_error_of_a_hook_that_recursed() -> None:
    gone: list[weakref.ref[torch.Tensor]] = []

    def control(x: torch.Tensor) -> torch.Tensor:
        own = x + 1
        gone.append(weakref.ref(own))
        recursing(200, own)
        return own

    model = nn.Sequential(nn.Linear(3, 3))
    hook = FunctionController("0", control, errors="disable")
    with attach(model, {"0": hook}):
        model(torch.zeros(1, 3))
    gc.collect()
    assert hook.last_error is not None
    assert gone[0]() is None


def test_values_are_forgotten_where_the_traceback_was_cut_too() -> None:
    value = torch.zeros(2)
    gone = weakref.ref(value)
    error = raised(200, value)
    del value
    shorten(error)
    assert gone() is not None
    forget_values(error)
    gc.collect()
    assert gone() is None


def test_a_thousand_errors_are_cut_in_no_time() -> None:
    error = raised(400, torch.zeros(2))
    began = time.perf_counter()
    shorten(error)
    forget_values(error)
    # The bound only tells a walk over the chain from one that never ends.
    assert time.perf_counter() - began < 60
