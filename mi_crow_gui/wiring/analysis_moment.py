"""Which moment of a run a plot of an analysis shows: how many of its tokens, and the step that this is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.tasks import TaskResult
    from mi_crow_gui.plotdata.analysis import Analysis


def first_tokens(tokens: TokenSequence, end: int) -> TokenSequence:
    """The first `end` tokens of a sequence."""
    return type(tokens)(tokens.ids[:end], tokens.texts[:end], tokens.special[:end])


@dataclass(frozen=True, slots=True)
class ShownAnalysis:
    """What a plot shows or was asked to; equal only for the same content."""

    content: Analysis | TaskResult
    settings: Any
    end: int
    step: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Prepares a drawing of an analysis as it was at a step; on the drawing thread, for it may take a while."""

    prepare: Callable[[Any, Any], Any]
    end: int
    step: int

    def __call__(self, content: Any, settings: Any) -> Any:
        """Make the drawing."""
        return self.prepare(content.until(self.end, self.step), settings)
