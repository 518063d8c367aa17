"""The commands for captures, as a person types them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core_hooks.capture import job as job_module
from core_hooks.capture.reader import open_capture
from core_hooks.cli import main
from tests.core_hooks.capture.corpora import number_texts, sentences, write_corpus_capture, write_lines

if TYPE_CHECKING:
    from pathlib import Path


def test_a_corpus_is_captured_shown_exported_and_verified(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_lines(tmp_path / "c.txt", sentences(30))
    out = tmp_path / "out"
    command = [
        "capture",
        str(model_folder),
        "--texts",
        str(corpus),
        "--layer",
        "transformer.h.*.mlp",
        "--out",
        str(out),
    ]
    assert main([*command, "--dtype", "float16", "--json"]) == 0
    printed = capsys.readouterr()
    facts = json.loads(printed.out)
    assert (facts["state"], facts["texts"]) == ("finished", 30)
    assert "about" in printed.err  # the estimate, before it began
    with open_capture(out) as capture:
        assert [site.site for site in capture.sites] == [f"transformer.h.{i}.mlp" for i in range(3)]
        assert capture.sites[0].stored_dtype == "float16"
        values = capture.read("transformer.h.1.mlp", 0, capture.rows)
    assert main(["verify", str(out)]) == 0
    assert main(["show", str(out)]) == 0
    assert "transformer.h.2.mlp" in capsys.readouterr().out
    assert main(["export", str(out), "--format", "npz", "--site", "transformer.h.1.mlp"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["transformer.h.1.mlp"], values)
    assert main(command) == 1
    assert "holds a capture already" in capsys.readouterr().err
    assert main([*command, "--dtype", "float16", "--resume"]) == 0


def test_an_estimate_writes_nothing(tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_lines(tmp_path / "c.txt", sentences(30))
    command = ["capture", str(model_folder), "--texts", str(corpus), "--layer", "lm_head", "--out", str(tmp_path / "o")]
    assert main([*command, "--estimate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"] == 30
    assert not (tmp_path / "o").exists()


def test_an_interrupted_capture_says_how_to_go_on(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_lines(tmp_path / "c.txt", sentences(30))
    command = ["capture", str(model_folder), "--texts", str(corpus), "--layer", "lm_head", "--out", str(tmp_path / "o")]
    run = job_module.CaptureJob._run_shard

    def interrupted(self: job_module.CaptureJob, *args: object) -> bool:
        import signal

        signal.raise_signal(signal.SIGINT)
        return run(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(job_module.CaptureJob, "_run_shard", interrupted)
    assert main(command) == 130
    assert "--resume goes on" in capsys.readouterr().err
    monkeypatch.undo()
    assert main([*command, "--resume"]) == 0


def test_a_site_and_a_channel_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_corpus_capture(tmp_path / "c", number_texts(20))
    assert main(["show", str(tmp_path / "c"), "--site", "h.0", "--sort", "maximum", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["maximum"] for row in rows] == sorted((row["maximum"] for row in rows), reverse=True)
    assert main(["show", str(tmp_path / "c"), "--site", "h.0", "--channel", "2", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["top"][0]["value"] == card["maximum"]
    assert main(["show", str(tmp_path / "c"), "--site", "h.0", "--channel", "2"]) == 0
    assert "[<" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["show", "nowhere"], 1, "is not a capture"),
        (["verify", "nowhere"], 1, "is not a capture"),
        (["export", "nowhere", "--format", "npz"], 1, "is not a capture"),
        (["export", "nowhere", "--format", "docx"], 2, "invalid choice"),
        (["show", "{}", "--channel", "2"], 1, "needs the --site"),
        (["show", "{}", "--site", "h.0", "--channel", "-1"], 2, "expected one argument|not a whole number"),
        (["show", "{}", "--site", "h.0", "--channel", "99"], 1, "channels 0 to 5"),
        (["show", "{}", "--site", "h.0", "--sort", "beauty"], 1, "not by 'beauty'"),
        (["capture", "m", "--layer", "x"], 2, "--texts"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, command: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    write_corpus_capture(tmp_path / "c", number_texts(5))
    assert main([part.format(tmp_path / "c") for part in command]) == code
    error = capsys.readouterr().err
    assert re.search(words, error)
    assert error.count("\n") == 1


def test_a_damaged_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_corpus_capture(tmp_path / "c", number_texts(20))
    shard = sorted((tmp_path / "c").glob("shard-*"))[1]
    raw = bytearray(shard.read_bytes())
    raw[-3] ^= 4
    shard.write_bytes(bytes(raw))
    assert main(["verify", str(tmp_path / "c")]) == 1
    printed = capsys.readouterr()
    assert "checksum" in printed.out
    assert "1 of" in printed.err
