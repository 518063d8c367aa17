"""A steering vector as a safetensors file: the vector, and in the metadata where it belongs and what made it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetensors.numpy import save

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

FORMAT = "steering-vector-1"
SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class SteeringFile:
    """What `core_hooks.analysis.steering.SteeringVector` reads again.

    Attributes
    ----------
    values
        float32 ``[channels]``.
    block, site
        Index and module of the block whose output it is added to.
    model
        Name of the model.
    pairs, prompts
        How many pairs of prompts made it, and which, where they are known.
    """

    values: np.ndarray
    block: int
    site: str
    model: str
    pairs: int
    prompts: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """A name that says what it is, and is another one for other numbers."""
        first = " ".join(self.prompts[0][0].split()[-3:]) if self.prompts else "vector"
        words = re.sub(r"[^a-z0-9]+", "-", first.lower()).strip("-")[:24].strip("-") or "vector"
        return f"{words}-block{self.block}-{hashlib.sha256(self.values.tobytes()).hexdigest()[:6]}"

    def write(self, path: Path) -> Path:
        """Write the file: whole, or not at all."""
        metadata = {
            "format": FORMAT,
            "block": str(self.block),
            "site": self.site,
            "model": self.model,
            "pairs": str(self.pairs),
            "prompts": json.dumps(self.prompts, ensure_ascii=False),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(save({"vector": self.values}, metadata))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


def controller_text(name: str, file: SteeringFile) -> str:
    """Controller text that steers with a saved vector, named without a path or with one."""
    toward = f"toward {file.prompts[0][0]!r}, away from {file.prompts[0][1]!r}" if file.prompts else "a saved vector"
    more = f" and {file.pairs - 1} more" if file.pairs > 1 else ""
    return f"# Steer: {toward}{more}.\ndef control(x, ctx):\n    return x + ctx.strength * ctx.vector({name!r})\n"
