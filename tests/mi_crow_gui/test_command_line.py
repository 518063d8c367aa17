"""`mi-crow-gui` as a process: what it prints, writes, and with which code it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtGui import QImage
from safetensors.numpy import load_file

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", HOME=str(folder))
    command = [sys.executable, "-m", "mi_crow_gui", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=110)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-such-flag"], "unrecognized"),
        (["--dtype", "float8"], "invalid choice"),
        (["--run"], "needs something to open"),
        (["--demo", "gpt2"], "leave out the other"),
        (["--size", "huge"], "no window size"),
        (["--screenshot", "picture.jpg"], "does not end in .png"),
    ],
)
def test_a_wrong_argument_is_one_clear_line_and_code_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_version_and_info_need_no_window_and_no_torch(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path).stdout.startswith("mi-crow-gui 0.")
    info = run("--info", folder=tmp_path)
    assert info.returncode == 0
    assert "torch 2." in info.stdout


def test_the_demo_ends_by_itself_and_leaves_a_picture_and_a_capture(tmp_path: Path) -> None:
    picture, capture = tmp_path / "window.png", tmp_path / "capture"
    done = run(
        "--demo", "--fresh", "--screenshot", str(picture), "--capture", str(capture), "--size", "1440x900",
        "--quit", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"screenshot: {picture}" in done.stdout
    assert f"capture: {capture}" in done.stdout
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1440, 900)
    index = json.loads((capture / "capture.json").read_text())
    assert index["finished"]
    assert len(index["sites"]) == 4
    for row in index["sites"]:
        values = load_file(capture / row["file"])[row["tensor"]]
        assert list(values.shape) == row["shape"]
        assert np.isfinite(values).all()


def test_what_could_not_be_done_is_said_and_the_code_is_1(tmp_path: Path) -> None:
    done = run(str(tmp_path / "nothing-here"), "--run", "--quit", "--fresh", folder=tmp_path)
    assert done.returncode == 1
    assert "nothing-here" in done.stderr
    assert "Traceback" not in done.stderr
    none = run("--demo", "--attach", "no.such.*", "--quit", "--fresh", folder=tmp_path)
    assert none.returncode == 1
    assert "no layer of this model matches" in none.stderr


def test_importing_the_window_imports_neither_torch_nor_numpy_nor_pyqtgraph(tmp_path: Path) -> None:
    code = (
        "import sys; from mi_crow_gui.app import create; app, window = create(['--fresh']);"
        "heavy = [name for name in ('torch', 'transformers', 'numpy', 'pyqtgraph') if name in sys.modules];"
        "window.close(); print(heavy)"
    )
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", HOME=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.strip() == "[]", done.stderr


def test_an_error_inside_the_inspector_ends_a_run_that_is_to_quit(tmp_path: Path) -> None:
    code = (
        "import sys; from mi_crow_gui.engine.lookout import Lookout;"
        "Lookout.prepare = lambda self, *arguments: 1 / 0;"
        "from mi_crow_gui.app import main; sys.exit(main(['--demo', '--fresh', '--quit']))"
    )
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", HOME=str(tmp_path))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=110)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
