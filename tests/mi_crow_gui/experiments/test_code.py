"""Every click is code: what was copied or exported is run as a process of its own, and gives the window's numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from safetensors import safe_open

from mi_crow_gui.wiring.code_wiring import CodeWiring

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mi_crow_gui.experiments.conftest import Lab

A = "When Mary and John went to the store , John gave a drink to"
B = "When Mary and John went to the store , Mary gave a drink to"


def run(script: str, folder: Path) -> str:
    path = folder / "script.py"
    path.write_text(script, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def copied(lab: Lab) -> str:
    lab.driver.act("copyAsPython")
    text = QGuiApplication.clipboard().text()
    assert "mi_crow_gui" not in text
    assert "PySide6" not in text
    return text


def everything(lab: Lab) -> dict[str, Any]:
    """All four experiments with choices of every kind, and what the window shows of them."""
    lab.driver.prompt(A)
    ablation = lab.act("ablate", "ablation")
    lab.shown(ablation)
    lab.choose(ablation, "by", "mean")
    lab.choose(ablation, "metric", "logit difference")
    lab.choose(ablation, "right", "Mary")
    found = {"ablation": lab.measure(ablation)}
    lab.idle()
    patching = lab.act("patchPrompts", "patching")
    lab.idle()
    lab.choose(patching, "corrupted", B)
    lab.qtbot.waitUntil(lambda: patching.drawing is not None and not patching.stale, timeout=8_000)
    lab.idle()
    found["patching"] = lab.measure(patching)
    lab.idle()
    found["direct_effect"] = lab.shown(lab.act("directEffect", "direct_effect"))
    lab.idle()
    found["steering"] = lab.measure(lab.act("steer", "steering"))
    lab.idle()
    return found


def test_the_script_gives_the_numbers_of_every_experiment(lab: Lab, tmp_path: Path) -> None:
    found = everything(lab)
    lab.driver.write_controller("transformer.h.2.mlp", "def control(x, ctx):\n    return x * ctx.strength * 0.5")
    outcome = lab.driver.run()
    printed = run(copied(lab), tmp_path)
    assert float(printed.split("mean loss: ")[1].split()[0]) == pytest.approx(outcome.loss, abs=1e-4)
    np.testing.assert_allclose(np.load(tmp_path / "ablation.npy"), found["ablation"].change, atol=1e-3)
    np.testing.assert_allclose(np.load(tmp_path / "patching.npy"), found["patching"].recovered, atol=1e-4)
    heads = np.load(tmp_path / "direct_effect_heads.npy")
    np.testing.assert_allclose(heads, found["direct_effect"].effects[:, :4], atol=1e-4)
    np.testing.assert_allclose(np.load(tmp_path / "steering.npy"), found["steering"].values, atol=1e-3)
    with safe_open(str(tmp_path / "steering.safetensors"), "np") as file:
        np.testing.assert_allclose(file.get_tensor("vector"), found["steering"].vectors[2], atol=1e-4)
        assert file.metadata()["block"] == "2"


def test_a_model_that_is_steered_is_a_script_too(lab: Lab, tmp_path: Path) -> None:
    from PySide6.QtWidgets import QPushButton

    lab.driver.prompt(B)
    panel = lab.act("steer", "steering")
    lab.measure(panel)
    lab.idle()
    panel.findChild(QPushButton, "steeringApply").click()
    lab.qtbot.waitUntil(lambda: any("ctx.vector" in hook.code for hook in lab.store.workspace.hooks), timeout=8_000)
    outcome = lab.driver.run()
    lab.store.remove_plot(panel.plot_id)
    printed = run(copied(lab), tmp_path)
    assert float(printed.split("mean loss: ")[1].split()[0]) == pytest.approx(outcome.loss, abs=1e-4)


def test_what_was_generated_last_is_generated_by_the_script(lab: Lab, tmp_path: Path) -> None:
    lab.driver.prompt(A)
    outcome = lab.driver.run("generate")
    assert outcome.text.strip() in run(copied(lab), tmp_path)


def test_the_notebook_is_whole_and_its_cells_give_the_same(lab: Lab, tmp_path: Path) -> None:
    lab.driver.prompt(A)
    content = lab.shown(lab.act("ablate", "ablation"))
    lab.idle()
    (wiring,) = (child for child in lab.window.findChildren(QObject) if isinstance(child, CodeWiring))
    wiring.export(str(tmp_path / "demo"))
    path = tmp_path / "demo.ipynb"
    lab.qtbot.waitUntil(path.exists, timeout=8_000)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        wanted = {"cell_type", "id", "metadata", "source"}
        wanted |= {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == wanted
        assert all(isinstance(line, str) for line in cell["source"])
        assert 1 <= len(cell["id"]) <= 64
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    run(code, tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "ablation.npy"), content.change, atol=1e-4)


def test_controllers_that_ask_and_hooks_of_named_kinds_are_in_the_script_and_in_the_notebook(
    lab: Lab, tmp_path: Path
) -> None:
    first, second = "transformer.h.0.mlp", "transformer.h.2.mlp"
    lab.driver.tick(first)
    lab.driver.write_controller(first, "def control(x, ctx):\n    return x * ctx.strength * 0.9")
    lab.driver.prompt(B)
    kept = lab.driver.run()
    lab.window.service.pin(kept.info.number, "A")
    lab.driver.prompt(A)
    both = "def control(x, ctx):\n    return x + ctx.capture({0!r}) - 0.5 * ctx.run('A').capture({0!r})"
    lab.driver.write_controller(second, both.format(first))
    lab.store.attach((second,), "statistics", stage="after")
    lab.store.attach(("transformer.h.3.mlp",), "scale", options=(("factor", "0.25"),))
    outcome = lab.driver.run()
    (found,) = (state.results for state in outcome.hooks if state.results)
    assert not any(state.error for state in outcome.hooks)
    script = run(copied(lab), tmp_path)
    (wiring,) = (child for child in lab.window.findChildren(QObject) if isinstance(child, CodeWiring))
    wiring.export(str(tmp_path / "demo.ipynb"))
    lab.qtbot.waitUntil((tmp_path / "demo.ipynb").exists, timeout=8_000)
    cells = json.loads((tmp_path / "demo.ipynb").read_text(encoding="utf-8"))["cells"]
    notebook = run("\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code"), tmp_path)
    with safe_open(str(tmp_path / "captured.safetensors"), "np") as file:
        assert list(file.keys()) == [first]
        np.testing.assert_allclose(file.get_tensor(first), lab.window.latest(first), atol=1e-4)
    for printed in (script, notebook):
        losses = [float(part.split()[0]) for part in printed.split("mean loss: ")[1:]]
        assert losses == pytest.approx([kept.loss, outcome.loss], abs=1e-4)
        told = [line for line in printed.splitlines() if line.startswith(f"{second} Statistics ")]
        assert len(told) == len(found)
        for line, (name, value) in zip(told, found, strict=True):
            assert float(line.split(f"{name} ")[-1]) == pytest.approx(value, rel=1e-3, abs=1e-4)


def test_a_generation_whose_controllers_ask_is_a_script(lab: Lab, tmp_path: Path) -> None:
    first, second = "transformer.h.0.mlp", "transformer.h.2.mlp"
    lab.driver.tick(first)
    lab.driver.prompt(A)
    kept = lab.driver.run("generate")
    lab.window.service.pin(kept.info.number, "B")
    both = "def control(x, ctx):\n    return x * 0.2 + ctx.capture({0!r}) - 3 * ctx.run('B').capture({0!r})"
    lab.driver.write_controller(second, both.format(first))
    outcome = lab.driver.run("generate")
    assert not any(state.error for state in outcome.hooks)
    assert outcome.text != kept.text
    printed = run(copied(lab), tmp_path)
    assert outcome.text.strip() in printed
    assert kept.text.strip() in printed


def test_the_action_asks_where_the_notebook_goes(lab: Lab) -> None:
    from PySide6.QtWidgets import QFileDialog

    lab.driver.act("exportNotebook")
    (dialog,) = lab.window.findChildren(QFileDialog)
    assert "notebook" in dialog.windowTitle().lower()
    dialog.reject()
