"""Tokens of a capture with their neighbours, as a list shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_crow_gui.document.formatting import number

if TYPE_CHECKING:
    import numpy as np

    from core_hooks.capture.channels import Example


@dataclass(frozen=True, slots=True, eq=False)
class ExampleRow:
    """One line of the list.

    Attributes
    ----------
    caption
        What stands before the tokens: a value, a score; of a heading all there is.
    tokens, values
        The neighbourhood and what is to be shown of each token by colour; no values: no colours.
    marked
        Which of them it is about.
    row, text, position
        Where that one is in the capture; -1 for a heading.
    """

    caption: str
    tokens: tuple[str, ...] = ()
    values: np.ndarray | None = None
    marked: int = 0
    row: int = -1
    text: int = -1
    position: int = -1

    @property
    def heading(self) -> bool:
        """Whether it stands over others."""
        return self.row < 0


def example_row(example: Example, caption: str = "") -> ExampleRow:
    """An example of a channel; its value stands before it unless something else is to."""
    return ExampleRow(
        caption or number(example.value),
        example.tokens,
        example.values,
        example.marked,
        example.row,
        example.text,
        example.position,
    )
