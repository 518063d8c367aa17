"""`make demo`: the inspector on the demo model; with no display the same offscreen, which ends by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

headless = sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
command = [sys.executable, "-m", "mi_crow_gui.app", "--demo"]
environment = dict(os.environ)
if headless:
    folder = Path(".demo")
    folder.mkdir(exist_ok=True)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    command += [
        "--screenshot",
        str(folder / f"demo-{stamp}.png"),
        "--capture",
        str(folder / f"capture-{stamp}"),
    ]
    command += ["--size", "1440x900", "--fresh", "--quit"]
    environment["QT_QPA_PLATFORM"] = "offscreen"
sys.exit(subprocess.run(command, env=environment, check=False).returncode)
