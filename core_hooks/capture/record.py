"""What one call of a hooked module left behind: plain data that crosses threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class CaptureRecord:
    """One captured tensor.

    Attributes
    ----------
    run, step, call
        Number of the run; 0 for the prompt and n for the n-th generated token; which call of the module within
        that forward, from 0.
    site
        Dotted name of the module.
    hook_id
        The hook that captured it.
    stage
        ``"before"`` or ``"after"`` the controllers of the same site; ``"input"`` for what went in.
    values
        The values, read-only, owning their memory. bfloat16 arrives as float32 (exact); other dtypes unchanged.
    dtype
        The tensor's own dtype, e.g. ``"bfloat16"``.
    first_token
        Position in the sequence of the first token in `values`.
    """

    run: int
    step: int
    call: int
    site: str
    hook_id: str
    stage: str
    values: np.ndarray
    dtype: str
    first_token: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor as it was captured."""
        return tuple(self.values.shape)

    @property
    def nbytes(self) -> int:
        """Memory that the values hold, in bytes."""
        return int(self.values.nbytes)
