"""Code that users write, on the model thread: what it is told, what it may not do, and what it leaves behind."""

from __future__ import annotations

import logging
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
from mi_crow_gui.document.strength import Strength, written
from mi_crow_gui.engine import hook_maker
from tests.mi_crow_gui.editor.endless_texts import ENDLESS
from tests.mi_crow_gui.stopwatch import within

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.engine.service import ModelService

PROMPT = "w1 w2 w3 w1 w2 w3"
SITE = "transformer.h.1.mlp"


class Bench:
    """Runs a service with some hooks, and collects what it tells."""

    def __init__(self, qtbot: QtBot, service: ModelService) -> None:
        self.qtbot, self.service = qtbot, service
        self.failures: list[Any] = []
        service.hookFailed.connect(self.failures.append)

    def run(self, *hooks: HookSpec, kind: Any = "run", prompt: str = PROMPT, tokens: int = 4) -> Any:
        self.service.set_hooks(hooks)
        with self.qtbot.waitSignal(self.service.runFinished, timeout=20_000) as blocker:
            assert self.service.start(kind, prompt, GenerationSettings(tokens))
        return blocker.args[0]

    def tried(self, code: str, *others: HookSpec, site: str = SITE) -> Any:
        """The outcome of a run with this controller, which has to be the clean one when the controller failed."""
        return self.run(*others, HookSpec(site, CONTROLLER, code=code))


@pytest.fixture
def bench(qtbot: QtBot, service: ModelService) -> Bench:
    return Bench(qtbot, service)


def test_a_controller_reads_another_site_of_the_run_and_a_pinned_run(bench: Bench) -> None:
    other = HookSpec("transformer.h.0.mlp")
    first = bench.run(other, HookSpec(SITE))
    clean = bench.service.latest(SITE)
    bench.service.pin(first.info.number, "A")
    outcome = bench.tried("lambda x, ctx: ctx.run('A').capture('transformer.h.0.mlp')", HookSpec(SITE, stage="after"))
    assert bench.failures == []
    assert not np.array_equal(bench.service.latest(SITE), clean)
    from_run = bench.service.latest(SITE)
    outcome = bench.tried("lambda x, ctx: ctx.capture('transformer.h.0.mlp')", other, HookSpec(SITE, stage="after"))
    np.testing.assert_array_equal(bench.service.latest(SITE), from_run)
    assert outcome.stopped == "done"
    assert bench.failures == []


def test_a_pinned_run_whose_prompt_has_another_length_is_said_to_be_and_the_forward_goes_on(bench: Bench) -> None:
    first = bench.run(HookSpec(SITE))
    bench.service.pin(first.info.number, "A")
    clean = bench.run(prompt="w1 w2")
    code = "lambda x, ctx: ctx.run('A').capture(ctx.layer)"
    outcome = bench.run(HookSpec(SITE, CONTROLLER, code=code), prompt="w1 w2")
    np.testing.assert_array_equal(outcome.losses, clean.losses)
    assert "prompt of run A has 6 tokens and this one 2" in bench.failures[0].message


def test_the_kind_is_the_part_of_the_model_and_tokens_have_positions(bench: Bench) -> None:
    code = (
        "def control(x, ctx):\n"
        "    assert (ctx.kind, len(ctx.rows), ctx.prompt_length) == ('mlp', 1, 6), ctx\n"
        "    assert ctx.tokenizer.decode(list(ctx.token_ids[:2])) == 'w1 w2', ctx\n"
        "    assert x.shape[1] == len(ctx.positions)\n"
        "    assert ctx.positions == (range(6) if ctx.step == 0 else range(5 + ctx.step, 6 + ctx.step))\n"
        "    return x\n"
    )
    assert bench.run(HookSpec(SITE, CONTROLLER, code=code), kind="generate").stopped == "length"
    assert bench.failures == []


