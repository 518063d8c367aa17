"""How long the residual stream is, by block and token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from core_hooks.analysis.residuals import Residuals


def residual_norms(residuals: Residuals) -> np.ndarray:
    """Return the Euclidean norm of each vector of a residual stream.

    Token 0 is often two orders of magnitude longer than all others (attention sinks; Xiao et al., "Efficient
    Streaming Language Models with Attention Sinks", 2023): draw it apart or on a percentile scale.

    Returns
    -------
    numpy.ndarray
        float32 ``[blocks + 1, tokens]``, in the unit of the activations; row 0 is the input of the first block.
    """
    rows = [torch.linalg.vector_norm(row.float(), dim=-1).numpy() for row in residuals.stream]
    return np.stack(rows)
