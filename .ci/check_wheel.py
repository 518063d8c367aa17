"""Builds the wheel, unpacks it into an empty folder, and looks for the resources from there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as temporary:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", temporary, "."], check=True)
    (wheel,) = Path(temporary).glob("*.whl")
    target = Path(temporary) / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    code = (
        "import mi_crow_gui, sys; from pathlib import Path;"
        "from mi_crow_gui.document.resource_files import demo_model_folder, resource;"
        f"assert Path(mi_crow_gui.__file__).is_relative_to({str(target)!r}), mi_crow_gui.__file__;"
        f"assert demo_model_folder().is_relative_to({str(target)!r});"
        "assert (demo_model_folder() / 'model.safetensors').is_file(); assert any(resource('icons').glob('*.svg'));"
        "from transformers import AutoModelForCausalLM;"
        "model = AutoModelForCausalLM.from_pretrained(demo_model_folder());"
        "print('wheel:', model.num_parameters(), 'parameters')"
    )
    environment = {"PYTHONPATH": str(target), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=temporary, env=environment)
