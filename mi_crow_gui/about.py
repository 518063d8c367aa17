"""Versions and folders, for `--info` and bug reports; nothing heavy is imported to tell them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from mi_crow_gui import __version__
from mi_crow_gui.document import folders

_PACKAGES = ("torch", "transformers", "safetensors", "numpy", "PySide6-Essentials", "pyqtgraph")


def describe() -> str:
    """Several lines of text."""
    lines = [f"mi-crow-gui {__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} is not installed")
    lines.append(f"log: {folders.log_folder()}")
    lines.append(f"settings: {folders.config_folder()}")
    lines.append(f"recovery: {folders.state_folder()}")
    return "\n".join(lines)