def test_the_strength_acts_from_the_next_token_on_and_hook_and_state_stay(bench: Bench, tmp_path: Path) -> None:
    turned = tmp_path / "turned"
    code = (
        # The second step waits for the change, however fast or busy the machine is.
        "import pathlib, time\n"
        "def control(x, ctx):\n"
        f"    while ctx.step and not pathlib.Path({str(turned)!r}).exists():\n"
        "        time.sleep(0.01)\n"
        "    seen = ctx.state.setdefault('seen', [])\n"
        "    seen.append(ctx.strength)\n"
        "    print(seen)\n"
        "    return x * ctx.strength\n"
    )
    spec = HookSpec(SITE, CONTROLLER, code=code)
    changed = HookSpec(SITE, CONTROLLER, code=code, options=written((), Strength(0.25)), id=spec.id)
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, log = Lines(), logging.getLogger("mi_crow_gui.controller")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    bench.service.set_hooks((spec,))
    steps: list[Any] = []

    def turn(arrived: Any) -> None:
        steps.append(len(arrived))
        bench.service.set_hooks((changed,))
        turned.touch()

    bench.service.stepsArrived.connect(turn)
    try:
        with bench.qtbot.waitSignal(bench.service.runFinished, timeout=20_000):
            bench.service.start("generate", PROMPT, GenerationSettings(40))
    finally:
        log.removeHandler(handler)
    seen = [float(number) for number in lines[-1].removeprefix("Controller: [").rstrip("]").split(", ")]
    assert len(seen) == 40, "the state lived through the change"
    assert seen[0] == 1.0
    assert seen[-1] == 0.25
    assert sorted(seen, reverse=True) == seen
    assert bench.failures == []


def test_several_controllers_in_one_text_are_one_row_and_one_that_fails_switches_all_off(bench: Bench) -> None:
    clean = bench.run(HookSpec("transformer.h.2.mlp"))
    text = "@site('transformer.h.*.attn')\ndef quiet(x):\n    return x * 0\n\ndef control(x):\n    return x * 2\n"
    outcome = bench.tried(text)
    assert [(state.fired, state.enabled) for state in outcome.hooks] == [(4, True)]
    assert outcome.hooks[0].sites == (*(f"transformer.h.{number}.attn" for number in range(3)), SITE)
    assert not np.array_equal(outcome.losses[1:], clean.losses[1:])
    failing = text.replace("x * 2", "x.view(7)")
    spec = HookSpec(SITE, CONTROLLER, code=failing)
    bench.run(spec)
    assert len(bench.failures) == 1
    assert bench.failures[0].line == 6
    again = bench.run(spec)
    np.testing.assert_array_equal(again.losses, clean.losses)
    assert not again.hooks[0].enabled


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("lambda x: exit()", "can't end the program"),
        ("def control(x):\n    import sys\n    sys.exit(3)", "can't end the program"),
        ("class Mine(BaseException): pass\ndef control(x):\n    raise Mine('no')", "can't end the program"),
        ("def control(x):\n    return control(x)", "recursion"),
        ("def control(x):\n    x.mul_(0)\n    raise ValueError('late')", "late"),
        ("lambda x: torch.ones(10**13)", "memory"),
        ("lambda x: bytearray(10**15)", "MemoryError"),
        ("lambda x: input()", "can't wait for somebody to type"),
        ("import no_such_module\nlambda x: x", "no_such_module"),
        ("lambda x: x.long()", "integer"),
        ("lambda x: x / 0", "Inf"),
    ],
)
def test_what_cannot_act_is_told_once_and_the_forward_is_the_clean_one(bench: Bench, code: str, words: str) -> None:
    clean = bench.run()
    outcome = bench.tried(code)
    np.testing.assert_array_equal(outcome.losses, clean.losses)
    (failure,) = bench.failures
    assert words.lower() in failure.message.lower()
    assert bench.service.state == "ready"


def test_memory_that_the_machine_does_not_have_is_refused_and_not_granted(bench: Bench) -> None:
    import psutil

    # More than is free by little enough for Linux to grant it, and to end the program where it is filled.
    bench.tried(f"lambda x: torch.empty({psutil.virtual_memory().total}, dtype=torch.uint8)")
    assert "memory" in bench.failures[0].message.lower()


def test_what_a_controller_changes_in_the_libraries_is_put_back_after_the_run(bench: Bench) -> None:
    clean = bench.run()
    known = (torch.nn.functional.layer_norm, torch.Tensor.__add__, math.sqrt, torch.nn.Linear.forward)
    bench.tried(
        "import torch.nn.functional as F\nF.layer_norm = lambda x, *a, **k: x\ntorch.Tensor.__add__ = None\n"
        "math.sqrt = len\ntorch.nn.Linear.forward = None\ntorch.set_default_dtype(torch.float64)\nlambda x: x"
    )
    assert (torch.nn.functional.layer_norm, torch.Tensor.__add__, math.sqrt, torch.nn.Linear.forward) == known
    assert torch.get_default_dtype() is torch.float32
    np.testing.assert_array_equal(bench.run().losses, clean.losses)


