"""The logits of a run, row by row as it goes on, within a byte budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.document.formatting import byte_size
from mi_crow_gui.engine.archive import LOGITS_BUDGET

if TYPE_CHECKING:
    import torch


class LogitsKeeper:
    """Joins what every forward predicted; gives up, and says so, where it does not fit.

    Parameters
    ----------
    expected
        Tokens the run will have at most.
    """

    def __init__(self, expected: int, budget: int = LOGITS_BUDGET) -> None:
        self._expected, self._budget = expected, budget
        self._buffer: np.ndarray | None = None
        self._rows = 0
        self._problem = ""

    def add(self, logits: torch.Tensor) -> None:
        """Add the logits ``[1, tokens, vocabulary]`` of the tokens that were just fed."""
        if self._problem:
            return
        prompts, rows, words = logits.shape
        if prompts > 1:
            self._give_up("The logits of a batch are not kept: run one of its prompts alone.")
            return
        end = self._rows + rows
        # numpy does not know bfloat16; float32 holds it exactly.
        wide = str(logits.dtype) == "torch.bfloat16"
        needed = end * words * (4 if wide else logits.element_size())
        if needed > self._budget:
            self._give_up(
                f"The logits are not kept: those of {end:,} tokens take {byte_size(needed)}, and a run keeps "
                f"{byte_size(self._budget)}."
            )
            return
        found = logits[0].detach().cpu()
        values = (found.float() if wide else found).numpy()
        if self._buffer is None:
            room = max(rows, min(self._expected, self._budget // max(1, words * values.itemsize)))
            # The pages of an empty array cost nothing until they are written.
            self._buffer = np.empty((room, words), values.dtype)
        if end > len(self._buffer) or self._buffer.shape[1] != words:
            self._give_up("The logits are not kept: the model gave more of them than there are tokens.")
            return
        self._buffer[self._rows : end] = values
        self._rows = end

    def taken(self, tokens: int) -> tuple[np.ndarray | None, str]:
        """What was kept of a run over so many `tokens`, or None and the reason."""
        if self._problem:
            return None, self._problem
        if self._buffer is None:
            return None, "There are no logits: the model gave none, or the run ended before them."
        if self._rows not in (tokens, tokens - 1):
            return None, f"The logits are not kept: the model gave {self._rows:,} rows of them for {tokens:,} tokens."
        kept = self._buffer[: self._rows]
        kept.flags.writeable = False
        return kept, ""

    def _give_up(self, sentence: str) -> None:
        self._problem, self._buffer = sentence, None
