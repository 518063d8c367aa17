"""Models for which a batch is another matter, and batches that are too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtWidgets import QLabel, QTextEdit

from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.tiny import save_folder
from tests.mi_crow_gui.batches.conftest import PROMPTS, SITE, Batches

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.engine.messages import RunOutcome
    from tests.mi_crow_gui.driver import Driver

TEXTS = ["the store Mary gave", "John", "a drink to the store ."]


@pytest.fixture
def folder(tmp_path: Path, family: str) -> Path:
    """Made before the window, whose model thread imports transformers at the same time."""
    return save_folder(tmp_path / family, family, tokenizer=family != "opt")


def opened(driver: Driver, qtbot: QtBot, folder: Path, site: str) -> Batches:
    with qtbot.waitSignal(driver.window.service.modelOpened, timeout=60_000):
        assert driver.window.service.open(ModelReference(str(folder)))
    driver.window.show_workbench()
    driver.tick(site)
    return Batches(driver, qtbot)


@pytest.mark.parametrize(
    ("family", "site"),
    [
        ("bert", "bert.encoder.layer.1"),
        ("t5", "encoder.block.1"),
        ("mamba", "backbone.layers.1"),
        ("falcon", "transformer.h.1"),
    ],
)
def test_other_kinds_of_models_run_a_batch_row_by_row(
    folder: Path, driver: Driver, qtbot: QtBot, family: str, site: str
) -> None:
    batches = opened(driver, qtbot, folder, site)
    outcome = batches.run(TEXTS)
    panel = batches.only("heatmap")
    for number, tokens in ((1, 1), (2, 6), (0, 4)):
        batches.click(number, 0)
        assert batches.shown(panel, number, outcome.info.number).rows.count == tokens
    if family in ("t5", "mamba", "falcon"):
        batches.window.prompt.findChild(object, "maxNewTokens").setValue(2)
        written = batches.driver.run("generate")
        assert [len(one.generated) for one in written.prompts] == [2, 2, 2]


@pytest.mark.parametrize("family", ["opt"])
def test_a_model_without_a_tokenizer_takes_ids_a_line(folder: Path, driver: Driver, qtbot: QtBot, family: str) -> None:
    batches = opened(driver, qtbot, folder, "model.decoder.layers.1")
    outcome = batches.run(["3 4 5", "7", "8,9"])
    assert [one.info.tokens.ids for one in outcome.prompts] == [(3, 4, 5), (7,), (8, 9)]
    assert [row.texts for row in batches.strip._rows] == [("3", "4", "5"), ("7",), ("8", "9")]


def test_a_batch_that_does_not_fit_the_memory_is_refused_in_a_sentence(
    batches: Batches, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core_hooks.model import forward

    monkeypatch.setattr(forward, "free_memory", lambda device: 20_000)
    batches.type(PROMPTS)
    with qtbot.waitSignal(batches.window.service.failed, timeout=20_000):
        batches.driver.act("run")
    assert "run about 1 at a time" in batches.driver.find(QLabel, "statusMessage").text()
    assert batches.window.service.state == "ready"


def test_a_prompt_beyond_the_memory_budget_says_that_it_was_not_kept(batches: Batches, qtbot: QtBot) -> None:
    batches.window.service.memory_budget = 2 * 6 * 128 * 4
    batches.run()
    panel = batches.only("heatmap")
    batches.click(2, 0)
    qtbot.waitUntil(lambda: "Prompt 3 of 3 was not kept" in panel._empty.text(), timeout=5_000)
    batches.click(1, 0)
    qtbot.waitUntil(lambda: "1 prompt of the batch dropped" in panel.accessibleDescription(), timeout=5_000)


def test_a_batch_can_be_stopped_and_keeps_what_was_written(batches: Batches, qtbot: QtBot) -> None:
    batches.window.prompt.findChild(object, "maxNewTokens").setValue(500)
    # From the third step on only Stop ends a step, however fast or busy the machine is.
    waits = "import time\ndef control(x, ctx):\n    while ctx.step > 1:\n        time.sleep(0.01)\n    return x"
    batches.driver.write_controller(SITE, waits)
    service = batches.window.service
    stopped = []

    def stop(steps: object) -> None:
        if not stopped:
            stopped.append(steps)
            batches.driver.act("stop")

    service.promptStepsArrived.connect(stop)
    outcome = batches.run(action="generate")
    assert outcome.stopped == "cancelled"
    output = batches.driver.find(QTextEdit, "outputView").toPlainText()
    assert output == PROMPTS[0] + "".join(step.written for step in outcome.of_prompt(0).generated)


def test_a_controller_on_one_prompt_of_the_batch_leaves_the_others_as_they_are(batches: Batches, qtbot: QtBot) -> None:
    before = batches.run()
    batches.driver.write_controller(
        SITE,
        "def control(x, ctx):\n"
        "    x = x.clone()\n"
        "    for row in ctx.rows:\n"
        "        if row.prompt == 1:\n"
        "            x[row.index, row.columns.start : row.columns.stop] *= 3\n"
        "    return x\n",
    )
    after = batches.driver.run()
    changed = [
        abs(float(one.losses[1:].mean()) - float(other.losses[1:].mean())) > 1e-6
        for one, other in zip(before.prompts, after.prompts, strict=True)
    ]
    assert changed == [False, True, False]
    # What a view computes of one prompt alone is what that prompt was in the batch.
    panel = batches.only("next_token")
    for number in (1, 0):
        batches.click(number, 0)
        one = after.of_prompt(number)
        qtbot.waitUntil(lambda one=one: _is_of(panel, one), timeout=10_000)
        assert f"prompt {number + 1}/3" in panel._title.when.text()
        expected = panel.drawing.content.expected[len(one.info.tokens) - 1].candidates
        assert expected[0].probability == pytest.approx(one.candidates[0].probability, abs=1e-4)


def _is_of(panel: Any, one: RunOutcome) -> bool:
    drawing = panel.drawing
    return drawing is not None and not panel.stale and drawing.content.tokens == one.info.tokens.texts