def test_what_is_printed_goes_to_the_log_and_not_to_the_terminal(
    bench: Bench, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mi_crow_gui.controller")
    bench.tried(
        "import sys, warnings\nprint('at the top')\ndef control(x):\n    print('seen', x.shape[1])\n"
        "    print('to error', file=sys.stderr)\n    sys.stdout.write('no line end')\n    return x"
    )
    told = [record.getMessage() for record in caplog.records if record.name == "mi_crow_gui.controller"]
    expected = ["at the top", "seen 6", "to error", "no line end"]
    assert told == [f"Controller: {line}" for line in expected]
    assert capfd.readouterr() == ("", "")


def test_more_lines_than_anybody_reads_are_cut_off(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mi_crow_gui.controller")
    bench.tried("def control(x):\n    for n in range(5000):\n        print(n)\n    return x")
    told = [record.getMessage() for record in caplog.records if record.name == "mi_crow_gui.controller"]
    assert len(told) == 201
    assert "more than 200 lines" in told[-1]


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_a_controller_that_never_comes_back_is_ended_by_stop_within_two_seconds_even_if_it_catches_everything(
    bench: Bench, code: str
) -> None:
    service = bench.service
    clean = bench.run()
    service.set_hooks((HookSpec(SITE, CONTROLLER, code=code),))
    service.start("run", PROMPT, GenerationSettings(1))
    bench.qtbot.waitUntil(lambda: service._guard.inside, timeout=10_000)
    with within(2), bench.qtbot.waitSignal(service.runFinished) as blocker:
        service.stop()
    assert blocker.args[0].stopped == "cancelled"
    np.testing.assert_array_equal(bench.run().losses, clean.losses)


def test_the_thread_is_left_without_a_trace_function_and_with_the_depth_that_it_had(bench: Bench) -> None:
    service = bench.service
    depth = sys.getrecursionlimit()
    service.set_hooks((HookSpec(SITE, CONTROLLER, code=ENDLESS["recursion that catches everything"]),))
    service.start("run", PROMPT, GenerationSettings(1))
    bench.qtbot.waitUntil(lambda: service._guard.inside, timeout=10_000)
    with bench.qtbot.waitSignal(service.runFinished, timeout=20_000):
        service.stop()
    bench.run(
        HookSpec(
            SITE,
            CONTROLLER,
            code="import sys\ndef control(x):\n    assert (sys.gettrace(), sys.getprofile()) == (None, None)\n"
            f"    assert sys.getrecursionlimit() == {depth}\n    assert sys.exc_info() == (None, None, None)\n"
            "    return x",
        )
    )
    assert bench.failures == []


def test_a_text_that_loops_while_it_is_read_is_ended_by_a_time_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_maker, "READING_LIMIT", 0.2)
    clean = bench.run()
    outcome = bench.tried("n = 0\nwhile True:\n    n += 1\nlambda x: x")
    np.testing.assert_array_equal(outcome.losses, clean.losses)
    assert "took longer than 0.2 s" in bench.failures[0].message
    assert bench.failures[0].line in (2, 3)


def test_stop_ends_the_reading_of_a_text_that_loops(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_maker, "READING_LIMIT", 300.0)
    service = bench.service
    clean = bench.run()
    service.set_hooks((HookSpec(SITE, CONTROLLER, code="while True:\n    pass\nlambda x: x"),))
    service.start("run", PROMPT, GenerationSettings(1))
    bench.qtbot.waitUntil(lambda: service._guard.inside, timeout=10_000)
    service.stop()
    bench.qtbot.waitUntil(lambda: service.state == "ready", timeout=20_000)
    assert "Reading this text was stopped" in bench.failures[0].message
    np.testing.assert_array_equal(bench.run().losses, clean.losses)


def test_an_error_behind_a_thousand_others_is_told_in_few_lines(bench: Bench) -> None:
    bench.tried(
        "def deep(n):\n    try:\n        return deep(n + 1)\n    except (RecursionError, ValueError):\n"
        "        raise ValueError(f'at {n}')\n\ndef control(x):\n    return deep(0)"
    )
    (failure,) = bench.failures
    assert failure.message == "ValueError: at 0"
    assert failure.line == 5
    assert failure.details.count("ValueError") < 40
    assert len(failure.details.splitlines()) < 500
