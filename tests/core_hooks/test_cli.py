from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core_hooks.capture.folder import read_index, read_site
from core_hooks.cli import main
from tests.core_hooks.model.tiny import save_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_folder(tmp_path_factory.mktemp("cli") / "tiny"))


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def complaint(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.startswith("core-hooks")]
    assert len(lines) == 1
    assert "Traceback" not in captured.err
    return lines[0]


def test_the_module_is_imported_without_torch_and_without_qt() -> None:
    code = "import sys, core_hooks.cli; sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'PySide6')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert "info" in output(capsys, "--help")
    assert "--prompt" in output(capsys, "run", "--help")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "COMMAND"),
        (("dance",), "dance"),
        (("run", "x"), "--prompt"),
        (("info",), "MODEL"),
        (("info", "x", "--dtype", "float31"), "float31"),
        (("run", "x", "--prompt", "a", "--generate", "-3"), "'-3'"),
        (("run", "x", "--prompt", "a", "--generate", "1.5"), "'1.5'"),
        (("run", "x", "--prompt", "a", "--temperature", "nan"), "'nan'"),
        (("run", "x", "--prompt", "a", "--temperature", "hot"), "'hot'"),
        (("tree", "x", "--nothing"), "--nothing"),
    ],
)
def test_a_wrong_argument_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], word: str
) -> None:
    assert word in complaint(capsys, 2, *arguments)


def test_a_model_that_is_not_there_is_one_line_and_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in (("info",), ("tree",), ("run", "--prompt", "a")):
        assert "nowhere" in complaint(capsys, 1, command[0], str(tmp_path / "nowhere"), *command[1:])


