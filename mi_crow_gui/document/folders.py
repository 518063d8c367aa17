"""The program's own folders on this machine, where each system wants them; none is made before it is needed."""

from __future__ import annotations

from pathlib import Path

import platformdirs

_NAME = "mi-crow-inspector"


def data_folder() -> Path:
    """What must last: the key that signs sessions."""
    return Path(platformdirs.user_data_dir(_NAME, appauthor=False))


def vectors_folder() -> Path:
    """Steering vectors that controllers name without a path."""
    return data_folder() / "vectors"


def state_folder() -> Path:
    """What may be lost without harm to anything but comfort: recovery files."""
    return Path(platformdirs.user_state_dir(_NAME, appauthor=False))


def log_folder() -> Path:
    """The log files."""
    return Path(platformdirs.user_log_dir(_NAME, appauthor=False))


def config_folder() -> Path:
    """Settings."""
    return Path(platformdirs.user_config_dir(_NAME, appauthor=False))
