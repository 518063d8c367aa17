"""Variants as rows of batches: the same numbers as one forward each, cancelled and failing as they should."""

from __future__ import annotations

import math
import threading

import pytest
import torch

from core_hooks import FunctionController, LayerActivationDetector, RunCancelled, attach, hooks_of
from core_hooks.analysis import sweep as sweep_module
from core_hooks.analysis.base_run import Site, can_skip, rows_that_fit, run_base, run_rows, skipping
from core_hooks.analysis.metrics import Loss, Probability
from core_hooks.analysis.sweep import Edit, Variant, sweep
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
    base = run_base(subject.opened, subject.anatomy, subject.tokens())
    found = sweep(subject.opened, subject.anatomy, base, scaled(subject), Loss())
    for number in range(6):
        site = subject.module(subject.anatomy.blocks[number % 3].path)
        with hooked(site, lambda tensor, number=number: tensor * (1 + number / 4)):
            assert found.values[0, number] == pytest.approx(subject.loss(), abs=1e-4)
    assert found.failures == {}


@pytest.mark.parametrize("family", CAUSAL)
def test_blocks_can_be_skipped_and_compute_again_afterwards(family: str) -> None:
    subject = lively(family)
    own = subject.logits()
    base = run_base(subject.opened, subject.anatomy, subject.tokens())
    assert can_skip(subject.opened, subject.anatomy, base, last_only=False)
    block = subject.module(subject.anatomy.blocks[0].path)
    with skipping(subject.opened, subject.anatomy, base, len(base.block_outputs), 3):
        assert "forward" in vars(block)
        torch.testing.assert_close(run_rows(subject.opened, subject.tokens(), 3, {}), own.expand(3, -1, -1))
    assert "forward" not in vars(block)
    assert torch.equal(subject.logits(), own)


def test_a_model_whose_blocks_pass_more_than_they_return_is_computed_whole() -> None:
    subject = lively("gpt2")
    base = run_base(subject.opened, subject.anatomy, subject.tokens())
    wrong = type(base)(base.tokens, base.logits + 1, base.values, base.block_outputs)
    assert not can_skip(subject.opened, subject.anatomy, wrong, last_only=False)
    broken = type(base)(base.tokens, base.logits, base.values, (None,) * 3)
    assert not can_skip(subject.opened, subject.anatomy, broken, last_only=False)
    assert torch.isfinite(subject.logits()).all()


@pytest.mark.parametrize("family", FOUR)
def test_the_last_token_alone_is_measured_alike(family: str) -> None:
    subject = lively(family)
    wanted = float(subject.logits()[-1].softmax(-1)[7])
    base = run_base(subject.opened, subject.anatomy, subject.tokens(), last_only=True)
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
    base = run_base(subject.opened, subject.anatomy, subject.tokens())
    found = sweep(subject.opened, subject.anatomy, base, variants, Loss())
    assert {place for place, value in found.values.items() if math.isnan(value)} == {(0, 1), (0, 4)}
    assert "there is nothing to divide" in found.failures[0, 1]
    assert found.failures[0, 4] == "The loss (nats) is not a number: the logits hold NaN or infinity."
    assert set(found.failures) == {(0, 1), (0, 4)}


def test_a_batch_too_large_for_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively("gpt2")
    rows_run: list[int] = []

    def scarce(opened: object, tokens: object, rows: int, *args: object, **options: object) -> torch.Tensor:
        if rows > 2:
            raise torch.OutOfMemoryError("out of memory")
        rows_run.append(rows)
        return run_rows(opened, tokens, rows, *args, **options)  # type: ignore[arg-type]

    base = run_base(subject.opened, subject.anatomy, subject.tokens())
    wanted = sweep(subject.opened, subject.anatomy, base, scaled(subject, 12), Loss())
    monkeypatch.setattr(sweep_module, "run_rows", scarce)
    found = sweep(subject.opened, subject.anatomy, base, scaled(subject, 12), Loss())
    assert max(rows_run) == 2
    assert found.failures == {}
    assert found.values == pytest.approx(wanted.values, abs=1e-5)


def test_progress_counts_every_variant_once_and_cancelling_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lively("gpt2")
    monkeypatch.setattr(sweep_module, "rows_that_fit", lambda *_: 2)
    base = run_base(subject.opened, subject.anatomy, subject.tokens())
    seen: list[tuple[int, int]] = []
    cancel = threading.Event()

    def watch(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 4:
            cancel.set()

    with pytest.raises(RunCancelled):
        sweep(subject.opened, subject.anatomy, base, scaled(subject), Loss(), on_progress=watch, cancel=cancel)
    assert seen == [(2, 6), (4, 6)]
    assert not any(hooks_of(module) for module in subject.model.modules())
    assert "forward" not in vars(subject.module("transformer.h.0"))


def test_cancelling_reaches_into_a_forward() -> None:
    subject = lively("gpt2")
    cancel = threading.Event()
    base = run_base(subject.opened, subject.anatomy, subject.tokens())

    def change(row: torch.Tensor) -> None:
        cancel.set()

    with pytest.raises(RunCancelled):
        sweep(
            subject.opened,
            subject.anatomy,
            base,
            [Variant((0, 0), (Edit(0, Site("transformer.h.0"), change),))],
            Loss(),
            cancel=cancel,
        )


def test_what_the_user_attached_looks_away_and_acts_again_afterwards() -> None:
    subject = lively("gpt2")
    clean = run_base(subject.opened, subject.anatomy, subject.tokens())
    zero, off = FunctionController("x", torch.zeros_like), FunctionController("x", torch.zeros_like)
    watcher = LayerActivationDetector("transformer.h.2")
    off.disable()
    with attach(subject.model, {"transformer.h.0": (zero, off), "transformer.h.2": watcher}):
        base = run_base(subject.opened, subject.anatomy, subject.tokens())
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
        run_base(subject.opened, subject.anatomy, subject.tokens())
    gpt2 = lively("gpt2")
    with pytest.raises(ModelError, match="empty"):
        run_base(gpt2.opened, gpt2.anatomy, gpt2.tokens([]))
