"""Versions and folders, for `--info` and bug reports; nothing heavy is imported to tell them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from mi_crow_gui import __version__

_PACKAGES = ("torch", "transformers", "safetensors", "numpy", "PySide6-Essentials", "pyqtgraph")


def describe() -> str:
    """Several lines of text."""
    import platformdirs

    lines = [f"mi-crow-gui {__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} is not installed")
    lines.append(f"log: {platformdirs.user_log_dir('mi-crow-inspector', appauthor=False)}")
    lines.append(f"settings: {platformdirs.user_config_dir('mi-crow-inspector', appauthor=False)}")
    lines.append(f"cache: {platformdirs.user_cache_dir('mi-crow-inspector', appauthor=False)}")
    return "\n".join(lines)
