"""Checks what a headless `make demo` printed and wrote; ends with an error that names what is missing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
from PySide6.QtGui import QImage
from safetensors.numpy import load_file

log = Path(sys.argv[1]).read_text(encoding="utf-8")


def printed(word: str) -> Path:
    """The path that the demo printed behind `word`."""
    found = re.search(rf"^{word}: (.+)$", log, re.MULTILINE)
    if not found:
        sys.exit(f"make demo printed no '{word}: PATH' line")
    return Path(found.group(1).strip())


screenshot = printed("screenshot")
image = QImage(str(screenshot))
if image.width() < 1024 or image.height() < 700:
    sys.exit(f"the screenshot is {image.width()} x {image.height()}")
colours = {image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}
if len(colours) < 50:
    sys.exit(f"the screenshot holds {len(colours)} colours: nothing was drawn")

capture = printed("capture")
index = json.loads((capture / "capture.json").read_text(encoding="utf-8"))
if not index["finished"] or not index["sites"]:
    sys.exit("the capture is not finished or holds no site")
for row in index["sites"]:
    values = load_file(capture / row["file"])[row["tensor"]]
    if list(values.shape) != row["shape"] or not np.isfinite(values).all() or not np.ptp(values) > 0:
        sys.exit(f"the capture of {row['site']} is not what its index says")
print(
    f"demo: a picture of {image.width()} x {image.height()} with {len(colours)} colours; "
    f"{len(index['sites'])} sites captured"
)