def test_info_says_what_the_model_is(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    assert "GPT2LMHeadModel" in output(capsys, "info", folder)
    facts = json.loads(output(capsys, "info", folder, "--json"))
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert facts["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert facts["modules"] == len(list(model.modules()))
    assert (facts["blocks"], facts["context"], facts["tokenizer"]) == (3, 64, True)
    assert facts["memory_needed"] >= 4 * facts["parameters"]


def test_tree_lists_every_module(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    names = [name for name, _ in AutoModelForCausalLM.from_pretrained(folder).named_modules()]
    records = json.loads(output(capsys, "tree", folder, "--json"))
    assert [record["path"] for record in records] == names
    assert len(output(capsys, "tree", folder).splitlines()) == len(names) + 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("h.*.attn", ["transformer.h.0.attn", "transformer.h.1.attn", "transformer.h.2.attn"]),
        ("h.[02].attn", ["transformer.h.0.attn", "transformer.h.2.attn"]),
        ("transformer.**.c_fc", [f"transformer.h.{i}.mlp.c_fc" for i in range(3)]),
        ("ln_F", ["transformer.ln_f"]),
        ("embedding", ["transformer.wte", "transformer.wpe"]),
    ],
)
def test_tree_finds_by_glob_and_by_word(
    capsys: pytest.CaptureFixture[str], folder: str, pattern: str, expected: list[str]
) -> None:
    records = json.loads(output(capsys, "tree", folder, "--grep", pattern, "--json"))
    assert [record["path"] for record in records] == expected


def test_a_pattern_that_matches_nothing_is_said(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    assert "'h.*.nothing'" in complaint(capsys, 1, "tree", folder, "--grep", "h.*.nothing")
    assert "'h.*.no'" in complaint(capsys, 1, "run", folder, "--prompt", "the", "--layer", "h.*.no")
    assert "'attn'" in complaint(capsys, 1, "run", folder, "--prompt", "the", "--layer", "attn")


def test_tree_reads_no_weights(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bare = save_folder(tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    assert "GPT2Attention" in output(capsys, "tree", str(bare))
    assert "holds no weights" in output(capsys, "info", str(bare))


def test_run_captures_what_a_plain_hook_sees(capsys: pytest.CaptureFixture[str], folder: str, tmp_path: Path) -> None:
    out = tmp_path / "capture"
    result = json.loads(
        output(capsys, "run", folder, "--prompt", "the store", "--layer", "h.*.mlp", "--out", str(out), "--json")
    )
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    seen: list[torch.Tensor] = []
    for block in model.transformer.h:
        block.mlp.register_forward_hook(lambda module, args, value: seen.append(value))
    with torch.no_grad():
        model(torch.tensor([[3, 4]]))
    index = read_index(out)
    assert index.finished
    assert [row["site"] for row in index.sites] == [f"transformer.h.{i}.mlp" for i in range(3)]
    for row, value, shown in zip(index.sites, seen, result["captures"], strict=True):
        np.testing.assert_array_equal(read_site(out, row), value.numpy())
        assert shown["mean"] == pytest.approx(float(value.double().mean()))
        assert shown["std"] == pytest.approx(float(value.double().std(correction=0)))
        assert (shown["min"], shown["max"]) == (float(value.min()), float(value.max()))
    assert [token["text"] for token in result["tokens"]] == ["the", "store"]
    assert result["tokens"][0]["loss"] is None


def test_run_generates_and_joins_the_captures_of_all_steps(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    arguments = ("run", folder, "--prompt", "the store", "--generate", "4", "--layer", "transformer.h.0")
    result = json.loads(output(capsys, *arguments, "--json"))
    fed = 2 + len(result["generated"]) - 1
    assert result["captures"][0]["shape"] == [1, fed, 32]
    text = output(capsys, *arguments)
    assert result["text"] in text
    assert f"1×{fed}×32" in text


def test_run_prints_the_likeliest_next_tokens(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    lines = output(capsys, "run", folder, "--prompt", "the store").splitlines()
    assert lines[0].split() == ["next", "token", "probability", "logit"]
    assert len(lines) == 11


def test_run_leaves_no_hook_and_refuses_an_existing_folder_before_it_runs(
    capsys: pytest.CaptureFixture[str], folder: str, tmp_path: Path
) -> None:
    arguments = ("run", folder, "--prompt", "the", "--out", str(tmp_path))
    assert "exists already" in complaint(capsys, 1, *arguments, "--layer", "h.*.mlp")
    assert "--layer" in complaint(capsys, 1, *arguments)


def test_a_module_that_never_runs_is_named(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    arguments = ("run", folder, "--prompt", "the", "--layer", "transformer.h")
    assert "transformer.h did not run" in complaint(capsys, 1, *arguments)


def test_several_prompts_go_through_together_and_are_what_each_is_alone(
    capsys: pytest.CaptureFixture[str], folder: str, tmp_path: Path
) -> None:
    prompts = ("the store", "Mary went to the store .", "a")
    several = [part for prompt in prompts for part in ("--prompt", prompt)]
    out = tmp_path / "capture"
    arguments = ("run", folder, *several, "--layer", "transformer.h.1")
    result = json.loads(output(capsys, *arguments, "--out", str(out), "--json"))
    alone = [json.loads(output(capsys, "run", folder, "--prompt", prompt, "--json")) for prompt in prompts]
    for row, one in zip(result["prompts"], alone, strict=True):
        assert [token["id"] for token in row["tokens"]] == [token["id"] for token in one["tokens"]]
        assert [t["loss"] for t in row["tokens"][1:]] == pytest.approx([t["loss"] for t in one["tokens"][1:]], abs=1e-4)
        assert row["candidates"][0]["text"] == one["candidates"][0]["text"]
    index = read_index(out)
    assert index.prompts == list(prompts)
    assert [entry["tokens"] for entry in index.batch] == [2, 6, 1]
    values = read_site(out, index.sites[0])
    assert values.shape == (3, 6, 32)
    real = np.concatenate([values[0, :2], values[1], values[2, :1]])
    assert result["captures"][0]["mean"] == pytest.approx(float(real.mean(dtype=np.float64)))
    assert result["captures"][0]["max"] == float(real.max())
    text = output(capsys, *arguments)
    assert [line for line in text.splitlines() if line.startswith("prompt ")] == [
        f"prompt {number}: {prompt}" for number, prompt in enumerate(prompts, 1)
    ]


def test_several_prompts_are_continued_together(
    capsys: pytest.CaptureFixture[str], folder: str, tmp_path: Path
) -> None:
    out = tmp_path / "capture"
    arguments = ("--generate", "3", "--layer", "transformer.h.0", "--json")
    both = json.loads(
        output(capsys, "run", folder, "--prompt", "the", "--prompt", "a drink to", *arguments, "--out", str(out))
    )
    for prompt, row in zip(("the", "a drink to"), both["prompts"], strict=True):
        alone = json.loads(output(capsys, "run", folder, "--prompt", prompt, *arguments))
        assert row["text"] == alone["text"]
    index = read_index(out)
    assert [entry["column"] for entry in index.batch] == [2, 0]
    assert index.tokens[:4] == ["the", *(token["text"] for token in both["prompts"][0]["generated"])]


def test_the_prompt_of_several_that_is_wrong_is_named(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    assert "Prompt 2 of 2" in complaint(capsys, 1, "run", folder, "--prompt", "the", "--prompt", " ")


def test_verify_also_reads_the_weights_of_a_model_and_says_what_its_finding_rests_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = save_folder(tmp_path / "model")
    assert main(["verify", str(folder)]) == 0
    assert "Safetensors keeps no checksum" in capsys.readouterr().out
    state = load_file(folder / "model.safetensors")
    state["transformer.wte.weight"][3] = torch.nan
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert main(["verify", str(folder), "--json"]) == 1
    written = capsys.readouterr()
    assert "transformer.wte.weight (32 of 3,072)" in json.loads(written.out)[0]["problem"]
    assert "1 of 1 files" in written.err
