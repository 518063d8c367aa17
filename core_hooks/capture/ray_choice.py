"""That a job is to run over a Ray cluster, and whether it can: plain data, without Ray."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

INSTALL = 'pip install "mi-crow-inspector[ray]"'


@dataclass(frozen=True, slots=True)
class RayChoice:
    """A cluster: its `address`, "" for one on this machine, and how many `workers`, 0 for one a device."""

    address: str = ""
    workers: int = 0


def lacking() -> str:
    """Why no cluster can be used here, with the line that helps; "" when one can."""
    if importlib.util.find_spec("ray") is None:
        return f"Ray is not installed: {INSTALL}"
    return ""
