"""A workspace as a script: run as its own process, it gives the same numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER, HookSpec
from mi_crow_gui.document.python_script import to_python
from mi_crow_gui.document.workspace import Workspace
from tests.core_hooks.model.tiny import save_folder

if TYPE_CHECKING:
    from pathlib import Path

SITE = "transformer.h.1.attn"
CODE = 'def control(x, ctx):\n    """Halve, with a \\\\ and a "quote"."""\n    assert ctx.layer\n    return x * 0.5\n'


def run(script: str, folder: Path) -> str:
    path = folder / "script.py"
    path.write_text(script, encoding="utf-8")
    # What it writes lies beside it.
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_choices_made_before_opening_are_in_the_script() -> None:
    reference = ModelReference(
        "folder", "auto", "float16", "eager", quantisation="bitsandbytes-4bit", parts=(("mlp", "feed"),)
    )
    script = to_python(Workspace(model=reference))
    made = re.search(r"open_model\((ModelReference\(.*\))\)\n", script)
    assert made is not None
    assert eval(made[1]) == reference


def test_the_script_gives_the_numbers_of_a_computation_made_without_it(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = save_folder(tmp_path / "model")
    workspace = Workspace(
        model=ModelReference(str(folder)),
        prompt="Mary went to the store",
        hooks=(
            HookSpec(SITE, kind=CONTROLLER, code=CODE),
            HookSpec(SITE, kind=CAPTURE),
            HookSpec(SITE, kind=CAPTURE, stage="after"),
            HookSpec(SITE, kind=CONTROLLER, code="lambda x: x * 0", enabled=False),
            HookSpec(SITE, kind=CONTROLLER, code="lambda x: x * 0", trusted=False),
        ),
    )
    printed = run(to_python(workspace), tmp_path)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = AutoTokenizer.from_pretrained(folder)(workspace.prompt, return_tensors="pt").input_ids
    norms: list[float] = []

    def halve(module: object, arguments: object, output: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        norms.append(float(output[0].norm()))
        return (output[0] * 0.5, *output[1:])

    model.get_submodule(SITE).register_forward_hook(halve)
    with torch.no_grad():
        loss = float(model(ids, labels=ids).loss)
    assert float(re.search(r"mean loss: (\S+)", printed)[1]) == pytest.approx(loss, rel=1e-4)  # type: ignore[index]
    shown = [float(value) for value in re.findall(r"\) ([\d.e+-]+)$", printed, re.MULTILINE)]
    assert shown == pytest.approx([norms[0], norms[0] / 2], rel=1e-4)


def test_a_generation_is_a_script_too(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "model")
    workspace = Workspace(
        model=ModelReference(str(folder)),
        prompt="Mary went",
        generation=GenerationSettings(5),
        hooks=(HookSpec(SITE, kind=CONTROLLER, code="def control(x, c):\n    print('step', c.step)\n    return x"),),
    )
    printed = run(to_python(workspace, generating=True), tmp_path)
    assert [line for line in printed.splitlines() if line.startswith("step")] == [f"step {n}" for n in range(5)]


def test_a_workspace_with_no_model_is_still_a_script_that_says_what_is_missing() -> None:
    text = to_python(Workspace(prompt="a 'quoted' prompt"))
    compile(text, "script", "exec")
    assert "No model is open" in text


PROMPTS = ("Mary went to the store", "the drink", "John gave a drink to Mary")


@pytest.mark.parametrize("generating", [False, True])
def test_a_batch_is_a_script_whose_rows_are_what_each_prompt_gives_alone(tmp_path: Path, generating: bool) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = save_folder(tmp_path / "model")
    workspace = Workspace(
        model=ModelReference(str(folder)),
        prompt="\n\n".join(PROMPTS),
        batch=True,
        generation=GenerationSettings(3),
        hooks=(
            HookSpec(SITE, kind=CAPTURE),
            HookSpec(
                "transformer.h.0", kind=CONTROLLER, code="def control(x, c):\n    assert len(c.rows) == 3\n    return x"
            ),
        ),
    )
    printed = run(to_python(workspace, generating=generating), tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    norms, shown = [], re.findall(r"\(\d+, \d+\) ([\d.e+-]+)$", printed, re.MULTILINE)
    kept: list[torch.Tensor] = []
    model.get_submodule(SITE).register_forward_hook(lambda module, given, output: kept.append(output[0]))
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            if generating:
                ids = model.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)
                kept.clear()
                model(ids[:, :-1])
                assert repr(" ".join(tokenizer.convert_ids_to_tokens(ids[0, -3:]))) in printed.replace("' ", "'")
            else:
                kept.clear()
                loss = float(model(ids, labels=ids).loss)
                found = re.search(rf"{prompt!r} mean loss: (\S+)", printed)
                assert found is not None
                assert float(found[1]) == pytest.approx(loss, rel=1e-4)
        norms.append(float(kept[0].norm()))
    assert [float(value) for value in shown] == pytest.approx(norms, rel=1e-4)
