"""Variants as rows of batches: the same numbers as one forward each, cancelled and failing as they should."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack

import pytest
import torch

from core_hooks import FunctionController, LayerActivationDetector, RunCancelled, attach, hooks_of
from core_hooks.analysis import sweep as sweep_module
from core_hooks.analysis.base_run import forward_rows, rows_that_fit, run_base
from core_hooks.analysis.branching import Grower
from core_hooks.analysis.metrics import Loss, Probability
from core_hooks.analysis.sweep import Edit, Variant, sweep
from core_hooks.analysis.taps import Site
from core_hooks.model.errors import ModelError
from tests.core_hooks.analysis.subjects import CAUSAL, FOUR, IDS, Subject, hooked, lively


def scaled(subject: Subject, count: int = 6) -> list[Variant]:
    """Variants that scale what one block or another returns."""

    def edit(number: int) -> Edit:
        def change(row: torch.Tensor) -> None:
            row *= 1 + number / 4

        block = number % 3
        return Edit(block, Site(subject.anatomy.blocks[block].path), change)

    return [Variant((0, number), (edit(number),)) for number in range(count)]


@pytest.mark.parametrize("family", CAUSAL)
def test_each_variant_measures_what_one_forward_with_one_plain_hook_does(family: str) -> None:
    subject = lively(family)
    found = sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject), Loss())
    for number in range(6):
        site = subject.module(subject.anatomy.blocks[number % 3].path)
        with hooked(site, lambda tensor, number=number: tensor * (1 + number / 4)):
            assert found.values[0, number] == pytest.approx(subject.loss(), abs=1e-4)
    assert found.failures == {}


def rows_seen(subject: Subject, variants: list[Variant]) -> list[list[int]]:
    """How many rows each block was given in each forward of a sweep."""
    seen: list[list[int]] = [[] for _ in subject.anatomy.blocks]
    with ExitStack() as stack:
        for block, rows in zip(subject.anatomy.blocks, seen, strict=True):
            count = lambda tensor, rows=rows: rows.append(tensor.shape[0])  # noqa: E731
            stack.enter_context(hooked(subject.module(block.path), count, before=True))
        sweep(subject.opened, subject.anatomy, subject.tokens(), variants, Loss())
    return seen


@pytest.mark.parametrize("family", FOUR)
def test_what_comes_before_the_first_edit_is_computed_once_for_all(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "_proved", {})
    # Two variants change what each block returns, and one more row branches off before the last to be checked.
    assert rows_seen(lively(family), scaled(lively(family))) == [[1], [3], [6]]
    # It is checked once.
    assert rows_seen(lively(family), scaled(lively(family))) == [[1], [3], [5]]


@pytest.mark.parametrize("family", FOUR)
def test_a_row_goes_through_its_own_block_only_from_its_edit_on(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively(family)
    blocks = subject.anatomy.blocks
    monkeypatch.setattr(sweep_module, "_proved", {subject.model: {(True, False), (True, True)}})

    def seen(sites: list[Site], watched: str) -> list[int]:
        rows: list[int] = []
        variants = [Variant((0, n), (Edit(1, site, lambda row: row.mul_(2)),)) for n, site in enumerate(sites)]
        with hooked(subject.module(watched), lambda tensor: rows.append(tensor.shape[0])):
            sweep(subject.opened, subject.anatomy, subject.tokens(), variants, Loss())
        return rows

    head, mlp = Site(blocks[1].output_projection, before=True), Site(blocks[1].mlp)
    assert seen([head, head], blocks[1].attention) == [3]  # the rows are back when it returns
    query = next(path for path in ("q_proj", "c_attn", "query_key_value") if has(subject, blocks[1].attention, path))
    assert seen([head, head], f"{blocks[1].attention}.{query}") == [1]
    assert seen([mlp, mlp], f"{blocks[1].attention}.{query}") == [1]
    inner = next(name for name in ("up_proj", "c_fc", "dense_h_to_4h") if has(subject, blocks[1].mlp, name))
    assert seen([mlp, mlp], f"{blocks[1].mlp}.{inner}") == [1]
    assert seen([head, mlp], f"{blocks[1].mlp}.{inner}") == [3]
    assert seen([Site(f"{blocks[1].attention}.{query}")], f"{blocks[1].attention}.{query}") == [2]


def has(subject: Subject, path: str, name: str) -> bool:
    return any(child == name for child, _ in subject.module(path).named_children())


@pytest.mark.parametrize("family", FOUR)
def test_an_edit_is_told_what_the_unchanged_forward_holds(family: str) -> None:
    subject = lively(family)
    block = subject.anatomy.blocks[1].path
    given, returned = Site(block, before=True), Site(block)

    def skip(row: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> None:
        torch.testing.assert_close(row, after)
        row[:] = before

    edit = Edit(1, returned, skip, (given, returned))
    found = sweep(subject.opened, subject.anatomy, subject.tokens(), [Variant((0, 0), (edit,))] * 2, Loss())
    kept: list[torch.Tensor] = []
    with hooked(subject.module(block), lambda tensor: kept.append(tensor.clone()), before=True):
        subject.logits()
    with hooked(subject.module(block), lambda tensor: kept[0]):
        assert found.values[0, 0] == pytest.approx(subject.loss(), abs=1e-4)


def test_a_model_that_takes_no_batch_that_grows_is_run_with_whole_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively("gpt2")
    wanted = sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject), Loss())

    def refuse(self: object, held: torch.Tensor) -> torch.Tensor:
        if self.rows:  # type: ignore[attr-defined]
            raise RuntimeError("the mask does not fit")
        return held

    monkeypatch.setattr(sweep_module, "_proved", {})
    monkeypatch.setattr(Grower, "__call__", refuse)
    found = sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject), Loss())
    assert rows_seen(subject, scaled(subject)) == [[1, 7], [7], [7]]
    assert found.values == pytest.approx(wanted.values, abs=1e-5)
    assert found.failures == {}


def test_a_batch_whose_rows_do_not_come_out_as_they_should_is_run_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively("gpt2")
    wanted = sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject), Loss())

    def mistaken(self: object, held: torch.Tensor) -> torch.Tensor:
        added = held[:1].expand(self.rows, *held.shape[1:])  # type: ignore[attr-defined]
        return torch.cat([held, added * 1.5])

    monkeypatch.setattr(sweep_module, "_proved", {})
    monkeypatch.setattr(Grower, "__call__", mistaken)
    found = sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject), Loss())
    assert found.values == pytest.approx(wanted.values, abs=1e-5)


@pytest.mark.parametrize("family", FOUR)
def test_the_last_token_alone_is_measured_alike(family: str) -> None:
    subject = lively(family)
    wanted = float(subject.logits()[-1].softmax(-1)[7])
    base = run_base(subject.opened, subject.tokens(), last_only=True)
    assert base.logits.shape[1] == 1
    assert float(Probability(7)(base.logits, IDS)[0]) == pytest.approx(wanted, abs=1e-6)


def test_a_variant_that_fails_is_nan_with_the_reason_and_the_others_are_measured() -> None:
    subject = lively("gpt2")
    variants = scaled(subject)

    def fail(row: torch.Tensor) -> None:
        raise ZeroDivisionError("there is nothing to divide")

    def spoil(row: torch.Tensor) -> None:
        row[0] = math.nan

    site = Site("transformer.h.1")
    variants[1] = Variant((0, 1), (Edit(1, site, fail),))
    variants[4] = Variant((0, 4), (Edit(1, site, spoil),))
    found = sweep(subject.opened, subject.anatomy, subject.tokens(), variants, Loss())
    assert {place for place, value in found.values.items() if math.isnan(value)} == {(0, 1), (0, 4)}
    assert "there is nothing to divide" in found.failures[0, 1]
    assert found.failures[0, 4] == "The loss (nats) is not a number: the logits hold NaN or infinity."
    assert set(found.failures) == {(0, 1), (0, 4)}


def test_a_metric_that_cannot_be_measured_is_said_at_once_and_is_no_cells_failure() -> None:
    subject = lively("gpt2")
    with pytest.raises(ModelError, match="no position 40 in 7 tokens"):
        sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject), Probability(3, 40))
    assert not any(hooks_of(module) for module in subject.model.modules())


def test_a_batch_too_large_for_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively("gpt2")
    rows_run: list[int] = []

    def scarce(opened: object, tokens: object, rows: int, **options: object) -> torch.Tensor:
        logits = forward_rows(opened, tokens, rows, **options)  # type: ignore[arg-type]
        if logits.shape[0] > 4:
            raise torch.OutOfMemoryError("out of memory")
        rows_run.append(logits.shape[0])
        return logits

    wanted = sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject, 12), Loss())
    monkeypatch.setattr(sweep_module, "forward_rows", scarce)
    found = sweep(subject.opened, subject.anatomy, subject.tokens(), scaled(subject, 12), Loss())
    assert max(rows_run) == 4
    assert found.failures == {}
    assert found.values == pytest.approx(wanted.values, abs=1e-5)


def test_progress_counts_every_variant_once_and_cancelling_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively("gpt2")
    monkeypatch.setattr(sweep_module, "rows_that_fit", lambda *_: 3)
    seen: list[tuple[int, int]] = []
    cancel = threading.Event()

    def watch(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 4:
            cancel.set()

    with pytest.raises(RunCancelled):
        sweep(
            subject.opened, subject.anatomy, subject.tokens(), scaled(subject), Loss(), on_progress=watch, cancel=cancel
        )
    assert seen == [(2, 6), (4, 6)]
    assert not any(hooks_of(module) for module in subject.model.modules())


def test_cancelling_reaches_into_a_forward() -> None:
    subject = lively("gpt2")
    cancel = threading.Event()

    def change(row: torch.Tensor) -> None:
        cancel.set()

    with pytest.raises(RunCancelled):
        sweep(
            subject.opened,
            subject.anatomy,
            subject.tokens(),
            [Variant((0, 0), (Edit(0, Site("transformer.h.0"), change),))],
            Loss(),
            cancel=cancel,
        )


def test_what_the_user_attached_looks_away_and_acts_again_afterwards() -> None:
    subject = lively("gpt2")
    clean = run_base(subject.opened, subject.tokens())
    zero, off = FunctionController("x", torch.zeros_like), FunctionController("x", torch.zeros_like)
    watcher = LayerActivationDetector("transformer.h.2")
    off.disable()
    with attach(subject.model, {"transformer.h.0": (zero, off), "transformer.h.2": watcher}):
        base = run_base(subject.opened, subject.tokens())
        assert torch.equal(base.logits, clean.logits)
        assert watcher.get_captured() is None
        assert (zero.enabled, off.enabled, watcher.enabled) == (True, False, True)
        assert not torch.equal(subject.logits(), clean.logits[0])


def test_rows_fit_the_budget() -> None:
    subject = lively("gpt2")
    assert rows_that_fit(subject.opened, IDS, last_only=False) == 64
    assert rows_that_fit(subject.opened, IDS, last_only=False, budget=1) == 1


def test_what_cannot_be_measured_is_said() -> None:
    subject = lively("t5")
    with pytest.raises(ModelError, match="one stack"):
        run_base(subject.opened, subject.tokens())
    gpt2 = lively("gpt2")
    with pytest.raises(ModelError, match="empty"):
        run_base(gpt2.opened, gpt2.tokens([]))
