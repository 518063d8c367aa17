"""A question about the tokens of a run that a plot asks, as the model thread takes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from mi_crow_gui.engine.tasks import ModelTask

if TYPE_CHECKING:
    from core_hooks.model.batch import TokenBatch
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.tasks import TaskDesk


@dataclass(frozen=True, slots=True)
class AnalysisRequest(ModelTask):
    """An analysis by its name in `mi_crow_gui.engine.analyses`, over the tokens of a run.

    The controllers of its run act while it is computed, detectors look away; its content is one of
    `mi_crow_gui.plotdata`.

    Attributes
    ----------
    run
        Number of the run that the tokens are of; 0 when it is about no run.
    tokens
        None for an analysis that makes its own.
    parameters
        What else it is told, as (name, value) pairs.
    prompt
        Number of the prompt of a batch that the tokens are of, which controllers are told.
    """

    yields_to_runs: ClassVar[bool] = True

    name: str
    run: int = 0
    tokens: TokenSequence | None = None
    parameters: tuple[tuple[str, object], ...] = ()
    prompt: int = 0

    @property
    def title(self) -> str:
        """Its name in words; a plot that shows it has a better one."""
        return self.name.replace("_", " ").capitalize()

    def work(self, opened: OpenedModel, desk: TaskDesk) -> Any:
        """Compute what a view shows of these tokens."""
        from core_hooks.model.errors import ModelError
        from mi_crow_gui.engine.analyses import ANALYSES, OWN_TOKENS
        from mi_crow_gui.engine.captured_runs import KeptValues

        kept = desk.runs.get(self.run) if self.run else None
        if kept is not None and kept.hooks_changed:
            raise ModelError(
                f"Controllers changed during run {self.run}, so it can't be done again: run the prompt again."
            )
        if kept is not None:
            acting = kept.hooks if kept.controllers else ()
            with desk.attachments.as_of(acting, self.run, self._numbered(), KeptValues(kept)):
                return ANALYSES[self.name](opened, self, desk.cancel, desk.progress)
        request = self
        if self.tokens is None and self.name in OWN_TOKENS:
            request = replace(self, tokens=OWN_TOKENS[self.name](opened))
        # Controllers are told of the same tokens.
        with desk.attachments.aside(request.run, request._numbered()):
            return ANALYSES[self.name](opened, request, desk.cancel, desk.progress)

    def _numbered(self) -> TokenBatch | None:
        from core_hooks.model.batch import TokenBatch

        return TokenBatch((self.tokens,), number=self.prompt) if self.tokens is not None else None
