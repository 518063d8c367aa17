"""Frames for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from mi_crow_gui.plotdata.frame import Frame


def frame(values: Any, **changes: Any) -> Frame:
    """A frame of these values, as a run would leave it."""
    array = np.asarray(values)
    array.flags.writeable = False
    known: dict[str, Any] = {
        "run": 3,
        "step": 0,
        "site": "h.1",
        "hook_id": "hook",
        "stage": "after",
        "values": array,
        "shape": array.shape,
        "dtype": str(array.dtype),
    }
    return Frame(**{**known, **changes})


def noise(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """The same normal numbers every time."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
