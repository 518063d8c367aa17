"""Runs that are kept: the newest, the pinned ones, and what a budget makes of the others."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings, TokenSequence
from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
from mi_crow_gui.engine.archive import KeptRun, RunArchive
from mi_crow_gui.engine.logits_keeper import LogitsKeeper
from mi_crow_gui.engine.messages import RunInfo, RunOutcome
from mi_crow_gui.plotdata.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.engine.service import ModelService

    Plain = Callable[[str, str], tuple[torch.Tensor, torch.Tensor]]

PROMPT = "w1 w2 w3 w4 w5 w1 w2"
SITE = "transformer.h.1.attn"
NOTHING = TokenSequence((), (), ())


def kept(number: int, sites: tuple[int, ...] = (100,), logits: int = 0) -> KeptRun:
    info = RunInfo(number, "run", "", NOTHING, GenerationSettings())
    outcome = RunOutcome(info, "done", 0.0, np.empty(0), np.empty(0))
    frames = {}
    for place, size in enumerate(sites):
        values = np.zeros((1, 1, size), np.uint8)
        frames[f"h.{place}", ""] = Frame(number, 0, f"h.{place}", "", "", values, values.shape, "uint8")
    rows = np.zeros((1, logits), np.uint8) if logits else None
    return KeptRun(outcome, NOTHING, (), True, False, MappingProxyType(frames), rows)


def test_older_runs_are_forgotten_when_the_budget_asks_for_it_and_pinned_ones_are_not() -> None:
    archive = RunArchive(budget=250)
    for number in (1, 2):
        archive.keep(kept(number))
    assert archive.pin(1, "A") is not None
    archive.keep(kept(3))
    assert archive.numbers == (1, 3)
    archive.unpin("A")
    archive.keep(kept(4))
    assert archive.numbers == (3, 4)
    assert archive.pin(1, "A") is None


def test_the_newest_run_is_kept_however_large_it_is() -> None:
    archive = RunArchive(budget=50)
    archive.keep(kept(1))
    archive.keep(kept(2, (1000,)))
    assert archive.numbers == (2,)
    assert archive.newest is not None
    assert archive.newest.nbytes == 1000


def test_a_run_has_one_letter_and_a_letter_one_run() -> None:
    archive = RunArchive()
    for number in (1, 2, 3):
        archive.keep(kept(number))
    archive.pin(1, "A")
    archive.pin(2, "B")
    archive.pin(1, "B")
    assert {letter: run.number for letter, run in archive.pinned.items()} == {"B": 1}
    archive.pin(3, "B")
    assert {letter: run.number for letter, run in archive.pinned.items()} == {"B": 3}
    assert archive.numbers == (1, 2, 3)


def test_what_does_not_fit_beside_the_other_pinned_run_is_left_out_and_said() -> None:
    archive = RunArchive(budget=1000)
    archive.keep(kept(1, (400,)))
    archive.pin(1, "A")
    archive.keep(kept(2, (500, 200), logits=300))
    pinned = archive.pin(2, "B")
    assert pinned is not None
    assert pinned.logits is None
    assert "logits of run 2" in pinned.no_logits
    assert set(pinned.frames) == {("h.1", "")}
    assert "h.0" in pinned.left_out[-1]
    assert sum(run.nbytes for run in archive.pinned.values()) <= 1000


def test_a_snapshot_of_the_pins_never_changes() -> None:
    archive = RunArchive()
    archive.keep(kept(1))
    archive.pin(1, "A")
    before = archive.pinned
    archive.clear()
    assert list(before) == ["A"]
    assert not archive.pinned


def test_without_controllers_both_sides_of_a_site_are_the_same() -> None:
    run = kept(1)
    assert run.frame("h.0", "before") is run.frame("h.0", "after") is run.frame("h.0")
    assert run.frame("h.9") is None


def test_bfloat16_logits_are_kept_exactly_and_too_many_are_not_kept_with_the_reason() -> None:
    keeper = LogitsKeeper(2)
    rows = torch.randn(1, 2, 7).bfloat16()
    keeper.add(rows[:, :1])
    keeper.add(rows[:, 1:])
    logits, problem = keeper.taken(2)
    assert logits is not None
    np.testing.assert_array_equal(logits, rows[0].float().numpy())
    assert not problem
    small = LogitsKeeper(3, budget=60)
    small.add(torch.zeros(1, 1, 7))
    small.add(torch.zeros(1, 2, 7))
    logits, problem = small.taken(3)
    assert logits is None
    assert "84 B" in problem


def run(qtbot: QtBot, service: ModelService, kind: Any = "run", prompt: str = PROMPT, tokens: int = 6) -> Any:
    with qtbot.waitSignal(service.runFinished, timeout=20_000) as blocker:
        assert service.start(kind, prompt, GenerationSettings(max_new_tokens=tokens))
    return blocker.args[0]


def test_a_run_is_kept_with_its_captures_and_its_logits_as_plain_torch_gives_them(
    qtbot: QtBot, service: ModelService, plain: Plain
) -> None:
    service.set_hooks([HookSpec(SITE)])
    outcome = run(qtbot, service)
    found = service.kept(outcome.info.number)
    assert found is not None
    expected, logits = plain(PROMPT, SITE)
    frame = found.frame(SITE)
    assert frame is not None
    np.testing.assert_array_equal(frame.values, expected.numpy())
    assert found.logits is not None
    np.testing.assert_array_equal(found.logits, logits[0].numpy())
    assert found.hooks[0].site == SITE
    assert not frame.live


def test_a_generation_keeps_a_row_of_logits_for_every_token_that_was_fed(
    qtbot: QtBot, service: ModelService, plain: Plain
) -> None:
    outcome = run(qtbot, service, "generate")
    found = service.kept(outcome.info.number)
    assert found is not None
    assert found.logits is not None
    assert len(found.tokens) == len(outcome.info.tokens) + 6
    text = PROMPT + " " + " ".join(step.text.strip() for step in outcome.generated[:-1])
    _, logits = plain(text, SITE)
    np.testing.assert_allclose(found.logits, logits[0].numpy(), atol=1e-5)


def test_both_sides_of_a_controlled_site_are_kept(qtbot: QtBot, service: ModelService, plain: Plain) -> None:
    controller = HookSpec(SITE, kind=CONTROLLER, code="lambda x: x * 2")
    service.set_hooks([HookSpec(SITE), HookSpec(SITE, stage="after"), controller])
    found = service.kept(run(qtbot, service).info.number)
    assert found is not None
    expected, _ = plain(PROMPT, SITE)
    before, after = found.frame(SITE, "before"), found.frame(SITE, "after")
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before.values, expected.numpy())
    np.testing.assert_array_equal(after.values, 2 * expected.numpy())


def test_pins_survive_further_runs_and_end_with_the_model(
    qtbot: QtBot, service: ModelService, tiny_folder: Path
) -> None:
    first = run(qtbot, service).info.number
    with qtbot.waitSignal(service.pinsChanged):
        assert service.pin(first, "A")
    for _ in range(3):
        run(qtbot, service, prompt="w9 w8")
    assert service.pinned["A"].number == first
    assert not service.pin(99, "B")
    with qtbot.waitSignal(service.pinsChanged, timeout=30_000):
        service.open(ModelReference(str(tiny_folder)))
    assert not service.pinned
    assert service.kept(first) is None


def test_hooks_changed_during_a_generation_are_noted(qtbot: QtBot, service: ModelService, tmp_path: Path) -> None:
    # The second step waits for the change, however fast or busy the machine is.
    changed = tmp_path / "changed"
    waits = (
        "import pathlib, time\n"
        "def control(x, ctx):\n"
        f"    while ctx.step and not pathlib.Path({str(changed)!r}).exists():\n"
        "        time.sleep(0.01)\n"
        "    return x"
    )
    slow = HookSpec(SITE, kind=CONTROLLER, code=waits)
    service.set_hooks([slow])

    def change(steps: Any) -> None:
        service.set_hooks([])
        changed.touch()

    service.stepsArrived.connect(change)
    outcome = run(qtbot, service, "generate", tokens=50)
    found = service.kept(outcome.info.number)
    assert found is not None
    assert found.hooks_changed
    assert found.hooks == (slow,)
